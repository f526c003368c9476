"""A run compared with the one before it: judged, reported, and shown side by side."""

import subprocess
import sys
from typing import Any

from doubles.stage import Stage, counts_of
from tests.e2e.commanding import ROOT, clean_environ

SPEC: dict[str, Any] = {
    "name": "compared",
    "scenario": "cert-renewal",
    "devices": {"count": 6, "prefix": "compared-"},
    "load": {"executor": "once", "rampUp": "2s", "gracefulStop": "10s"},
    "connection": {"hold": "100ms"},
    "execution": {"batchSize": 3},
    "results": {"interval": "5s"},
    "baseline": "name:compared",
}
GENEROUS = {"metric": "cert.issued", "expr": "p(95)<=100*baseline"}
IMPOSSIBLE = {"metric": "cert.issued", "expr": "p(95)<=0.0001*baseline"}


def test_second_night_is_judged_by_the_first(stage: Stage) -> None:
    """The first passes without a baseline and becomes one; the second fails by the limit that came of it."""
    first = stage.run({**SPEC, "thresholds": [GENEROUS, IMPOSSIBLE]})
    assert (first["verdict"], "comparison" in first) == ("passed", False)
    assert [one["ok"] for one in first["thresholds"]] == [None, None]
    assert any("no run named compared had passed before" in warning for warning in first["warnings"])

    second = stage.run({**SPEC, "thresholds": [GENEROUS, IMPOSSIBLE]})
    assert (second["verdict"], second["exitCode"]) == ("failed", 99)
    assert [one["ok"] for one in second["thresholds"]] == [True, False]
    (reason,) = second["reasons"]
    assert reason["text"].startswith("cert.issued p(95)<=0.0001*baseline: found ")
    assert "ms; the baseline had " in reason["text"]
    assert second["comparison"]["to"]["runId"] == first["runId"]
    report = stage.api.document(second["runId"], "report.md").decode()
    assert f"## Compared with {first['runId']}" in report

    compared = stage.api.compare(second["runId"], None)
    assert compared == second["comparison"]
    issued = compared["operations"]["cert.issued"]
    assert (issued["ok"]["run"], issued["ok"]["to"]) == (counts_of(second, "cert.issued")["ok"], 6)
    assert issued["uncertain"] == ["p50", "p90", "p95", "p99", "p99.9"]
    assert compared["operations"]["dps.register"]["notes"] == [f"only in run {first['runId']}"]

    again = stage.run({**SPEC, "baseline": first["runId"]})
    assert (again["verdict"], again["comparison"]["to"]["runId"]) == ("passed", first["runId"])
    command = [sys.executable, "-m", "engine", "compare", again["runId"], "--to", "name:compared"]
    shown = subprocess.run(
        [*command, "--url", stage.station.url],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"Run {again['runId']} beside run {first['runId']}: compared, passed" in shown.stdout
