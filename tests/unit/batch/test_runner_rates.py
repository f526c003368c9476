"""Whole batches whose devices, or whose stages, set the rate."""

import math
from dataclasses import replace

import pytest

from doubles.drive import make_setup
from engine.batch.checkpoint import Checkpoint
from engine.batch.done import Stop
from engine.device.backoff import Backoff
from engine.device.setup import Timeouts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import ClaimLost
from engine.measure.operation import DropReason, Operation, Phase
from unit.batch.rig import assert_sound, counted, make_roster, make_stage, total


def test_max_rate_has_no_slip():
    """Due equals began, so both latencies are one (product rule 8); devices start far more often than on a grid."""
    done = make_stage(executor="max-rate", size=5).run()
    iterations = total(done).select(Operation.ITERATION)
    assert iterations.intended.pack() == iterations.actual.pack()
    assert iterations.due > 2 * make_stage(executor="pacing", size=5).run().handed
    assert_sound(done)


def test_max_rate_ramps_up_and_then_is_steady():
    """Starts before the ramp's end are the ramp's, and none begins when the time is up."""
    done = make_stage(executor="max-rate", size=10, ramp_s=10.0, duration_s=30.0).run()
    phases = {phase: sum(counted(done, Operation.ITERATION, {phase}).values()) for phase in Phase}
    assert phases[Phase.RAMP] > 0
    assert phases[Phase.STEADY] > phases[Phase.RAMP]
    assert phases[Phase.PREPARE] == phases[Phase.DRAIN] == 0
    assert (done.durations_s[Phase.RAMP], done.durations_s[Phase.STEADY]) == pytest.approx((10.0, 20.0))
    assert done.timeline.windows.keys() <= set(range(-1, 4))


@pytest.mark.parametrize(
    ("faults", "backoff", "most"),
    [
        (Faults({Fault.THROTTLED: 1.0}, retry_after_s=15), Backoff(base_s=1.0), 4),
        (Faults({Fault.THROTTLED: 1.0}, retry_after_s=15), Backoff(base_s=6.0, jitter=0.0, honor_retry_after=False), 4),
        (Faults({Fault.SERVER: 1.0}), Backoff(base_s=10.0, max_s=10.0, jitter=0.0), 6),
    ],
    ids=["retry-after", "doubling", "capped"],
)
def test_max_rate_does_not_spin_on_failures(faults, backoff, most):
    """A device whose iteration failed rests for the spec's back-off, or for as long as the service asks."""
    stage = make_stage(
        executor="max-rate", size=3, ramp_s=0.0, options=Options(faults=faults), setup=make_setup(backoff=backoff)
    )
    done = stage.run()
    assert done.handed == 3 * most
    assert sum(counted(done, Operation.ITERATION).values()) == done.handed
    assert_sound(done)


def test_max_rate_outlasts_a_moment_in_which_nobody_answers():
    """With points left the load is not over because every device waits for an answer that is overdue."""
    silent = Options(faults=Faults({Fault.LOST: 1.0}))
    setup = make_setup(timeouts=Timeouts(certificate=20.0))
    stage = make_stage(executor="max-rate", size=2, options=silent, setup=setup, duration_s=100.0, is_counted=True)
    done = stage.run()
    assert done.durations_s[Phase.RAMP] + done.durations_s[Phase.STEADY] == pytest.approx(100.0)
    assert_sound(done)


def test_max_rate_ends_when_its_iterations_are_done():
    """With a number of iterations the load is over before its time."""
    stage = make_stage(executor="max-rate", size=4, duration_s=600.0, is_counted=True)
    roster = make_roster("max-rate", 4, duration_s=600.0, ramp_s=10.0, points=23)
    stage.work = replace(stage.work, roster=roster)
    done = stage.run()
    assert (done.handed, done.stop) == (23, Stop.SCHEDULE)
    assert counted(done, Operation.ITERATION) == {"ok": 23}
    assert stage.world.clock.now() < 300.0
    assert_sound(done)


def test_max_rate_drops_one_start_of_each_device_that_cannot_be_provisioned():
    """It has no other due time than its first."""
    stage = make_stage(executor="max-rate", size=4, setup=make_setup(may_provision=False))
    seats = tuple(replace(seat, bundle=None) if seat.index < 2 else seat for seat in stage.work.seats)
    stage.work = replace(stage.work, seats=seats)
    done = stage.run()
    assert total(done).select(Operation.ITERATION).drops == {DropReason.NOT_PROVISIONED: 2}
    assert total(done).select(Operation.CERT_ISSUED).drops == {DropReason.NOT_PROVISIONED: 2}
    assert_sound(done)


def test_max_rate_resumes_from_any_checkpoint_without_counting_twice():
    """Whatever the first holder had saved, the second hands out the rest of the iterations, and all of them count."""
    roster = make_roster("max-rate", 6, duration_s=math.inf, ramp_s=10.0, points=90)

    def make(**changes):
        stage = make_stage(executor="max-rate", size=6, duration_s=math.inf, is_counted=True, **changes)
        stage.work = replace(stage.work, roster=roster)
        return stage

    first = make()
    first.at(40.0, lambda: setattr(first.home, "trouble", ClaimLost("batch 0", "other")))
    with pytest.raises(ClaimLost):
        first.run()
    assert len(first.home.checkpoints) > 5
    for body in first.home.checkpoints:
        second = make(resume=Checkpoint.decode(body))
        second.home.beginning = first.home.beginning
        second.world.clock.sleep(42.0)
        done = second.run()
        assert done.handed == sum(counted(done, Operation.ITERATION).values()) == 90
        assert_sound(done)


def test_stages_end_with_the_last_of_them():
    """The load lasts as long as its stages, all of it steady, and offers what lies beneath them."""
    done = make_stage(executor="stages", size=10, duration_s=60.0).run()
    assert done.handed == 60
    assert done.durations_s[Phase.STEADY] == pytest.approx(60.0)
    assert set(counted(done, Operation.ITERATION, {Phase.STEADY})) == {"ok"}
    assert_sound(done)


def test_stages_drop_what_finds_no_device():
    """Open starts never queue: at the top of the ramp there are not enough devices (product rule 9)."""
    slow = Options(faults=Faults(issue_delay_s=20.0))
    done = make_stage(executor="stages", size=10, options=slow).run()
    drops = total(done).select(Operation.ITERATION).drops
    assert set(drops) == {DropReason.NO_FREE_DEVICE}
    assert done.handed == 60
    assert_sound(done)
