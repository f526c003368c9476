"""Whole batches over the emulator in memory, in virtual time."""

import math
from dataclasses import replace

import pytest
from doubles.drive import World, make_setup
from unit.batch.rig import FakeHome, Stage, counted, make_stage, total

from engine.batch.checkpoint import Checkpoint
from engine.batch.home import Word
from engine.batch.runner import PREPARE_AT_ONCE, Stop
from engine.device.setup import Attempts, Timeouts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import ClaimLost, Outcome, StoreUnavailable
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import conservation

NOISE = Faults({Fault.THROTTLED: 0.15, Fault.LOST: 0.1, Fault.DROPPED: 0.15, Fault.UNUSABLE: 0.1, Fault.DPS_THROTTLED: 0.2})


def assert_sound(done):
    """The sums agree, operation by operation, and the schedule agrees with what was counted."""
    assert conservation(total(done)) == []
    assert done.mismatch == ""


@pytest.mark.parametrize("scenario", ["provision", "cert-renewal", "cert-lifecycle"])
@pytest.mark.parametrize("executor", ["once", "pacing", "arrivals"])
@pytest.mark.parametrize("faults", [Faults(), NOISE], ids=["calm", "noisy"])
def test_batch_conserves_every_operation(scenario, executor, faults):
    """Whatever the scenario, the executor and the service's faults, nothing is lost and nothing counted twice."""
    stage = make_stage(scenario, executor, size=8, options=Options(faults=faults), duration_s=60.0, stored=False)
    done = stage.run()
    assert_sound(done)
    assert done.stop is Stop.SCHEDULE
    assert done.handed > 0
    assert stage.wire.open_connections == 0
    assert counted(done, Operation.ITERATION)["ok"] > 0


@pytest.mark.parametrize("executor", ["once", "pacing", "arrivals"])
def test_batch_counts_what_the_emulator_counts(executor):
    """Requests, answers, connects and telemetry at the service are as many as the device side has."""
    faults = Faults({Fault.THROTTLED: 0.2, Fault.SERVER: 0.1, Fault.DPS_THROTTLED: 0.2, Fault.DROPPED: 0.1})
    scenario = "cert-lifecycle" if executor == "once" else "cert-renewal"
    stage = make_stage(scenario, executor, size=20, options=Options(faults=faults), stored=False)
    done = stage.run()
    stats, tally = stage.world.service.report(), total(done)
    counts = {operation: tally.select(operation) for operation in Operation}
    assert counts[Operation.CERT_REQUEST].started == stats["cert"]["requests"]
    assert counts[Operation.CERT_ISSUED].ok == stats["cert"].get("200", 0)
    assert counts[Operation.CERT_ISSUED].outcomes[Outcome.THROTTLED] == stats["cert"].get("429", 0)
    assert counts[Operation.CERT_ISSUED].outcomes[Outcome.SERVER] == stats["cert"].get("503", 0)
    assert counts[Operation.DPS_REGISTER].started == stats["dps.register"]["requests"]
    assert counts[Operation.DPS_REGISTER].outcomes[Outcome.THROTTLED] == stats["dps.register"].get("429", 0)
    assert counts[Operation.TELEMETRY_PUBLISH].ok == stats["telemetry"]
    dials = counts[Operation.HUB_CONNECT].started + counts[Operation.DPS_REGISTER].started
    assert dials == stats["connects"] == stats["connacks"]["0"]
    assert counts[Operation.HUB_DISCONNECT].outcomes[Outcome.DISCONNECTED] == stats["dropped"]
    assert stats["undelivered"] == stats["takeovers"] == 0


def test_batch_gives_the_same_numbers_twice():
    """A batch under a virtual clock is deterministic to the byte, but for the time our own checks take."""
    runs = [make_stage(size=8, options=Options(faults=NOISE), setup=make_setup(verify="none")).run() for _ in range(2)]
    assert runs[0].timeline.encode() == runs[1].timeline.encode()


def test_batch_of_2000_devices_conserves():
    """Two thousand devices renew in virtual minutes and real seconds."""
    done = make_stage(size=2000, executor="once", ramp_s=60.0, options=Options(faults=NOISE)).run()
    assert_sound(done)
    assert done.handed == 2000


def test_prepare_has_its_own_numbers_and_its_own_time():
    """What preparing measures is in its phase and in windows before the load's start."""
    stage = make_stage(stored=False, size=4, world=World(Options()))
    loaded = Sample(Series(Operation.STATE_LOAD, Phase.PREPARE), 0.0, 0.0, 0.1, Outcome.OK)
    stage.work = replace(stage.work, loaded=(loaded,))
    done = stage.run()
    assert counted(done, Operation.DPS_REGISTER, {Phase.PREPARE}) == {"ok": 4}
    assert counted(done, Operation.STATE_LOAD, {Phase.PREPARE}) == {"ok": 1}
    phases = {series.phase for window, tally in done.timeline.windows.items() if window < 0 for series in tally.series}
    assert phases == {Phase.PREPARE}
    assert done.durations_s[Phase.PREPARE] == pytest.approx(done.load_start)


