"""Runs that were cancelled, and went on."""

from collections.abc import Mapping
from typing import Any

import pytest

from doubles.stage import Stage, counts_of

PROVISION = {
    "scenario": "provision",
    "devices": {"count": 24, "prefix": "resumed-"},
    "load": {"rampUp": "12s", "gracefulStop": "5s"},
    "execution": {"batchSize": 4, "maxParallelBatches": 3},
}
"""Six batches in two waves of six seconds each."""

RENEWAL = {
    "scenario": "cert-renewal",
    "devices": {"count": 8, "prefix": "resumed-too-"},
    "load": {"duration": "20s", "rampUp": "0s", "pacing": {"interval": "2s", "jitter": 0}, "gracefulStop": "5s"},
    "connection": {"hold": "0s"},
    "execution": {"batchSize": 4},
}
"""Two batches, ten renewals of each device."""

JOB = {**PROVISION, "devices": {"count": 24, "prefix": "resumed-job-"}}
JOB["execution"] = {"batchSize": 4, "maxParallelBatches": 3, "runner": "job"}


def sums(summary: Mapping[str, Any], operation: str) -> tuple[int, ...]:
    """Due, ok, cancelled and dropped."""
    counts = counts_of(summary, operation)
    return tuple(counts[name] for name in ("due", "ok", "cancelled", "dropped"))


@pytest.mark.parametrize(
    ("spec", "main", "whole"),
    [(PROVISION, "dps.register", 24), (RENEWAL, "cert.issued", 80), (JOB, "dps.register", 24)],
    ids=["waves", "renewals", "workers"],
)
def test_resumed_run_comes_to_what_it_would_have(stage: Stage, spec: Mapping[str, Any], main: str, whole: int) -> None:
    """Cancelled amid its load and resumed: everything due was done, once as far as the numbers go; it has passed."""
    run_id = stage.start(spec)
    stage.wait(run_id, lambda view: view.get("elapsedSeconds", 0) > 3)
    stage.api.cancel(run_id)
    stopped = stage.summary(run_id)
    assert stopped["verdict"] == "cancelled"
    assert 0 < sums(stopped, main)[0] < whole
    assert stage.api.resume(run_id)["attempt"] == 2
    resumed = stage.summary(run_id)
    assert resumed["verdict"] == "passed", resumed["reasons"]
    for operation in ("iteration", main, "cert.verified", "state.save"):
        assert sums(resumed, operation) == (whole, whole, 0, 0), operation
    assert resumed["attempts"] == 2
    assert {batch["status"] for batch in resumed["batches"]} == {"schedule"}
