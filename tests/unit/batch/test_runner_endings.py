"""Batches that are stopped, broken, or left by their holder."""

from dataclasses import replace

import pytest

from doubles.drive import make_setup
from engine.batch.checkpoint import Checkpoint
from engine.batch.done import Stop
from engine.batch.home import Word
from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.roster import Shape
from engine.device.budget import Budget
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import ClaimLost, StoreUnavailable
from engine.measure.operation import DropReason, Operation, Phase
from engine.plan.pacer import Steady
from unit.batch.rig import assert_sound, counted, make_stage, total


@pytest.mark.parametrize(
    ("at_s", "has_load"), [(0.01, False), (0.3, False), (0.8, False), (15.0, True), (61.0, True)], ids=str
)
def test_cancel_ends_soon_in_every_phase(at_s, has_load):
    """Preparing, waiting for the start, ramping, running or draining: a cancel is over within gracefulStop and 5 s."""
    slow = Options(faults=Faults({Fault.LOST: 0.5}, issue_delay_s=5.0))
    paced = make_setup(budgets={Operation.HUB_CONNECT: Budget(30.0)})
    stage = make_stage(size=6, options=slow, stored=False, setup=paced, paced_by=(Operation.HUB_CONNECT,))
    stage.home.starts_after_s = 1.5
    asked = []
    stage.at(at_s, lambda: (stage.cancel(), asked.append(stage.world.clock.now())))
    if not has_load:
        stage.home.begins = at_s > 0.5
    done = stage.run()
    assert stage.world.clock.now() - asked[0] <= 30.0 + 5.0
    assert done.stop is Stop.CANCELLED
    assert (done.handed > 0) is has_load
    assert_sound(done)
    assert sum(done.durations_s.values()) <= stage.world.clock.now() + 1e-6


def test_cancel_while_draining_does_not_rename_the_end():
    """A load that ended by its schedule did so, whatever is asked afterwards."""
    stage = make_stage(options=Options(faults=Faults({Fault.LOST: 1.0})))
    stage.at(70.0, stage.cancel)
    assert stage.run().stop is Stop.SCHEDULE


def test_what_begins_after_a_cancel_belongs_to_the_drain():
    """Once the load has ended, however it did, new operations are the drain's."""
    stage = make_stage(size=4, duration_s=600.0)
    stage.at(4.0, stage.cancel)
    done = stage.run()
    cancelled_at = done.load_start + done.durations_s[Phase.RAMP] + done.durations_s[Phase.STEADY]
    assert cancelled_at < 20.0
    connects = total(done).select(Operation.HUB_CONNECT, {Phase.DRAIN})
    assert connects.started > 0


def test_cancel_before_the_load_leaves_no_load():
    """A batch that is stopped while it prepares hands out nothing, and what it measured still adds up."""
    stage = make_stage(size=6, stored=False)
    stage.at(0.5, stage.cancel)
    done = stage.run()
    assert (done.handed, done.load_start, done.mismatch) == (0, None, "")
    assert Operation.ITERATION not in total(done).operations()
    assert done.durations_s[Phase.STEADY] == done.durations_s[Phase.RAMP] == 0
    assert_sound(done)


def test_limit_ends_the_load():
    """The run's own deadline ends the load as a limit."""
    done = make_stage(stop_at=20.0).run()
    assert done.stop is Stop.LIMIT
    assert done.durations_s[Phase.RAMP] + done.durations_s[Phase.STEADY] < 22
    assert_sound(done)


def test_claim_lost_raises_and_stops_driving():
    """Somebody newer owns the batch: nothing of ours counts, every connection is dropped."""
    stage = make_stage()
    stage.at(12.0, lambda: setattr(stage.home, "trouble", ClaimLost("batch 0", "other")))
    with pytest.raises(ClaimLost):
        stage.run()
    assert stage.wire.is_closed
    assert stage.world.clock.now() < 16


def test_store_that_does_not_answer_stops_the_batch_in_time():
    """A claim that cannot be confirmed is given up before somebody else may take it, with no grace."""
    stage = make_stage(duration_s=600.0, options=Options(faults=Faults({Fault.LOST: 1.0})))
    stage.home.word = Word(25.0, False)
    stage.at(10.0, lambda: setattr(stage.home, "trouble", StoreUnavailable("state")))
    done = stage.run()
    assert done.stop is Stop.STORE
    assert 25.0 <= stage.world.clock.now() <= 27.5
    assert done.store_failures > 0
    assert "state" in done.store_detail
    assert_sound(done)


def test_store_that_does_not_answer_stops_a_cancelled_batch_too():
    """Being cancelled is no leave to go on past the claim's end."""
    stage = make_stage(options=Options(faults=Faults({Fault.LOST: 1.0})), graceful_stop_s=600.0)
    stage.home.word = Word(25.0, False)
    stage.at(10.0, stage.cancel)
    stage.run()
    assert stage.world.clock.now() <= 27.5


def test_failing_saves_are_counted_and_the_devices_go_on():
    """A store's fault is state.save's failure and nobody else's."""
    stage = make_stage("provision", "once", size=3)
    stage.home.trouble = None
    stage.at(0.7, lambda: setattr(stage.home, "trouble", StoreUnavailable("devices")))
    done = stage.run()
    assert counted(done, Operation.STATE_SAVE) == {"server": 3}
    assert counted(done, Operation.ITERATION) == {"ok": 3}
    assert done.store_failures >= 3


