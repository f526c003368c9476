"""What keeps Azure Monitor's SDK from talking to anybody but the ingestion endpoint."""

from collections.abc import MutableMapping
from typing import Final

_OFF: Final = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "azure_app_service",
}
"""Statistics about the SDK, its remote settings, an item per request that nobody told, and a detector that asks the
metadata service. Source: azure-monitor-opentelemetry 1.8.11 and its exporter, README, "Configuration"."""


def switch_off(environ: MutableMapping[str, str]) -> None:
    """Set what is not set: what an operator chose stays. The SDK reads it while it is imported, and later."""
    for name, value in _OFF.items():
        environ.setdefault(name, value)
