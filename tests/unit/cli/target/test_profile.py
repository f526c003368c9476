"""The settings that find a target."""

import json

import pytest

from engine.cli.target.profile import hosts, profile, settings
from engine.cli.target.story import Ready
from engine.cli.target.wanted import CertificateModel
from engine.plan.target import parse_targets
from tests.unit.cli.target.wishes import wanted

READY = Ready("0ne1", "global.example", "dps.example", ("iot-1.example", "iot-2.example"), "westeurope")


def test_profile_names_the_secret_and_the_registry():
    """One DPS, every hub, and the namespace where there is one."""
    found = profile(wanted(profile="prod", secret_name="key-of-prod"), READY)
    assert found == {
        "prod": {
            "dps": [
                {"host": "global.example", "idScope": "0ne1", "secret": "key-of-prod", "serviceHost": "dps.example"}
            ],
            "hubs": ["iot-1.example", "iot-2.example"],
            "adr": {"subscription": "sub", "resourceGroup": "rg", "namespace": "adr-one", "location": "westeurope"},
        }
    }
    assert "adr" not in profile(wanted(CertificateModel.NONE), READY)["target"]


def test_every_host_is_allowed_once():
    """In the profile's order."""
    assert hosts(READY) == ["global.example", "dps.example", "iot-1.example", "iot-2.example"]
    assert hosts(Ready("0ne1", "dps.example", "dps.example", ("iot.example",))) == ["dps.example", "iot.example"]


@pytest.mark.parametrize("model", CertificateModel)
def test_settings_are_what_the_app_reads(model: CertificateModel):
    """Text without blanks, which the app's own parser takes."""
    found = settings(wanted(model), READY)
    targets = parse_targets(found["TARGETS"], allowed_hosts=found["ALLOWED_HOSTS"].split(","))
    assert targets.by_name["target"].profile.hubs == READY.hub_hosts
    assert json.loads(found["TARGETS"]) == profile(wanted(model), READY)
    assert " " not in found["TARGETS"] + found["ALLOWED_HOSTS"]