def test_prepare_keeps_to_its_pace_and_to_few_at_once():
    """Devices prepare at the batch's share of the quota, and never more at a time than shake hands well."""
    stage = make_stage(size=PREPARE_AT_ONCE * 2, prepare_per_s=10.0)
    assert stage.run().durations_s[Phase.PREPARE] >= (PREPARE_AT_ONCE * 2 - 1) / 10
    stage, most = make_stage(size=PREPARE_AT_ONCE * 2), 0

    def look():
        nonlocal most
        most = max(most, stage.wire.open_connections)
        if stage.home.beginning is None:
            stage.at(0.001, look)

    stage.at(0.0, look)
    waves = [report.devices for report in stage.home.reports]
    done = stage.run()
    assert_sound(done)
    assert waves == []
    assert counted(done, Operation.HUB_CONNECT, {Phase.PREPARE}) == {"ok": PREPARE_AT_ONCE * 2}


def test_durations_of_a_whole_load():
    """A load lasts what was asked, of which the ramp has its part; the drain is what comes after."""
    done = make_stage(duration_s=60.0, ramp_s=10.0).run()
    assert done.durations_s[Phase.RAMP] == pytest.approx(10.0)
    assert done.durations_s[Phase.STEADY] == pytest.approx(50.0)
    assert 0 <= done.durations_s[Phase.DRAIN] < 10


def test_windows_count_from_the_runs_first_start_not_from_the_waves():
    """A batch of a later wave lies where its time is, not at zero."""
    stage = make_stage("provision", "once", size=3, ramp_s=1.0)
    stage.home.origin, stage.home.starts_after_s = 0.0, 100.0
    done = stage.run()
    windows = [n for n, tally in done.timeline.windows.items() if Operation.ITERATION in tally.operations()]
    assert min(windows) >= 10


@pytest.mark.parametrize(
    ("at_s", "has_load"), [(0.01, False), (0.3, False), (0.8, False), (15.0, True), (61.0, True)], ids=str
)
def test_cancel_ends_soon_in_every_phase(at_s, has_load):
    """Preparing, waiting for the start, ramping, running or draining: a cancel is over within gracefulStop and 5 s."""
    slow = Options(faults=Faults({Fault.LOST: 0.5}, issue_delay_s=5.0))
    stage = make_stage(size=6, options=slow, stored=False, prepare_per_s=30.0)
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
    stage.work = replace(stage.work, scenario=replace(scenario, steps=(scenario.steps[0], stumble, *scenario.steps[1:])))
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


def test_devices_that_cannot_be_provisioned_keep_their_due_starts():
    """Their starts are dropped as not-provisioned, so the offered load never falls in silence (product rule 9)."""
    setup = make_setup(may_provision=False)
    for executor in ("once", "pacing", "arrivals"):
        stage = make_stage(executor=executor, size=4, setup=setup)
        seats = tuple(replace(seat, bundle=None) if seat.index < 2 else seat for seat in stage.work.seats)
        stage.work = replace(stage.work, seats=seats)
        done = stage.run()
        assert done.unprovisioned == 2
        drops = total(done).select(Operation.ITERATION).drops
        assert drops == total(done).select(Operation.CERT_ISSUED).drops
        assert set(drops) == {DropReason.NOT_PROVISIONED}
        assert drops[DropReason.NOT_PROVISIONED] == done.handed / 2
        assert_sound(done)


def revoked_stage(on_invalid):
    """Three devices, the certificate of one of which the hub does not accept any more."""
    stage = make_stage(size=3, setup=make_setup(on_invalid=on_invalid))
    stage.world.service.registry.revoke("d-1")
    return stage


def test_refused_certificate_is_replaced_where_that_is_asked_for():
    """onInvalid reprovision: the device registers again while it prepares, and renews like the others."""
    done = revoked_stage("reprovision").run()
    assert counted(done, Operation.DPS_REGISTER) == {"ok": 1}
    assert done.unprovisioned == 0
    assert_sound(done)


def test_refused_certificate_is_skipped_where_that_is_asked_for():
    """onInvalid skip: the device keeps its due starts, which are dropped."""
    done = revoked_stage("skip").run()
    assert (done.unprovisioned, counted(done, Operation.DPS_REGISTER)) == (1, {})
    assert total(done).select(Operation.ITERATION).drops[DropReason.NOT_PROVISIONED] == 3
    assert_sound(done)


def test_refused_certificate_ends_the_batch_where_that_is_asked_for():
    """onInvalid fail: there is no load at all."""
    done = revoked_stage("fail").run()
    assert (done.stop, done.handed, done.load_start) == (Stop.INVALID_STATE, 0, None)
    assert_sound(done)


