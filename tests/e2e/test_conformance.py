"""Every case of the renewal contract over sockets, against the emulator."""

from doubles.stage import Stage, counts_of
from engine.plan.spec.scenario import CASES

NOW = {"executor": "once", "rampUp": "0s", "gracefulStop": "10s"}


def test_run_of_every_case_passes(stage: Stage) -> None:
    """26 devices, 26 cases, all met; in two batches, so that each deals out its share of them."""
    summary = stage.run({"scenario": "conformance", "load": NOW, "execution": {"batchSize": 13}})
    case = counts_of(summary, "conformance.case")
    assert (case["due"], case["ok"], summary["verdict"]) == (len(CASES), len(CASES), "passed"), case
    assert case["codes"] == {"ok": {"400040": 11, "409005": 2, "412001": 1}}
    assert len(summary["thresholds"]) == 2


def test_run_of_a_case_that_is_refuted_fails(stage: Stage) -> None:
    """The default threshold fails it, and the failure names the case and what came instead."""
    stage.set_faults({"server": 1.0})
    spec = {"scenario": "conformance", "cases": ["015", "001"], "load": NOW, "devices": {"prefix": "refuted-"}}
    summary = stage.run(spec)
    case = counts_of(summary, "conformance.case")
    assert (case["due"], case["ok"], summary["verdict"]) == (2, 1, "failed"), case
    assert case["codes"]["server"] == {"503001": 1}
    (failure,) = [found for found in summary["failures"] if found["operation"] == "conformance.case"]
    assert failure["samples"][0]["detail"] == "case 015: expected 202, got 503"
