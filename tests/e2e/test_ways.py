"""Devices that come another way: by certificate, over HTTPS or WebSocket, to several hubs, to a hub with quotas."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from doubles.stage import Stage, counts_of, emulator_counted, open_stage

QUOTA = 120
"""Certificates a minute."""

HUBS = ("hub-1.localhost", "hub-2.localhost")
WRONG_KEY = b64encode(b"not the key of this group" * 2).decode()
"""Whoever gets in with it has another proof."""

SEARCH = {
    "scenario": "cert-throttle",
    "devices": {"count": 20, "prefix": "knee-"},
    "load": {"search": {"start": 100, "step": 1.5, "hold": "10s"}, "gracefulStop": "10s"},
}
LIFECYCLE = {
    "scenario": "cert-lifecycle",
    "devices": {"count": 12, "prefix": "way-"},
    "load": {"rampUp": "2s", "gracefulStop": "10s"},
    "connection": {"hold": "100ms"},
    "telemetry": {"messages": 2, "interval": "100ms"},
    "execution": {"batchSize": 6},
}


@pytest.fixture(scope="module", autouse=True)
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, str]]:
    """A rate search on services of its own, under way while the other tests run on theirs."""
    quotas = f'{{"certificates": {QUOTA}}}'
    with open_stage(tmp_path_factory.mktemp("knee"), quotas=quotas, transport="mqtt-ws") as stage:
        yield stage, stage.start(SEARCH)


@pytest.fixture(scope="module")
def to_two_hubs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of lifecycles that begin with a certificate, over HTTPS, and are dealt over two hubs."""
    options = {"attestation": "x509", "transport": "https", "hubs": len(HUBS), "group_key": WRONG_KEY}
    with open_stage(tmp_path_factory.mktemp("hubs"), **options) as stage:
        return stage.run(LIFECYCLE)


def differences(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """What the ends counted differently."""
    return [row for row in summary["emulator"] if row["note"] not in ("equal", "")]


def assert_all_got_in(summary: dict[str, Any]) -> None:
    """Twelve devices did all they should, and nothing else happened."""
    assert (summary["verdict"], summary["reasons"], differences(summary)) == ("passed", [], [])
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    found = [counts_of(summary, name)["ok"] for name in ("dps.register", "cert.issued", "cert.verified")]
    assert found == [counts_of(summary, "iteration")["ok"]] * 3 == [12] * 3


def test_devices_onboard_by_certificate_over_https(to_two_hubs: dict[str, Any]) -> None:
    """Nobody needs the group key, and nobody but hubs hears MQTT."""
    assert_all_got_in(to_two_hubs)
    assert emulator_counted(to_two_hubs, "connects") == counts_of(to_two_hubs, "hub.connect")["ok"]


def test_results_of_two_hubs_add_up_to_the_whole(to_two_hubs: dict[str, Any]) -> None:
    """Both hubs have devices, each hub admitted as many as came, and no number is lost between them."""
    for name in ("hub.connect", "hub.disconnect", "cert.issued", "cert.verified", "telemetry.publish"):
        whole = counts_of(to_two_hubs, name)
        assert set(whole["byHub"]) == set(HUBS), name
        for number in ("due", "started", "ok", "failed", "dropped"):
            assert sum(part[number] for part in whole["byHub"].values()) == whole[number], (name, number)
        assert all(part["ok"] for part in whole["byHub"].values())
    by_hub = counts_of(to_two_hubs, "hub.connect")["byHub"]
    assert [emulator_counted(to_two_hubs, f"hub.connects {hub}") for hub in HUBS] == [by_hub[hub]["ok"] for hub in HUBS]


@pytest.mark.parametrize(
    ("attestation", "transport"), [("x509", "mqtt"), ("x509", "mqtt-ws"), ("symmetric-key-group", "https")]
)
def test_devices_onboard_by_every_proof_and_transport(
    tmp_path_factory: pytest.TempPathFactory, attestation: str, transport: str
) -> None:
    """Whoever has a certificate needs no group key, and each registration takes the way it was told."""
    options = {"attestation": attestation, "transport": transport}
    options |= {"group_key": WRONG_KEY} if attestation == "x509" else {}
    with open_stage(tmp_path_factory.mktemp("way"), **options) as stage:
        summary = stage.run(LIFECYCLE)
    assert_all_got_in(summary)
    registered, connected = counts_of(summary, "dps.register")["ok"], counts_of(summary, "hub.connect")["ok"]
    assert emulator_counted(summary, "connects") == connected + (0 if transport == "https" else registered)
    assert emulator_counted(summary, "websockets") == (registered if transport == "mqtt-ws" else 0)


def test_rate_search_finds_the_knee_that_the_quota_makes(search: tuple[Stage, str]) -> None:
    """A bucket holds a second's worth, so a little more than the quota may hold for ten seconds, and no more."""
    stage, run_id = search
    summary = stage.summary(run_id)
    assert (summary["verdict"], summary["reasons"], differences(summary)) == ("passed", [], [])
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    knee = summary["search"]["knee"]
    assert knee["limitedBy"] == "service"
    assert 0.9 * QUOTA <= knee["held"] < knee["failed"] <= 1.3 * QUOTA
    assert emulator_counted(summary, "cert throttled") == counts_of(summary, "cert.issued")["outcomes"]["throttled"] > 0
    assert emulator_counted(summary, "websockets") == counts_of(summary, "dps.register")["ok"] == 20
