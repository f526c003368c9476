"""Every sample spec, run: it ends as it should, measures what it should, and both ends counted the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from doubles.stage import Stage, counts_of, emulator_counted

FOLDER = Path(__file__).parents[1] / "data" / "specs"
TOO_LONG = "smallest"
"""Nothing but a scenario: it lasts the five minutes that a run takes when nobody says."""

STORED = {"dps.register", "state.save"}
REUSED = STORED | {"state.load"}
CONNECTED = {"iteration", "hub.connect", "hub.disconnect"}
RENEWED = {"cert.request", "cert.accepted", "cert.issued", "cert.verified"}
CALLED = {"iteration", "adr.get", "adr.create", "adr.patch", "adr.poll"}
MEASURED = {
    "adr-get-patch": CALLED,
    "adr-patch": CALLED | {"adr.delete"},
    "arrival": REUSED | CONNECTED | RENEWED,
    "back-to-back": REUSED | CONNECTED | RENEWED,
    "by-way-of-dps": REUSED | CONNECTED | {"cert.issued", "cert.verified"},
    "churn": REUSED | CONNECTED,
    "conformance": REUSED | CONNECTED | {"conformance.case"},
    "http-probe": {"iteration", "http.get"},
    "job": REUSED | CONNECTED | RENEWED,
    "lifecycle": STORED | CONNECTED | RENEWED | {"telemetry.publish"},
    "new-keys": REUSED | CONNECTED | RENEWED,
    "of-validity": REUSED | CONNECTED | RENEWED,
    "provision": STORED | CONNECTED | {"cert.verified"},
    "renewal": REUSED | CONNECTED | RENEWED,
    "replace-any": REUSED | CONNECTED | RENEWED,
    "stages": REUSED | CONNECTED | RENEWED,
    "stored-only": CONNECTED | {"state.load"},
    "storm": REUSED | CONNECTED,
    "telemetry": REUSED | CONNECTED - {"hub.disconnect"} | {"telemetry.publish"},
    "throttle": REUSED | CONNECTED - {"hub.disconnect"} | RENEWED,
    "websocket": STORED | CONNECTED | RENEWED | {"telemetry.publish"},
}
"""The operations of each spec on a stage that has not seen its devices, and no others."""

BEFORE = {"stored-only": "provision"}
"""What has to be run before, so that there is something stored."""


def read(name: str) -> dict[str, Any]:
    """A sample spec."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def test_every_sample_is_run() -> None:
    """A sample that nobody runs may be wrong for long."""
    assert {path.stem for path in FOLDER.glob("*.json")} == {*MEASURED, TOO_LONG}


@pytest.mark.parametrize("name", MEASURED)
def test_sample_passes_conserves_and_agrees_with_the_emulator(stage: Stage, name: str) -> None:
    """Every start is accounted for, and all that both ends counted is the same number."""
    if name in BEFORE:
        stage.run(read(BEFORE[name]))
    summary = stage.run(read(name))
    assert (summary["verdict"], summary["reasons"]) == ("passed", [])
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    assert set(summary["operations"]) == MEASURED[name]
    main = counts_of(summary, summary["mainOperation"])
    assert main["ok"] == main["started"] > 0
    compared = [row for row in summary["emulator"] if row["devices"] is not None]
    assert any(row["devices"] for row in compared)
    assert [row for row in compared if row["note"] != "equal"] == []
    is_websocket = read(name).get("connection", {}).get("transport") == "mqtt-ws"
    assert emulator_counted(summary, "websockets") == (counts_of(summary, "hub.connect")["ok"] if is_websocket else 0)
    assert summary.get("search", {}).get("knee", {}).get("limitedBy") == ("harness" if name == "throttle" else None)
