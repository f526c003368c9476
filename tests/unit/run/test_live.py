"""How a run is doing, as it is shown."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from doubles.means import make_means, plan, renewals
from engine.batch.progress import Progress
from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally
from engine.run import api, keys, record, state
from engine.run.answers import Request, answer
from engine.run.means import Means

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 4}, "execution": {"batchSize": 2}}
ONCE: dict[str, Any] = {"scenario": "provision", "devices": {"count": 4}, "execution": {"batchSize": 2}}


def report(means: Means, batch: int, **changes: Any) -> None:
    """A batch tells how far it is."""
    facts: dict[str, Any] = {
        "at": 10.0,
        "phase": Phase.STEADY,
        "load_start": 0.0,
        "load_end": 100.0,
        "devices": {"connected": 2},
        "tally": renewals(4).total(),
        "generator": {"lagP99Ms": 1.0 + batch},
        **changes,
    }
    record.fenced_write(means.store, keys.progress_key("run-a", batch), 1, Progress(**facts).encode())


def look(means: Means) -> Mapping[str, Any]:
    """GET /api/runs/run-a."""
    found = answer(api.get_run, Request(run_id="run-a"), means)
    assert found.status == 200
    body: dict[str, Any] = json.loads(found.body)
    return body


def planned(spec: Mapping[str, Any] = SPEC, after_s: float = 10.0) -> Means:
    """A run of two batches, so long after it was planned."""
    means = make_means()
    plan(means, "run-a", spec)
    means.clock.sleep(after_s)
    return means


def test_planned_run_waits_for_its_batches() -> None:
    """All of them are waiting, nothing is done."""
    view = look(planned())
    assert view["batches"] == {"planned": 2, "waiting": 2, "running": 0, "stalled": [], "wave": 0, "waves": 1}
    assert (view["phase"], view["progress"], view["etaSeconds"], view["elapsedSeconds"]) == (None, 0.0, None, 0.0)


def test_batches_are_put_together() -> None:
    """Counts add up, health is the worst, the phase is that of the batch that is furthest behind."""
    means = planned()
    report(means, 0)
    report(means, 1, phase=Phase.RAMP)
    view = look(means)
    assert view["phase"] == "ramp"
    assert view["devices"] == {"total": 4, "connected": 4}
    assert view["generator"] == {"lagP99Ms": 2.0}
    issued = view["operations"]["cert.issued"]
    assert (issued["due"], issued["ok"], issued["phase"], issued["ratePerSecond"]) == (8, 8, "load", 0.8)
    assert issued["p50"] > 990


def test_load_with_an_end_is_measured_by_time() -> None:
    """A tenth of it is over; the load began at 0."""
    means = planned()
    report(means, 0)
    report(means, 1)
    view = look(means)
    assert (view["progress"], view["etaSeconds"], view["elapsedSeconds"]) == (0.1, 90.0, 10.0)


def test_load_without_an_end_is_measured_by_devices() -> None:
    """Two of four devices have been through it."""
    means = planned(ONCE)
    done = renewals(2).total()
    report(means, 0, load_end=None, tally=done)
    report(means, 1, load_end=None, tally=Tally())
    view = look(means)
    assert (view["progress"], view["etaSeconds"]) == (0.5, 10.0)


def test_waves_are_not_over_with_their_first_batch() -> None:
    """What has ended counts for its share, and the load goes on."""
    means = planned(ONCE)
    report(means, 0, load_end=4.0, tally=renewals(2).total())
    view = look(means)
    assert (view["progress"], view["elapsedSeconds"]) == (0.5, 10.0)
    state.advance(means.store, "run-a", state.Event.GIVEN_UP, now=1.0)
    assert look(means)["elapsedSeconds"] == 4.0


def test_search_says_nothing_of_how_far_it_is() -> None:
    """Its devices renew again and again, and nobody knows when it will have found something."""
    means = planned({"scenario": "cert-throttle", "devices": {"count": 4}})
    report(means, 0, load_end=None, tally=renewals(9).total())
    view = look(means)
    assert (view["progress"], view["etaSeconds"], view["elapsedSeconds"]) == (0.0, None, 10.0)


def test_load_that_is_over_takes_no_more_time() -> None:
    """While batches drain the rate keeps dividing by the load's length."""
    means = planned(after_s=150.0)
    report(means, 0, at=149.0, phase=Phase.DRAIN)
    report(means, 1, at=149.0, phase=Phase.DRAIN)
    view = look(means)
    assert (view["elapsedSeconds"], view["progress"], view["etaSeconds"]) == (100.0, 1.0, 0.0)


