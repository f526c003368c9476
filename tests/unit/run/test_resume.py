"""The next attempt of a run."""

import json
from typing import Any

import pytest

from doubles.failing_store import FailingStore
from doubles.means import deliver, make_means, plan, post
from engine.batch import checkpoint
from engine.errors import StoreUnavailable
from engine.measure.timeline import Timeline
from engine.run import keys, pool, record, start, state
from engine.run.activities import post_of
from engine.run.answers import Request, answer
from engine.run.closing import close_run
from engine.run.files import Left, read_left, read_plan
from engine.run.means import Means
from engine.run.planning import plan_run
from engine.run.resume import post_resume
from engine.run.start import Arrival, Stretch, arrive
from engine.run.state import Stage

SPEC: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 10},
    "execution": {"batchSize": 2, "maxParallelBatches": 2},
}
"""Five batches in waves of two, two and one."""

ORDER = {"runId": "run-a", "attempt": 1}
KEY = keys.counter_key("counter", "device-")


def cancelled() -> Means:
    """A run whose first batch is whole, whose second was cancelled, and whose others never began."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1, stop="cancelled")
    state.ask_cancel(means.store, "run-a", now=means.clock.wall())
    assert close_run(ORDER, means)["verdict"] == "cancelled"
    return means


def resume(means: Means, run_id: str = "run-a") -> Any:
    """POST /api/runs/{id}/resume."""
    return answer(post_resume, Request(run_id=run_id), means)


def begun(means: Means, wave: int, at: float) -> None:
    """The wave's load began."""
    first = 2 * wave
    arrival = Arrival("run-a", 1, wave, first, batches_in_wave=2, deadline=0.0, rendezvous=False)
    assert arrive(means.store, arrival, at) is not None


def kept(means: Means, batch: int, elapsed_s: float) -> None:
    """The batch left a checkpoint when its load had gone on for so long."""
    body = checkpoint.encode([Timeline(10.0).encode()], {}, handed=0, elapsed_s=elapsed_s)
    record.fenced_write(means.store, keys.checkpoint_key("run-a", batch), 1, body)


def test_resumed_run_is_under_way_in_its_next_attempt() -> None:
    """Its orchestration has an instance of its own; the verdict is open again, and its clock stood still."""
    means = cancelled()
    means.clock.sleep(3600)
    found = resume(means)
    assert found.status == 202
    assert found.start == ("run-a-a2", {"runId": "run-a", "attempt": 2})
    assert json.loads(found.body) | {"links": {}} == {"runId": "run-a", "state": "running", "attempt": 2, "links": {}}
    held = state.read_state(means.store, "run-a")
    assert (held.attempt, held.verdict, held.cancel_requested_at) == (2, None, None)
    assert held.paused_s == pytest.approx(3600)
    assert post_of("run-a", means).clock.now() == pytest.approx(0.0)


def test_resume_again_is_the_same() -> None:
    """Whoever did not hear the answer asks again: the orchestration is started once, by its instance id."""
    means = cancelled()
    first = resume(means)
    assert resume(means).start == first.start
    assert state.read_state(means.store, "run-a").attempt == 2


def test_resumed_run_has_its_names_again() -> None:
    """The very same, for as long as it may last."""
    means = cancelled()
    before = [
        (held.first, held.count) for batch in read_plan(means.store, "run-a").plan.batches for held in batch.ranges
    ]
    assert pool.holdings(means.store, KEY, "run-a") == ()
    resume(means)
    assert sum(held.count for held in pool.holdings(means.store, KEY, "run-a")) == sum(count for _, count in before)
    plan_run({"runId": "run-a", "attempt": 2}, means)
    assert read_plan(means.store, "run-a").plan.batches[0].ranges[0].first == before[0][0]


def test_run_whose_names_others_hold_is_not_resumed() -> None:
    """Nothing changes until they are free."""
    means = cancelled()
    post(means, "run-b", {**SPEC, "devices": {"count": 2, "startIndex": 9}})
    found = resume(means)
    assert (found.status, json.loads(found.body)["code"]) == (409, "overlap")
    assert state.read_state(means.store, "run-a").stage is Stage.FINISHED


