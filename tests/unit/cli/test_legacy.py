"""The predecessor's variables."""

import pytest

from engine.cli.legacy import VARIABLES, fill_in, run_id_of
from engine.errors import SettingsError
from engine.plan.document import take

RENEWAL = {"scenario": "cert-renewal"}
ARRIVALS = {"scenario": "cert-renewal", "load": {"executor": "constant-arrival-rate"}}
LIFECYCLE = {"scenario": "cert-lifecycle"}

FILLED = [
    ("DEVICE_NAME_PREFIX", "dev-", RENEWAL, "/devices/prefix", "dev-"),
    ("ADR_DEVICE_PREFIX", "adr-", {"scenario": "adr-patch"}, "/devices/prefix", "adr-"),
    ("DEVICES_PER_USER", "250", RENEWAL, "/execution/batchSize", 250),
    ("CERT_REQUEST_INTERVAL", "90", RENEWAL, "/load/pacing/interval", "1m30s"),
    ("CERT_REQUEST_INTERVAL", "0.5", RENEWAL, "/load/pacing/interval", "500ms"),
    ("CONNECT_REQUEST_INTERVAL", "5", {"scenario": "connect-churn"}, "/load/pacing/interval", "5s"),
    ("ADR_REQUEST_INTERVAL", "5", {"scenario": "adr-get-patch"}, "/load/pacing/interval", "5s"),
    ("ADR_PATCH_INTERVAL", "5", {"scenario": "adr-patch"}, "/load/pacing/interval", "5s"),
    ("CERT_REPLACE_ENABLED", "true", RENEWAL, "/certificate/onPending", "replace-any"),
    ("CREDENTIAL_RESPONSE_TIMEOUT", "300", RENEWAL, "/timeouts/certificate", "5m"),
    ("CERT_REQUESTS_PER_MINUTE", "120", ARRIVALS, "/load/rate", 120),
    ("CERT_REQUESTS_PER_MINUTE", "0.5", ARRIVALS, "/load/rate", 0.5),
    ("SEND_MAX_RATE", "TRUE", RENEWAL, "/load/executor", "max-rate"),
    ("USE_STORED_DEVICES_ONLY", "1", RENEWAL, "/devices/source", "stored-only"),
    ("HUB_MESSAGE_SIZE", "512", LIFECYCLE, "/telemetry/size", 512),
]


@pytest.mark.parametrize(("name", "text", "spec", "path", "value"), FILLED)
def test_variable_fills_the_field_the_spec_left_out(name, text, spec, path, value):
    """Each variable becomes the field of product section 2.4, in the spec's own units."""
    filled, told = fill_in(spec, {name: text})
    assert take(filled, path) == value
    assert told == [f"{name}: {path} is {value}"]


def test_every_variable_of_the_table_is_tried():
    """The cases above leave no variable out."""
    assert {case[0] for case in FILLED} == {variable.name for variable in VARIABLES}


def test_spec_wins_over_a_variable():
    """What the spec says stays, and that is told."""
    spec = {"scenario": "cert-renewal", "devices": {"prefix": "mine-"}}
    assert fill_in(spec, {"DEVICE_NAME_PREFIX": "dev-"}) == (
        spec,
        ["DEVICE_NAME_PREFIX: not used, the spec says /devices/prefix"],
    )


@pytest.mark.parametrize(
    ("name", "text", "spec", "reason"),
    [
        ("CERT_REQUEST_INTERVAL", "90", {"scenario": "connect-churn"}, "not used by connect-churn"),
        ("CERT_REQUESTS_PER_MINUTE", "5", RENEWAL, "not used by per-device-pacing"),
        ("HUB_MESSAGE_SIZE", "5", RENEWAL, "not used by cert-renewal"),
        ("DEVICE_NAME_PREFIX", "dev-", {"scenario": "adr-patch"}, "not used by adr-patch"),
        ("DEVICES_PER_USER", "5", {"scenario": "juggling"}, "not used, the spec names no scenario"),
    ],
)
def test_variable_that_means_nothing_here_changes_nothing(name, text, spec, reason):
    """A field that the scenario or executor does not use would be an error, so it is left alone."""
    assert fill_in(spec, {name: text}) == (spec, [f"{name}: {reason}"])


@pytest.mark.parametrize("name", ["CERT_REPLACE_ENABLED", "SEND_MAX_RATE", "USE_STORED_DEVICES_ONLY"])
def test_false_flag_leaves_the_default(name):
    """A flag that is off asks for nothing."""
    assert fill_in(RENEWAL, {name: "false"}) == (RENEWAL, [])


def test_rate_per_minute_needs_a_rate_per_minute():
    """A spec that counts per second is not given a number per minute."""
    spec = {"scenario": "cert-renewal", "load": {"executor": "constant-arrival-rate", "timeUnit": "1s"}}
    filled, told = fill_in(spec, {"CERT_REQUESTS_PER_MINUTE": "60"})
    assert filled == spec
    assert "timeUnit" in told[0]


def test_rate_per_minute_brings_its_unit():
    """The rate comes with the unit it is in."""
    assert take(fill_in(ARRIVALS, {"CERT_REQUESTS_PER_MINUTE": "60"})[0], "/load/timeUnit") == "1m"


def test_unreadable_values_are_told_together():
    """Every variable that is wrong is named at once."""
    with pytest.raises(SettingsError) as refused:
        fill_in(RENEWAL, {"CERT_REQUEST_INTERVAL": "soon", "DEVICES_PER_USER": "1.5", "SEND_MAX_RATE": "perhaps"})
    assert set(refused.value.problems) == {"CERT_REQUEST_INTERVAL", "DEVICES_PER_USER", "SEND_MAX_RATE"}


@pytest.mark.parametrize("text", ["nan", "inf", "-1"])
def test_interval_is_a_length_of_time(text):
    """No number that is not a time becomes one."""
    with pytest.raises(SettingsError):
        fill_in(RENEWAL, {"CERT_REQUEST_INTERVAL": text})


def test_blank_variable_is_not_there():
    """An empty variable is one that is not set."""
    assert fill_in(RENEWAL, {"DEVICES_PER_USER": " "}) == (RENEWAL, [])


def test_given_spec_is_not_changed():
    """The values go into a copy."""
    spec = {"scenario": "cert-renewal", "load": {}}
    fill_in(spec, {"CERT_REQUEST_INTERVAL": "5"})
    assert spec == {"scenario": "cert-renewal", "load": {}}


def test_run_id_prefers_the_longer_name():
    """LOAD_TEST_RUN_ID goes before RUN_ID; neither means that the host makes one up."""
    assert run_id_of({"RUN_ID": "b", "LOAD_TEST_RUN_ID": "a"}) == "a"
    assert run_id_of({"RUN_ID": "b"}) == "b"
    assert run_id_of({"RUN_ID": ""}) is None
