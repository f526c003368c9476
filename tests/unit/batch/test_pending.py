"""Whole batches whose renewals are not answered in time: `certificate.onPending`."""

import pytest

from doubles.drive import make_setup
from engine.batch.checkpoint import Checkpoint
from engine.device.setup import Attempts, Timeouts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import ClaimLost, Outcome
from engine.measure.operation import DropReason, Operation
from unit.batch.rig import assert_sound, counted, make_stage, total

MODES = ("wait", "ask", "replace", "replace-any")
SILENT = Faults({Fault.LOST: 1.0})
SOME = Faults({Fault.LOST: 0.3, Fault.DROPPED: 0.1, Fault.THROTTLED: 0.1})


def patience(mode, *, within_s=5.0, **setup):
    """Devices that give an answer 5 s."""
    return make_setup(on_pending=mode, timeouts=Timeouts(certificate=within_s), **setup)


def make(mode, executor="pacing", *, faults=SOME, **changes):
    return make_stage(executor=executor, options=Options(faults=faults), setup=patience(mode), **changes)


def assert_counts_are_the_services(stage, done):
    """Every request and every answer, as the service counted them."""
    stats, tally = stage.world.service.report()["cert"], total(done)
    requests, issued = tally.select(Operation.CERT_REQUEST), tally.select(Operation.CERT_ISSUED)
    assert requests.started == stats["requests"]
    assert issued.ok + issued.late + issued.unmatched == stats.get("200", 0)
    for outcome, status in ((Outcome.THROTTLED, "429"), (Outcome.CONFLICT, "409"), (Outcome.PRECONDITION, "412")):
        assert issued.outcomes[outcome] == stats.get(status, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("executor", ["once", "pacing", "max-rate", "arrivals", "stages"])
@pytest.mark.parametrize(
    "faults",
    [SOME, SILENT, Faults(issue_delay_s=7.0), Faults({Fault.DROPPED: 0.5}, issue_delay_s=21.0)],
    ids=["some-lost", "all-lost", "slow", "slower-than-a-turn"],
)
def test_batch_conserves_whatever_becomes_of_the_pending(mode, executor, faults):
    """Nothing is lost and nothing counted twice, here or at the service."""
    stage = make(mode, executor, faults=faults, size=6)
    done = stage.run()
    assert_sound(done)
    assert_counts_are_the_services(stage, done)
    assert stage.wire.open_connections == 0
    assert not any(health.internal for health in done.health)


def test_device_that_waits_drops_its_points_as_busy():
    """Asked once, every device is busy until the end of the run."""
    stage = make("wait", faults=SILENT)
    done = stage.run()
    assert counted(done, Operation.ITERATION) == {"lost": 5, "dropped": done.handed - 5}
    assert set(total(done).select(Operation.ITERATION).drops) == {DropReason.BUSY}
    assert stage.world.service.report()["cert"] == {"requests": 5, "202": 5, "lost": 5}


def test_device_that_asks_again_is_in_conflict():
    """Its first request is lost when the second is made, and the service has a slot for one."""
    stage = make("ask", faults=SILENT)
    done = stage.run()
    issued = counted(done, Operation.CERT_ISSUED)
    assert issued == {"lost": 5, "conflict": done.handed - 5}
    assert not total(done).select(Operation.ITERATION).dropped


@pytest.mark.parametrize("mode", ["replace", "replace-any"])
def test_device_that_replaces_keeps_its_grid(mode):
    """Every point starts, every older request is lost, and the service refuses none."""
    stage = make(mode, faults=SILENT)
    done = stage.run()
    assert counted(done, Operation.ITERATION) == {"lost": done.handed}
    stats = stage.world.service.report()["cert"]
    assert stats["replaced"] == done.handed - 5
    assert set(stats) == {"requests", "202", "lost", "replaced"}


@pytest.mark.parametrize("mode", MODES)
def test_answer_that_is_late_but_before_the_next_start_is_used(mode):
    """Whatever the mode, such a service only makes everything late."""
    done = make(mode, faults=Faults(issue_delay_s=7.0)).run()
    assert counted(done, Operation.CERT_ISSUED) == {"late": done.handed}
    assert counted(done, Operation.CERT_VERIFIED) == {"ok": done.handed}
    assert_sound(done)


@pytest.mark.parametrize("mode", ["ask", "replace", "replace-any"])
def test_start_that_comes_while_a_late_answer_is_dealt_with_waits_for_its_device(mode):
    """Rule 8: it begins when the device is free, and its latency counts from the due time."""
    done = make(mode, faults=Faults(issue_delay_s=15.0), size=5).run()
    iterations = total(done).select(Operation.ITERATION)
    assert iterations.outcomes[Outcome.OK] == iterations.started
    assert iterations.intended.max_ns > iterations.actual.max_ns
    assert_sound(done)


def test_start_that_still_waits_for_its_device_at_the_end_is_dropped():
    """Its time has come and its device never was free: busy."""
    stage = make("replace", faults=Faults(issue_delay_s=18.0), size=1, duration_s=23.0, ramp_s=0.0)
    done = stage.run()
    assert done.handed == 2
    assert total(done).select(Operation.ITERATION).drops == {DropReason.BUSY: 1}
    assert_sound(done)


@pytest.mark.parametrize("mode", ["ask", "replace", "replace-any"])
def test_open_start_never_waits_for_a_device_that_is_at_work_again(mode):
    """Rule 9: a device whose late answer came is taken back, so nothing begins later than it is due."""
    slow = Faults({Fault.DROPPED: 0.4}, issue_delay_s=14.0)
    done = make(mode, "arrivals", faults=slow, size=20, duration_s=120.0).run()
    iterations = total(done).select(Operation.ITERATION)
    assert iterations.outcomes[Outcome.OK] > 0
    assert iterations.intended.pack() == pytest.approx(iterations.actual.pack())
    assert_sound(done)


@pytest.mark.parametrize("mode", ["ask", "replace-any"])
@pytest.mark.parametrize("executor", ["pacing", "max-rate", "arrivals"])
def test_batch_whose_holder_died_accounts_for_devices_that_gave_way(mode, executor):
    """A start whose device was free again before it ended is nobody's on the roster: the checkpoint names it."""

    def make_one(**changes):
        return make(mode, executor, faults=SILENT, size=6, duration_s=60.0, ramp_s=10.0, **changes)

    whole, first = make_one().run(), make_one()
    first.at(38.0, lambda: setattr(first.home, "trouble", ClaimLost("batch 0", "other")))
    with pytest.raises(ClaimLost):
        first.run()
    checkpoints = [Checkpoint.decode(body) for body in first.home.checkpoints]
    for checkpoint in checkpoints:
        second = make_one(resume=checkpoint)
        second.home.beginning = first.home.beginning
        second.world.clock.sleep(40.0)
        done = second.run()
        assert_sound(done)
        assert done.handed >= checkpoint.handed + len(checkpoint.yielding)
        assert executor == "max-rate" or done.handed == whole.handed
    assert executor == "max-rate" or any(checkpoint.yielding for checkpoint in checkpoints)


@pytest.mark.parametrize("mode", MODES)
def test_retries_of_renewals_are_conserved_too(mode):
    """With several tries per iteration, each is a sample of its own."""
    faults = Faults({Fault.LOST: 0.2, Fault.THROTTLED: 0.2, Fault.SERVER: 0.2, Fault.DROPPED: 0.2}, issue_delay_s=6.0)
    setup = patience(mode, attempts=Attempts(renew=4))
    stage = make_stage(options=Options(faults=faults), setup=setup, duration_s=120.0)
    done = stage.run()
    assert_sound(done)
    assert_counts_are_the_services(stage, done)
    assert total(done).select(Operation.CERT_ISSUED).retries > 0


@pytest.mark.parametrize("mode", ["ask", "replace", "replace-any"])
@pytest.mark.parametrize("cut_s", [0.001, 0.1, 3.0])
def test_device_lost_while_it_gives_way_is_accounted_for(mode, cut_s):
    """Its connection breaks again and again; it comes back, or fails, or is broken off: nothing is counted twice."""
    stage = make(mode, faults=SILENT, size=3)

    def cut(channel):
        if channel in stage.wire._links:
            stage.wire.cut(channel)

    for n in range(60):
        stage.at(n + cut_s, lambda n=n: cut(n % 3))
    done = stage.run()
    assert_sound(done)
    assert stage.wire.open_connections == 0