def test_silent_batch_is_named() -> None:
    """It has begun and has said nothing for more than twenty seconds."""
    means = planned(after_s=31.0)
    report(means, 0, at=10.0)
    report(means, 1, at=30.0)
    assert look(means)["batches"]["stalled"] == [0]


def test_failures_are_shown_most_frequent_first() -> None:
    """With the service's own code; the throttled share is that of the main operation."""
    means = planned()
    tally = Tally()
    series = Series(Operation.CERT_ISSUED, Phase.STEADY)
    for n, (outcome, code) in enumerate([(Outcome.THROTTLED, "429002")] * 3 + [(Outcome.SERVER, "503")]):
        tally.due(series)
        tally.start(series)
        tally.settle(Sample(series, float(n), float(n), n + 1.0, outcome, code))
    report(means, 0, tally=tally)
    view = look(means)
    assert [(one["outcome"], one["code"], one["count"]) for one in view["failures"]] == [
        ("throttled", "429002", 3),
        ("server", "503", 1),
    ]
    assert view["throttledShare"] == 0.75


def test_damaged_progress_counts_as_waiting() -> None:
    """The view is shown all the same."""
    means = planned()
    record.fenced_write(means.store, keys.progress_key("run-a", 0), 1, b"damaged")
    report(means, 1, store_failures=2)
    view = look(means)
    assert view["batches"]["waiting"] == 1
    assert view["storeFailures"] == 2


def test_finished_run_is_whole() -> None:
    """All of it is done, nothing is running, and nobody need ask again."""
    means = planned()
    report(means, 0)
    for event in (state.Event.BATCHES_DONE, state.Event.CLOSED):
        state.advance(means.store, "run-a", event, now=1.0)
    found = answer(api.get_run, Request(run_id="run-a"), means)
    view = json.loads(found.body)
    assert (view["progress"], view["etaSeconds"], view["batches"]["running"]) == (1.0, 0.0, 0)
    assert "Retry-After" not in found.headers


JUDGED = {
    **SPEC,
    "thresholds": [
        {"metric": "cert.issued", "expr": "p(95)<=10"},
        {"metric": "cert.issued", "expr": "fail_rate<0.5"},
        {"metric": "cert.issued", "expr": "p(95)<=1", "window": "10s"},
        {"metric": "telemetry.publish", "expr": "p(95)<=1"},
    ],
}


def test_verdict_so_far_is_that_of_what_was_counted() -> None:
    """A threshold on the whole load that is broken now; windows, and what has no data yet, are left to others."""
    means = planned(JUDGED)
    assert (look(means)["verdictSoFar"], look(means)["broken"]) == ("passed", [])
    report(means, 0)
    view = look(means)
    assert view["verdictSoFar"] == "failed"
    assert [line.partition(":")[0] for line in view["broken"]] == ["cert.issued p(95)<=10"]


def test_verdict_so_far_knows_why_the_run_is_stopped() -> None:
    """By whoever, until the run has its verdict."""
    means = planned(JUDGED)
    state.ask_stop(means.store, "run-a", state.Stopped("aborted", ("autoStop: all failed",)), now=1.0)
    view = look(means)
    assert (view["verdictSoFar"], view["broken"]) == ("aborted", ["autoStop: all failed"])
    state.ask_cancel(means.store, "run-a", now=2.0)
    assert look(means)["verdictSoFar"] == "cancelled"
    state.advance(
        means.store, "run-a", state.Event.GIVEN_UP, now=3.0, change=lambda found: replace(found, verdict="error")
    )
    assert look(means)["verdictSoFar"] == "error"


def test_resumed_run_is_looked_at_on_its_own_clock() -> None:
    """What was told before it was resumed is not stalled for the time that it stood still."""
    means = planned()
    report(means, 0)
    for event in (state.Event.GIVEN_UP, state.Event.RESUMED):
        state.advance(
            means.store, "run-a", event, now=means.clock.wall(), change=lambda found: replace(found, paused_s=3600.0)
        )
    means.clock.sleep(3600)
    view = look(means)
    assert (view["elapsedSeconds"], view["batches"]["stalled"]) == (10.0, [])
