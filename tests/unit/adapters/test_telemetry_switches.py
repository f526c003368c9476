"""What keeps the SDK quiet."""

from engine.adapters.telemetry.switches import switch_off


def test_switches_keep_what_an_operator_chose() -> None:
    """All else is off."""
    environ = {"APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "false", "PATH": "/bin"}
    switch_off(environ)
    assert environ == {
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "false",
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "azure_app_service",
        "PATH": "/bin",
    }