def test_once_ends_when_all_that_is_left_is_overdue():
    """A device that waits for a lost 200 does not hold up the load's end; it is lost when the drain is over."""
    stage = make_stage(
        executor="once", size=4, options=Options(faults=Faults({Fault.LOST: 1.0})), setup=make_setup(timeouts=Timeouts(certificate=20.0))
    )
    done = stage.run()
    assert counted(done, Operation.CERT_ISSUED) == {"lost": 4}
    assert counted(done, Operation.ITERATION) == {"lost": 4}
    assert stage.world.clock.now() < 70
    assert_sound(done)


def test_once_drops_what_the_in_flight_limit_held_back_for_good():
    """Devices that were due behind places that never came free are dropped, not forgotten."""
    stage = make_stage(
        executor="once",
        size=4,
        max_in_flight=1,
        options=Options(faults=Faults({Fault.LOST: 1.0})),
        setup=make_setup(timeouts=Timeouts(certificate=20.0)),
    )
    done = stage.run()
    assert done.handed == 4
    assert total(done).select(Operation.ITERATION).drops == {DropReason.IN_FLIGHT_LIMIT: 3}
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


@pytest.mark.parametrize("executor", ["once", "pacing", "arrivals"])
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


def test_progress_tells_what_is_under_way():
    """People who watch see the phase, the devices by what they do, and waits that are overdue."""
    stage = make_stage(options=Options(faults=Faults({Fault.LOST: 1.0})), setup=make_setup(timeouts=Timeouts(certificate=5.0)))
    stage.run()
    reports = stage.home.reports
    assert [report.phase for report in reports[:1]] == [Phase.PREPARE]
    assert {report.phase for report in reports} == {Phase.PREPARE, Phase.RAMP, Phase.STEADY, Phase.DRAIN}
    assert all(sum(report.devices.values()) == 5 for report in reports)
    assert any(report.devices.get("renewing") == 5 for report in reports)
    overdue = [report.tally.select(Operation.CERT_ISSUED).overdue for report in reports]
    assert max(overdue) == 5
    assert overdue[-1] == 0


def test_pacing_counts_slip_from_the_grid():
    """A start whose device is busy begins late and carries the slip; the points it missed are dropped as busy."""
    slow = Options(faults=Faults(issue_delay_s=45.0))
    done = make_stage(size=1, options=slow, duration_s=120.0, ramp_s=0.0).run()
    iterations = total(done).select(Operation.ITERATION)
    assert iterations.drops[DropReason.BUSY] > 0
    assert done.handed == 6
    assert iterations.intended.max_ns > iterations.actual.max_ns + 10 * 10**9
    assert_sound(done)


def test_drain_gives_what_is_in_flight_its_time():
    """An answer within gracefulStop still counts; one after it is cancelled, or lost where it was overdue."""
    slow = Options(faults=Faults(issue_delay_s=40.0))
    stage = make_stage(executor="arrivals", size=10, options=slow, duration_s=20.0, graceful_stop_s=25.0)
    done = stage.run()
    found = counted(done, Operation.CERT_ISSUED)
    assert found["ok"] > 0
    assert found["cancelled"] > 0
    assert done.durations_s[Phase.DRAIN] == pytest.approx(25.0, abs=2.0)
    assert_sound(done)


def test_renewals_that_are_tried_again_conserve():
    """Each attempt has its own three waits and its own three ends."""
    setup = make_setup(attempts=Attempts(renew=4))
    done = make_stage(size=10, options=Options(faults=Faults({Fault.THROTTLED: 0.5})), setup=setup).run()
    assert_sound(done)
    assert total(done).select(Operation.CERT_ISSUED).retries > 0
    assert counted(done, Operation.CERT_ISSUED)["throttled"] > 0


def test_fleet_that_cannot_connect_still_ends():
    """A hub that is gone costs retries and failures, and the load ends when it should."""
    stage = make_stage(size=3)
    stage.wire.hosts.clear()
    done = stage.run()
    assert counted(done, Operation.ITERATION).keys() == {"network"}
    assert total(done).select(Operation.HUB_CONNECT).retries > 0
    assert_sound(done)


def test_home_that_never_begins_waits_for_the_limit():
    """A batch that nobody tells to begin ends at the run's deadline with no load."""
    stage = make_stage(stop_at=30.0)
    stage.home.begins = False
    done = stage.run()
    assert (done.stop, done.load_start) == (Stop.LIMIT, None)
    assert stage.world.clock.now() == pytest.approx(30.0, abs=3.0)


def test_rig_is_what_it_says():
    """The stage's parts share one clock."""
    stage = make_stage()
    assert isinstance(stage, Stage)
    assert isinstance(stage.home, FakeHome)
    assert stage.wire.clock is stage.world.clock
    assert stage.home.word.must_stop_at == math.inf
