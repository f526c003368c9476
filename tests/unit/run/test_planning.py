"""Planning a run, and stopping one that is past its deadline."""

from typing import Any

import pytest

from doubles.means import local_targets, make_means, plan, post
from engine.errors import NotFound
from engine.run import keys, pool, state
from engine.run.files import read_plan
from engine.run.means import Means
from engine.run.planning import plan_run, stop_run

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 10}, "execution": {"batchSize": 4}}
WAVES: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 10},
    "execution": {"batchSize": 2, "maxParallelBatches": 2},
}
ORDER = {"runId": "run-a", "attempt": 1}


def held_by(means: Means, run_id: str) -> tuple[pool.Range, ...]:
    """The device names a run holds."""
    return pool.holdings(means.store, keys.counter_key("counter", "device-"), run_id)


def test_plan_tells_waves_and_deadlines() -> None:
    """The orchestrator hears which batches go together and how long it may take; the run is running."""
    means = make_means()
    told = plan(means, "run-a", WAVES)
    assert told["refused"] == ""
    assert (told["batches"], told["atOnce"]) == (5, 2)
    assert told["batchAttempts"] == 3
    assert told["launches"] is False
    assert told["watchEveryS"] > 0
    assert told["deadlineAt"] - means.clock.wall() > told["patienceS"] > 60
    found = state.read_state(means.store, "run-a")
    assert (found.stage, found.batches.planned) == (state.Stage.RUNNING, 5)


def test_plan_made_again_is_the_same() -> None:
    """An activity that is tried again finds the plan and the clock of its first try."""
    means = make_means()
    told = plan(means, "run-a", SPEC)
    first = read_plan(means.store, "run-a")
    means.clock.sleep(30)
    assert plan_run(ORDER, means) == {**told, "deadlineAt": told["deadlineAt"] + 30}
    assert read_plan(means.store, "run-a") == first


def test_plan_holds_the_names_longer_than_the_run_can_last() -> None:
    """Waves and deadlines included: nobody else gets a device of a run that is still under way."""
    means = make_means()
    told = plan(means, "run-a", WAVES)
    longest = told["deadlineAt"] + told["patienceS"]
    assert state.read_state(means.store, "run-a").deadline_at == longest
    assert all(held.until is not None and held.until > longest for held in held_by(means, "run-a"))


def test_plan_without_a_target_is_refused() -> None:
    """A profile that was taken away since: no exception, because trying again would not help."""
    means = make_means()
    post(means, "run-a", SPEC)
    moved = make_means(means.store, targets=type(means.targets)({}))
    assert "'local'" in plan_run(ORDER, moved)["refused"]


def test_plan_asks_the_emulator_what_it_had_counted() -> None:
    """So that the report can tell what this run alone brought."""
    local = {"host": "127.0.0.1", "idScope": "0ne00000000", "control": "http://127.0.0.1:9"}
    means = make_means(targets=local_targets(local), counters=lambda control: {"connects": 7, "asked": control})
    plan(means, "run-a", SPEC)
    assert read_plan(means.store, "run-a").counters == {"connects": 7, "asked": "http://127.0.0.1:9"}


def test_plan_of_a_cancelled_run_stays_draining() -> None:
    """A cancel that came before the plan is not forgotten by it."""
    means = make_means()
    post(means, "run-a", SPEC)
    state.ask_cancel(means.store, "run-a", now=1.0)
    plan_told = plan_run(ORDER, means)
    assert plan_told["refused"] == ""
    assert state.read_state(means.store, "run-a").stage is state.Stage.DRAINING


def test_plan_of_an_unknown_run_is_not_found() -> None:
    """There is no spec to plan."""
    with pytest.raises(NotFound):
        plan_run({"runId": "nobody", "attempt": 1}, make_means())


def test_stop_drains_the_run_once() -> None:
    """Again it is the same; when the run is past its batches there is nothing to stop."""
    means = make_means()
    plan(means, "run-a", SPEC)
    assert stop_run(ORDER, means) == stop_run(ORDER, means) == {"stopped": True}
    found = state.read_state(means.store, "run-a")
    assert (found.stage, found.stopped and found.stopped.verdict) == (state.Stage.DRAINING, "aborted")
    state.advance(means.store, "run-a", state.Event.GIVEN_UP, now=1.0)
    assert stop_run(ORDER, means)["stopped"] is False
