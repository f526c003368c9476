"""What a run on this machine would come to."""

import pytest

from engine.cli import asking
from engine.cli.foresight import foresee
from engine.errors import RunRefused, SettingsError, SpecError

ENV = {
    "PROVISIONING_HOST": "global.azure-devices-provisioning.net",
    "PROVISIONING_IDSCOPE": "0ne00000001",
    "PROVISIONING_SAS_KEY": "AAAA",
    "ALLOWED_HOSTS": "global.azure-devices-provisioning.net",
}


def foreseen(spec, environ=None):
    """The estimate of a spec in an environment."""
    environ = environ or {}
    return foresee(asking.of_spec(spec, {}, environ), environ, now=1_767_268_800.0)


def test_emulator_has_no_limits():
    """As the host that `run` starts would say; the seed that nobody drew is not told."""
    found = foreseen({"scenario": "cert-renewal", "devices": {"count": 500}})
    assert found["estimate"]["binding"]["effect"] == "emulator: none"
    assert found["spec"]["devices"]["count"] == 500
    assert "randomSeed" not in found["spec"]
    assert foreseen({"scenario": "cert-renewal", "randomSeed": 7})["spec"]["randomSeed"] == 7


def test_workers_of_this_machine_are_counted_on():
    """A run that wants a job gets one here."""
    spec = {"scenario": "provision", "execution": {"runner": "job"}}
    assert foreseen(spec)["estimate"]["runner"] == "job"


def test_profile_of_the_environment_has_its_limits():
    """Those of the services."""
    found = foreseen({"scenario": "provision", "load": {"rampUp": "1m"}}, ENV)
    limits = {one["limit"]: one["value"] for one in (found["estimate"]["binding"], *found["estimate"]["limits"])}
    assert (found["spec"]["target"], limits["dps.registrations"]) == ("env", 1000)


def test_what_the_host_would_refuse_is_refused():
    """By the same rules."""
    with pytest.raises(SpecError, match="/devices/cout"):
        foreseen({"scenario": "provision", "devices": {"cout": 1}})
    with pytest.raises(RunRefused, match="MAX_DEVICES is 3"):
        foreseen({"scenario": "provision", "devices": {"count": 4}}, {"MAX_DEVICES": "3"})
    with pytest.raises(SettingsError, match="MAX_DEVICES"):
        foreseen({"scenario": "provision"}, {"MAX_DEVICES": "many"})


def test_state_of_the_environment_does_not_matter():
    """An estimate keeps nothing, wherever state would be kept."""
    environ = {"STATE_KEY": "short", "STORAGE_CONN_STR": "x", "BATCH_JOB": "x", "STORAGE_ACCOUNT_URL": "x"}
    assert foreseen({"scenario": "provision"}, environ)["estimate"]["batches"] == 1
