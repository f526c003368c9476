"""What the services are told."""

import json

from engine.cli.environment import (
    CONCURRENCY,
    TELEMETRY,
    TELEMETRY_IDENTITY,
    connection_string,
    emulator_facts,
    host_environment,
)
from engine.plan.target import parse_targets
from engine.settings import Settings

KEY = "A" * 86 + "=="
READY = {
    "ready": True,
    "host": "127.0.0.1",
    "port": 41000,
    "idScope": "0ne00000000",
    "hubs": ["hub-1.localhost", "hub-2.localhost"],
    "groupKey": "c2VjcmV0",
    "onboardingCa": "LS0tLS0=",
    "caFile": "/ca.pem",
    "control": "http://127.0.0.1:41001",
}


def environment(environ=None, emulator=None):
    """The host's environment, with the given one under it."""
    return host_environment(
        environ or {}, storage=connection_string(10_000), state_key=KEY, emulator=emulator or {}, logs="/var/logs"
    )


def test_host_environment_is_one_the_engine_accepts():
    """The settings read from it have storage, key and emulator."""
    facts = {"LOCAL_EMULATOR": emulator_facts(READY, {"faults": {"throttled": 0.2}}), "LOCAL_GROUP_KEY": "c2VjcmV0"}
    settings = Settings.from_env(environment(emulator=facts))
    assert settings.storage_conn_str == connection_string(10_000)
    assert not settings.is_in_azure
    assert settings.local_workers == "/var/logs"
    local = parse_targets("", allowed_hosts=(), local=settings.local_emulator).by_name["local"]
    assert local.profile.port == 41000
    assert local.profile.faults is not None
    assert local.profile.faults.throttled == 0.2


def test_emulator_facts_hold_no_key():
    """The group key and the onboarding CA go their own way."""
    assert json.loads(emulator_facts(READY, {"faults": None})).keys() == {
        "host", "port", "idScope", "hubs", "caFile", "control",
    }  # fmt: skip


def test_emulator_facts_hold_how_devices_reach_dps():
    """The profile's DPS has the transport and the attestation that were asked for, and the secret that goes with it."""
    facts = emulator_facts(READY, {"transport": "https", "attestation": "x509"})
    profile = parse_targets("", allowed_hosts=(), local=facts).by_name["local"].profile
    (dps,) = profile.dps
    assert (dps.transport, dps.attestation, dps.secret) == ("https", "x509", "local-onboarding-ca")
    assert profile.hubs == ("hub-1.localhost", "hub-2.localhost")


def test_callers_environment_goes_through():
    """Targets and secrets of the caller reach the host."""
    told = environment({"PROVISIONING_HOST": "dps.example", "STATE_KEY": "mine"})
    assert told["PROVISIONING_HOST"] == "dps.example"
    assert told["STATE_KEY"] == "mine"


def test_state_is_kept_by_azurite_whatever_the_caller_has():
    """Other stores are blanked, so that exactly one is left."""
    told = environment({"STORAGE_ACCOUNT_URL": "https://x.example", "LOCAL_STORE": "/x", "STORAGE_CONN_STR": "y"})
    assert (told["STORAGE_ACCOUNT_URL"], told["LOCAL_STORE"]) == ("", "")
    assert told["STORAGE_CONN_STR"] == connection_string(10_000)


def test_leftovers_of_another_emulator_are_blanked():
    """Without an emulator of ours there is none."""
    names = ("LOCAL_EMULATOR", "LOCAL_GROUP_KEY", "LOCAL_ONBOARDING_CA")
    told = environment(dict.fromkeys(names, "x"))
    assert [told[name] for name in names] == ["", "", ""]


def test_batches_of_a_run_find_room():
    """The host runs more activities at once than an instance in Azure; the caller may say otherwise."""
    assert int(environment()[CONCURRENCY]) >= 10
    assert environment({CONCURRENCY: "3"})[CONCURRENCY] == "3"


def test_telemetry_of_the_caller_stays_unless_there_is_a_place_for_it_here():
    """An identity in Azure is not told to this machine's ingestion."""
    theirs = {TELEMETRY: "InstrumentationKey=theirs", TELEMETRY_IDENTITY: "Authorization=AAD"}
    assert environment(theirs).items() >= theirs.items()
    assert TELEMETRY not in environment()
    told = host_environment(
        theirs, storage=connection_string(10_000), state_key=KEY, emulator={}, logs="/var/logs", telemetry="ours"
    )
    assert (told[TELEMETRY], told[TELEMETRY_IDENTITY]) == ("ours", "")


def test_loopback_goes_past_a_proxy():
    """A proxy of the caller stays, for everything but this machine."""
    told = environment({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "corp.example"})
    assert told["NO_PROXY"] == "corp.example,127.0.0.1,localhost"
    assert "NO_PROXY" not in environment()
