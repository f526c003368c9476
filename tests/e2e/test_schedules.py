"""A schedule goes in by HTTP, the timer fires, and the run is there."""

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

from doubles.stage import LOOK_EVERY_S, Stage

SPEC: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 4, "prefix": "scheduled-"},
    "load": {"rampUp": "1s"},
}
PATIENCE_S = 60.0


def call(stage: Stage, method: str, path: str, document: Any = None) -> Any:
    """What the host answers, None where that has no body."""
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(urllib.request.Request(stage.api.url + path, body, method=method), timeout=30) as found:
        text = found.read()
    return json.loads(text) if text else None


def became(stage: Stage, name: str) -> dict[str, Any]:
    """What became of the schedule's first firing; the timer is fired until that is known."""
    give_up = time.monotonic() + PATIENCE_S
    while (shown := call(stage, "GET", f"/api/schedules/{name}"))["last"] is None:
        assert time.monotonic() < give_up, shown
        time.sleep(LOOK_EVERY_S)
        call(stage, "POST", "/admin/functions/start_due_runs", {"input": ""})
    last: dict[str, Any] = shown["last"]
    return last


def test_schedule_starts_its_run_once(stage: Stage) -> None:
    """At its moment and not before; the run passes, another tick starts none, and the schedule has nothing left."""
    at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="seconds")
    put = call(stage, "PUT", "/api/schedules/once", {"spec": SPEC, "at": at, "timeZone": "Europe/Berlin"})
    assert [datetime.fromisoformat(moment) for moment in put["next"]] == [datetime.fromisoformat(at)]
    assert put["next"][0].endswith(("+01:00", "+02:00"))
    last = became(stage, "once")
    assert last["became"] == "started"
    assert last["runId"] == f"once-{datetime.fromisoformat(at):%Y%m%d-%H%M}"
    assert stage.summary(last["runId"])["verdict"] == "passed"
    call(stage, "POST", "/admin/functions/start_due_runs", {"input": ""})
    shown = call(stage, "GET", "/api/schedules/once")
    assert (shown["next"], len(shown["lately"])) == ([], 1)
    runs = call(stage, "GET", "/api/runs")["runs"]
    assert sum(run["runId"].startswith("once-") for run in runs) == 1
    assert [held["name"] for held in call(stage, "GET", "/api/schedules")["schedules"]] == ["once"]
    assert call(stage, "DELETE", "/api/schedules/once") is None