def test_bug_in_a_session_is_internal_and_the_batch_goes_on():
    """One device's story ends as `internal`, its connection too; its next iteration and all others are not harmed."""
    stage = make_stage(size=4)
    broken = [3]

    def stumble(device):
        yield from ()
        if device.index == 2 and broken and broken.pop():
            raise RuntimeError("a bug")

    scenario = stage.work.scenario
    stage.work = replace(
        stage.work, scenario=replace(scenario, steps=(scenario.steps[0], stumble, *scenario.steps[1:]))
    )
    done = stage.run()
    assert counted(done, Operation.ITERATION)["internal"] == 1
    assert set(counted(done, Operation.ITERATION)) == {"ok", "internal"}
    assert total(done).select(Operation.CERT_ISSUED).drops == {DropReason.STEP_FAILED: 1}
    assert sum(health.internal for health in done.health) == 1
    assert_sound(done)


def test_bug_right_after_a_dial_leaves_no_connection_behind():
    """Orders that were given before the bug are carried out and undone, so the device can dial again."""
    stage = make_stage(size=1, stored=True)
    dialled = []

    def stumble(device):
        if not dialled:
            dialled.append(1)
            yield device.dial_hub()
            raise RuntimeError("a bug")

    scenario = replace(stage.work.scenario, prepare=(), steps=(stumble, *stage.work.scenario.steps))
    stage.work = replace(stage.work, scenario=scenario)
    done = stage.run()
    assert counted(done, Operation.ITERATION) == {"internal": 1, "ok": 2}
    assert_sound(done)


def test_order_the_wire_refuses_is_the_sessions_bug():
    """A command that makes no sense ends one device's story, not the batch."""
    stage = make_stage(size=2, stored=True)

    def nonsense(device):
        if device.index == 0:
            device.linked = False
            yield device.dial_hub()

    scenario = replace(stage.work.scenario, steps=(nonsense, *stage.work.scenario.steps))
    stage.work = replace(stage.work, scenario=scenario)
    done = stage.run()
    assert counted(done, Operation.ITERATION)["internal"] > 0
    assert counted(done, Operation.ITERATION)["ok"] > 0
    assert_sound(done)


def test_batch_resumes_from_any_checkpoint_without_counting_twice():
    """A second holder goes on from whatever the first had saved: every point of the schedule is counted once."""
    whole = make_stage(size=6, duration_s=80.0).run()
    first = make_stage(size=6, duration_s=80.0)
    first.run()
    assert len(first.home.checkpoints) > 10
    for body in (first.home.checkpoints[0], first.home.checkpoints[len(first.home.checkpoints) // 2]):
        checkpoint = Checkpoint.decode(body)
        second = make_stage(size=6, duration_s=80.0, resume=checkpoint)
        second.home.beginning = first.home.beginning
        done = second.run()
        assert_sound(done)
        assert done.handed == whole.handed
        assert total(done).select(Operation.ITERATION).due == whole.handed


@pytest.mark.parametrize("executor", ["once", "pacing", "arrivals", "stages"])
def test_batch_whose_holder_died_is_finished_by_the_next(executor):
    """The first holder loses its claim mid-run; the second hands out what is left and what was in flight."""
    whole = make_stage(executor=executor, size=6, ramp_s=30.0).run()
    first = make_stage(executor=executor, size=6, ramp_s=30.0)
    first.at(20.0, lambda: setattr(first.home, "trouble", ClaimLost("batch 0", "other")))
    with pytest.raises(ClaimLost):
        first.run()
    second = make_stage(executor=executor, size=6, ramp_s=30.0, resume=Checkpoint.decode(first.home.checkpoints[-1]))
    second.home.beginning = first.home.beginning
    second.world.clock.sleep(22.0)
    done = second.run()
    assert_sound(done)
    assert done.handed == whole.handed


def test_home_that_never_begins_waits_for_the_limit():
    """A batch that nobody tells to begin ends at the run's deadline with no load."""
    stage = make_stage(stop_at=30.0)
    stage.home.begins = False
    done = stage.run()
    assert (done.stop, done.load_start) == (Stop.LIMIT, None)
    assert stage.world.clock.now() == pytest.approx(30.0, abs=3.0)


def test_load_whose_iterations_are_done_ends_before_its_time():
    """With a number of iterations the load is over when they are, or when its time is, whichever comes first."""

    def make(_devices, unprovisioned, state):
        pacer = Steady(1.0, 600.0)
        return Arrivals(lambda n: pacer.due(n) if n < 5 else None, Shape(5, frozenset(unprovisioned), 10**6, state))

    stage = make_stage(executor="arrivals", duration_s=600.0)
    stage.work = replace(stage.work, roster=make, is_counted=True)
    done = stage.run()
    assert (done.handed, done.stop) == (5, Stop.SCHEDULE)
    assert done.durations_s[Phase.STEADY] < 60.0
    assert_sound(done)


def test_crash_of_the_courier_ends_the_batch():
    """A bug in what carries our state is never mistaken for a store that is slow."""
    stage = make_stage()
    stage.at(20.0, lambda: setattr(stage.home, "trouble", ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        stage.run()


@pytest.mark.parametrize("executor", ["once", "pacing", "max-rate", "arrivals"])
def test_clean_up_is_no_business_of_the_roster(executor):
    """Devices that come free when the load is over are not offered to anybody, whatever the executor."""
    stage = make_stage("adr-patch", executor, size=4, cleans_up=True)
    done = stage.run()
    assert_sound(done)
    assert counted(done, Operation.ADR_DELETE) == {"ok": 4}
    assert not any(health.internal for health in done.health)


def test_clean_up_after_a_cancel_is_made_all_the_same():
    """What the run left behind is gone, though its load was cut short."""
    stage = make_stage("adr-patch", "pacing", size=4, cleans_up=True)
    stage.at(15.0, stage.cancel)
    done = stage.run()
    assert done.stop is Stop.CANCELLED
    assert counted(done, Operation.ADR_DELETE) == {"ok": 4}
    assert_sound(done)