def test_run_that_left_nothing_is_not_resumed() -> None:
    """Every batch is whole."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for batch in range(5):
        deliver(means, "run-a", batch)
    close_run(ORDER, means)
    found = resume(means)
    assert (found.status, found.start) == (409, None)
    assert "every batch whole" in json.loads(found.body)["message"]


def test_run_that_goes_on_is_not_resumed() -> None:
    """There is nothing to go on from."""
    means = make_means()
    plan(means, "run-a", SPEC)
    assert resume(means).status == 409


def test_run_that_was_never_planned_is_not_resumed() -> None:
    """It was refused: posting it again is another run."""
    means = make_means()
    post(means, "run-a", SPEC)
    close_run({**ORDER, "why": "held by run b"}, means)
    assert resume(means).status == 409


def test_unknown_run_is_not_resumed() -> None:
    """It is not there."""
    assert resume(make_means(), "nobody").status == 404


def test_attempt_finds_what_is_left() -> None:
    """Per wave, how many batches, and how far the one that is furthest behind had come; nothing of whole waves."""
    means = cancelled()
    begun(means, 0, at=7.0)
    begun(means, 1, at=50.0)
    kept(means, 1, elapsed_s=12.0)
    kept(means, 2, elapsed_s=20.0)
    kept(means, 3, elapsed_s=15.0)
    resume(means)
    assert plan_run({"runId": "run-a", "attempt": 2}, means)["refused"] == ""
    assert read_left(means.store, "run-a", 2) == {
        0: Left(1, Stretch(7.0, 7.0, 12.0)),
        1: Left(2, Stretch(7.0, 50.0, 15.0)),
        2: Left(1, None),
    }


def test_batch_without_a_checkpoint_lets_its_wave_begin_anew() -> None:
    """It has all of its load before it, and so the others wait; one that cannot be read is as good as none."""
    means = cancelled()
    begun(means, 1, at=50.0)
    kept(means, 2, elapsed_s=20.0)
    record.fenced_write(means.store, keys.checkpoint_key("run-a", 3), 1, b"not one")
    resume(means)
    plan_run({"runId": "run-a", "attempt": 2}, means)
    stretch = read_left(means.store, "run-a", 2)[1].stretch
    assert stretch is not None
    assert stretch.elapsed_s == 0.0


def test_third_attempt_goes_on_from_the_latest_start() -> None:
    """A wave that the second attempt drove counts from there."""
    means = cancelled()
    begun(means, 0, at=7.0)
    kept(means, 1, elapsed_s=12.0)
    resume(means)
    plan_run({"runId": "run-a", "attempt": 2}, means)
    left = read_left(means.store, "run-a", 2)[0]
    arrival = Arrival("run-a", 2, 0, 1, batches_in_wave=1, deadline=0.0, rendezvous=False)
    again = start.arrive(means.store, arrival, 100.0, before=left.stretch)
    assert again is not None
    state.ask_cancel(means.store, "run-a", now=means.clock.wall())
    close_run({**ORDER, "attempt": 2}, means)
    resume(means)
    plan_run({"runId": "run-a", "attempt": 3}, means)
    assert read_left(means.store, "run-a", 3)[0] == Left(1, Stretch(again.origin, again.start, 12.0))


def test_whoever_is_late_by_an_attempt_changes_nothing() -> None:
    """A closing and a plan of the first attempt that come in the second."""
    means = cancelled()
    resume(means)
    receipt = close_run(ORDER, means)
    assert receipt["verdict"] == "error", "the run has no verdict now"
    assert state.read_state(means.store, "run-a").stage is Stage.RUNNING


@pytest.mark.parametrize("after", range(1, 25))
def test_resume_that_failed_half_way_is_finished_by_the_next_try(after: int) -> None:
    """Wherever the store went away, the run is finished or resumed, and asking again resumes it."""
    means = cancelled()
    failing = make_means(FailingStore(means.store, after=after), clock=means.clock)
    try:
        post_resume(Request(run_id="run-a"), failing)
    except StoreUnavailable:
        assert state.read_state(means.store, "run-a").attempt == 1
    assert resume(means).status == 202
    assert state.read_state(means.store, "run-a").attempt == 2
