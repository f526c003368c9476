"""Which run another is compared with, from its acceptance to its verdict."""

import json
from typing import Any

import pytest

from doubles.failing_store import FailingStore
from doubles.means import contents, deliver, make_means, plan
from engine.errors import Outcome, StoreUnavailable
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.run import api, keys, state
from engine.run.answers import Request, answer
from engine.run.baseline import against, newest_passed, resolve
from engine.run.closing import close_run, give_up
from engine.run.files import read_spec
from engine.run.means import Means
from unit.run.asking import post, said

SPEC: dict[str, Any] = {"name": "nightly", "scenario": "cert-renewal", "devices": {"count": 2}}
SLOWER = {"metric": "cert.issued", "expr": "p(95)<=1.2*baseline"}


def slow(took_s: float) -> Timeline:
    """Five renewals that each took so long."""
    timeline = Timeline(10.0)
    for n in range(5):
        for operation in (Operation.ITERATION, Operation.CERT_ISSUED):
            series = Series(operation, Phase.STEADY)
            timeline.begin(series, float(n))
            timeline.settle(Sample(series, float(n), float(n), n + took_s, Outcome.OK))
    return timeline


def run(means: Means, run_id: str, *, took_s: float = 1.0, **more: Any) -> state.RunState:
    """A run that is over."""
    plan(means, run_id, {**SPEC, **more})
    deliver(means, run_id, 0, timeline=slow(took_s))
    close_run({"runId": run_id, "attempt": 1}, means)
    means.clock.sleep(3600)
    return state.read_state(means.store, run_id)


def summary(means: Means, run_id: str) -> Any:
    """The run's results."""
    return json.loads(answer(api.get_results, Request(run_id=run_id), means).body)


def test_name_means_the_newest_run_that_passed() -> None:
    """Neither an older one, nor one that failed, nor one of another name, nor one that goes on."""
    means = make_means()
    assert newest_passed(means.store, "nightly") is None
    run(means, "run-1")
    run(means, "run-2")
    assert run(means, "run-3", thresholds=[{"metric": "cert.issued", "expr": "max<1"}]).verdict == "failed"
    run(means, "run-4", name="weekly")
    plan(means, "run-5", SPEC)
    assert resolve(means.store, "name:nightly") == "run-2"
    assert resolve(means.store, "name:weekly") == "run-4"
    assert resolve(means.store, "name:monthly") is None
    assert newest_passed(means.store, "nightly", besides="run-2") == "run-1"


def test_name_does_not_mean_a_run_whose_measurements_are_gone() -> None:
    """What cannot be compared with is no baseline; the one before it still is."""
    means = make_means()
    run(means, "run-1")
    run(means, "run-2")
    for key in list(means.store.keys(keys.run_prefix("run-2"))):
        means.store.delete(key)
    assert resolve(means.store, "name:nightly") == "run-1"


def test_run_id_means_itself() -> None:
    """Whether there is such a run is asked when a run is accepted, and nowhere else."""
    assert resolve(make_means().store, "run-7") == "run-7"


def test_baseline_is_chosen_when_the_run_is_accepted() -> None:
    """By then the newest that passed, and so it stays, whatever passes meanwhile and however often it is posted."""
    means = make_means()
    run(means, "run-1")
    spec = {**SPEC, "baseline": "name:nightly"}
    assert said(post(means, spec, key="run-2"))["baseline"] == "run-1"
    run(means, "run-3")
    again = post(means, spec, key="run-2")
    assert (again.status, said(again)["baseline"]) == (200, "run-1")
    assert state.read_state(means.store, "run-2").baseline == "run-1"
    assert said(answer(api.get_run, Request(run_id="run-2"), means))["baseline"] == "run-1"


def test_run_that_is_posted_again_keeps_a_baseline_that_was_deleted() -> None:
    """It was accepted with it: whoever asks again hears of the run, and of no refusal."""
    means = make_means()
    run(means, "run-1")
    spec = {**SPEC, "baseline": "run-1"}
    assert post(means, spec, key="run-2").status == 202
    means.store.delete(keys.state_key("run-1"))
    again = post(means, spec, key="run-2")
    assert (again.status, said(again)["baseline"]) == (200, "run-1")


def test_first_run_of_a_name_has_no_baseline() -> None:
    """It is accepted, judged by its other thresholds, passes, and says that nothing was compared."""
    means = make_means()
    first = run(means, "run-1", baseline="name:nightly", thresholds=[SLOWER])
    assert (first.verdict, first.baseline) == ("passed", None)
    assert first.warnings == (
        "cert.issued p(95)<=1.2*baseline: skipped, there is no baseline",
        "no run named nightly had passed before: there is no baseline to compare with",
    )
    assert summary(means, "run-1")["thresholds"][0]["ok"] is None
    assert "comparison" not in summary(means, "run-1")


