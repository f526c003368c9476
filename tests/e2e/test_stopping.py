"""Runs that stop by themselves, long before their load is over."""

from typing import Any

import pytest

from doubles.stage import Stage, counts_of

HOURS: dict[str, Any] = {
    "scenario": "cert-renewal",
    "devices": {"count": 8, "prefix": "stopping-"},
    "load": {"duration": "1h", "rampUp": "0s", "pacing": {"interval": "1s"}, "gracefulStop": "5s"},
    "execution": {"batchSize": 4, "runner": "activity"},
    "connection": {"hold": "0s"},
    "certificate": {"verify": "chain"},
    "results": {"interval": "5s"},
}
"""An hour of renewals, in two batches."""

BY_ITSELF = {**HOURS, "autoStop": {"errorPercentage": 60, "timeWindow": "10s"}}
BY_A_THRESHOLD = {
    **HOURS,
    "autoStop": None,
    "thresholds": [{"metric": "cert.issued", "expr": "fail_rate<0.4", "window": "10s", "abortOnFail": True}],
}


@pytest.mark.parametrize(
    ("spec", "verdict", "said"),
    [
        (BY_ITSELF, "aborted", "autoStop"),
        (BY_A_THRESHOLD, "failed", "cert.issued fail_rate<0.4"),
    ],
    ids=["autoStop", "abortOnFail"],
)
def test_run_against_a_service_that_throttles_stops(stage: Stage, spec: Any, verdict: str, said: str) -> None:
    """Its numbers as they come in end it; it drains, and is judged by why it was stopped."""
    stage.set_faults({"throttled": 0.8})
    summary = stage.run(spec)
    assert (summary["verdict"], said in summary["reasons"][0]["text"]) == (verdict, True), summary["reasons"]
    issued = counts_of(summary, "cert.issued")
    assert issued["outcomes"]["throttled"] > 0
    assert summary["durationsS"]["steady"] < 600
    assert {batch["status"] for batch in summary["batches"]} == {"cancelled"}
