"""What becomes of runs whose orchestration has died, or never began."""

from dataclasses import replace

import pytest

from doubles.means import deliver, make_means, plan
from engine.measure.verdict import Verdict
from engine.run import overdue, pool, state
from engine.run.keys import counter_key
from engine.run.overdue import GRACE_S, Act, act_of
from engine.run.state import Event, RunState, Stage
from unit.run.asking import SPEC, accepted, finish

RUN = RunState("late", "late", 0.0, "digest", deadline_at=1000.0)


@pytest.mark.parametrize(
    ("stage", "now", "act"),
    [
        (Stage.RUNNING, 1000.0, None),
        (Stage.RUNNING, 1000.1, Act.STOP),
        (Stage.ACCEPTED, 1000.1, None),
        (Stage.DRAINING, 1000.0 + GRACE_S, None),
        (Stage.ACCEPTED, 1000.1 + GRACE_S, Act.END),
        (Stage.DRAINING, 1000.1 + GRACE_S, Act.END),
        (Stage.MERGING, 1000.1 + GRACE_S, Act.END),
        (Stage.FINISHED, 9999.0, None),
    ],
)
def test_run_is_stopped_at_its_deadline_and_ended_long_after(stage: Stage, now: float, act: Act | None) -> None:
    """Of the stages only running can be left by draining."""
    assert act_of(replace(RUN, stage=stage), now) is act


def test_run_without_a_deadline_is_left_alone() -> None:
    """Nobody has said how long it may last."""
    assert act_of(replace(RUN, stage=Stage.RUNNING, deadline_at=None), 1e9) is None


def test_every_stage_before_the_end_has_a_deadline() -> None:
    """From accepting on, also of a run that is resumed; a finished run has none."""
    means = make_means()
    accepted(means, "late")
    now = means.clock.wall()
    assert state.read_state(means.store, "late").deadline_at == now + 900.0
    for event in (Event.PLANNED, Event.CANCEL_ASKED, Event.BATCHES_DONE):
        found = state.advance(means.store, "late", event, now=now)
        assert found.deadline_at == now + state.LASTS_S[found.stage]
    assert state.advance(means.store, "late", Event.CLOSED, now=now).deadline_at is None
    assert state.advance(means.store, "late", Event.RESUMED, now=now).deadline_at == now + 900.0


def test_run_that_has_gone_on_since_it_was_read_is_not_stopped() -> None:
    """Its batches are done."""
    means = make_means()
    plan(means, "late", SPEC)
    read = state.read_state(means.store, "late")
    finish(means, "late")
    assert not overdue.stop(read, means)


def test_run_whose_orchestration_died_gets_the_results_there_are() -> None:
    """Its devices are free again, and its state says why it ended."""
    means = make_means()
    plan(means, "late", SPEC)
    deliver(means, "late", 0)
    assert overdue.stop(state.read_state(means.store, "late"), means)
    means.clock.sleep(3 * 3600.0)
    overdue.end(state.read_state(means.store, "late"), means)
    found = state.read_state(means.store, "late")
    assert (found.stage, found.verdict) == (Stage.FINISHED, Verdict.ABORTED)
    assert found.reasons[0] == "the run was past its deadline"
    assert [key for key in means.results.keys("late/") if "summary" in key]
    assert pool.holdings(means.store, counter_key(means.counter_prefix, "device-"), "late") == ()


def test_run_that_was_never_planned_is_given_up() -> None:
    """It has no results, and its devices are free again."""
    means = make_means()
    accepted(means, "late")
    overdue.end(state.read_state(means.store, "late"), means)
    found = state.read_state(means.store, "late")
    assert (found.stage, found.verdict) == (Stage.FINISHED, Verdict.ERROR)
    assert found.reasons == ("the run was given up: nobody carried it out by its deadline",)
    assert pool.holdings(means.store, counter_key(means.counter_prefix, "device-"), "late") == ()


def test_run_that_does_not_come_to_be_merged_is_given_up() -> None:
    """Whoever merged it died, or cannot."""
    means = make_means()
    plan(means, "late", SPEC)
    state.advance(means.store, "late", Event.BATCHES_DONE, now=means.clock.wall())
    overdue.end(state.read_state(means.store, "late"), means)
    found = state.read_state(means.store, "late")
    assert (found.stage, found.verdict) == (Stage.FINISHED, Verdict.ERROR)