@pytest.mark.parametrize(("took_s", "verdict"), [(1.15, "passed"), (1.3, "failed")])
def test_run_is_judged_by_its_baseline(took_s: float, verdict: str) -> None:
    """A fifth slower is the limit; the reason tells both numbers, the report both runs."""
    means = make_means()
    run(means, "run-1")
    found = run(means, "run-2", took_s=took_s, baseline="run-1", thresholds=[SLOWER])
    assert (found.verdict, found.baseline) == (verdict, "run-1")
    assert summary(means, "run-2")["comparison"]["to"]["runId"] == "run-1"
    assert "the baseline had 1000 ms, so the limit is 1200 ms" in summary(means, "run-2")["thresholds"][0]["text"]
    report = answer(api.get_report, Request(run_id="run-2", query={"format": "md"}), means).body
    assert b"## Compared with run-1" in report


def test_run_that_goes_on_is_compared_so_far() -> None:
    """Its partial results already stand beside the baseline."""
    means = make_means()
    run(means, "run-1")
    plan(means, "run-2", {**SPEC, "baseline": "run-1", "thresholds": [SLOWER]})
    deliver(means, "run-2", 0, timeline=slow(2.0))
    found = summary(means, "run-2")
    assert (found["partial"], found["verdict"], found["comparison"]["partial"]) == (True, "failed", True)


def test_baseline_that_nothing_can_be_compared_with_is_refused() -> None:
    """400 at /baseline, for runs and dry runs: no such run, one that goes on, one that measured nothing."""
    means = make_means()
    plan(means, "going-on", SPEC)
    post(means, SPEC, key="nothing")
    give_up({"runId": "nothing", "attempt": 1, "why": "for the test"}, means)
    for run_id, why in (
        ("nobody", "there is no run nobody"),
        ("x", "there is no run x"),
        ("going-on", "run going-on is not finished"),
        ("nothing", "run nothing has no measurements"),
    ):
        before = contents(means.store)
        for query in ({}, {"dryRun": "true"}):
            found = post(means, {**SPEC, "baseline": run_id}, **query)
            assert (found.status, said(found)["code"], found.start) == (400, "spec-invalid", None)
            assert [(one["path"], one["message"]) for one in said(found)["errors"]] == [("/baseline", why)]
        assert contents(means.store) == before


def test_baseline_of_another_kind_is_warned_of() -> None:
    """Another scenario or target may be meant; the numbers are compared all the same."""
    means = make_means()
    run(means, "run-1", scenario="cert-lifecycle")
    found = run(means, "run-2", baseline="run-1")
    assert found.verdict == "passed"
    assert found.warnings == ("run run-2 is of scenario cert-renewal, run run-1 of cert-lifecycle",)


@pytest.mark.parametrize(
    ("key", "why"),
    [("states/run-1.json", "no such run"), (keys.spec_key("run-1"), "it is gone")],
)
def test_baseline_that_was_deleted_meanwhile_is_warned_of(key: str, why: str) -> None:
    """The run is judged without it: its relative thresholds are skipped, and the verdict stands."""
    means = make_means()
    run(means, "run-1")
    plan(means, "run-2", {**SPEC, "baseline": "run-1", "thresholds": [SLOWER]})
    deliver(means, "run-2", 0, timeline=slow(9.0))
    means.store.delete(key)
    assert close_run({"runId": "run-2", "attempt": 1}, means)["verdict"] == "passed"
    warnings = state.read_state(means.store, "run-2").warnings
    assert f"the baseline, run run-1, cannot be read any more: {why}" in warnings


def test_store_that_is_away_is_no_missing_baseline() -> None:
    """Closing is tried again instead of being done without."""
    means = make_means()
    run(means, "run-1")
    plan(means, "run-2", {**SPEC, "baseline": "run-1"})
    found, spec = state.read_state(means.store, "run-2"), read_spec(means.store, "run-2")
    away = make_means(FailingStore(means.store, keys.merged_key("run-1")), clock=means.clock)
    with pytest.raises(StoreUnavailable):
        against(found, spec, away)


def test_run_without_a_baseline_is_compared_with_nothing() -> None:
    """No side, no warning."""
    means = make_means()
    found = run(means, "run-1")
    assert against(found, read_spec(means.store, "run-1"), means).side is None
    assert against(found, read_spec(means.store, "run-1"), means).warnings == ()
