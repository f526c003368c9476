"""Whole batches over the emulator in memory, in virtual time."""

import math
from dataclasses import replace

import pytest

from doubles.drive import World, make_bundle, make_setup
from engine.batch.done import Stop
from engine.batch.runner import AT_ONCE
from engine.device.backoff import Backoff
from engine.device.budget import Budget
from engine.device.catalog import SCENARIOS
from engine.device.setup import Attempts, Timeouts
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.emulator.throttle import Quotas
from engine.errors import Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from unit.batch.rig import FakeHome, Stage, assert_sound, counted, make_stage, total

EXECUTORS = ("once", "pacing", "max-rate", "arrivals", "stages")
NOISE = Faults(
    {Fault.THROTTLED: 0.15, Fault.LOST: 0.1, Fault.DROPPED: 0.15, Fault.UNUSABLE: 0.1, Fault.DPS_THROTTLED: 0.2}
)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("executor", EXECUTORS)
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


@pytest.mark.parametrize("executor", EXECUTORS)
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
    pieces = [done.timeline, *map(Timeline.decode, stage.home.pieces.values())]
    windows = [(window, tally) for piece in pieces for window, tally in piece.windows.items()]
    assert {series.phase for window, tally in windows if window < 0 for series in tally.series} == {Phase.PREPARE}
    assert done.durations_s[Phase.PREPARE] == pytest.approx(done.load_start)


def test_prepare_keeps_to_its_pace():
    """Devices prepare at the batch's share of the quota."""
    paced = make_setup(budgets={Operation.HUB_CONNECT: Budget(2.0)})
    done = make_stage(size=11, setup=paced, paced_by=(Operation.HUB_CONNECT,)).run()
    assert done.durations_s[Phase.PREPARE] >= 10 / 2.0


def test_prepare_has_few_handshakes_at_once():
    """Never more devices prepare at a time than shake hands well."""
    stage, dialling = make_stage(size=AT_ONCE + 20, executor="once", setup=make_setup(verify="none")), []

    def look():
        dialling.append(sum(not link.is_up for link in stage.wire._links.values()))
        if stage.home.beginning is None:
            stage.at(0.001, look)

    stage.at(0.0, look)
    assert_sound(stage.run())
    assert max(dialling) == AT_ONCE


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


def test_devices_that_cannot_be_provisioned_keep_their_due_starts():
    """Their starts are dropped as not-provisioned, so the offered load never falls in silence (product rule 9)."""
    setup = make_setup(may_provision=False)
    for executor in ("once", "pacing", "arrivals", "stages"):
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
        executor="once",
        size=4,
        options=Options(faults=Faults({Fault.LOST: 1.0})),
        setup=make_setup(timeouts=Timeouts(certificate=20.0)),
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


def test_progress_tells_what_is_under_way():
    """People who watch see the phase, the devices by what they do, and waits that are overdue."""
    stage = make_stage(
        options=Options(faults=Faults({Fault.LOST: 1.0})), setup=make_setup(timeouts=Timeouts(certificate=5.0))
    )
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


def test_rig_is_what_it_says():
    """The stage's parts share one clock."""
    stage = make_stage()
    assert isinstance(stage, Stage)
    assert isinstance(stage.home, FakeHome)
    assert stage.wire.clock is stage.world.clock
    assert stage.home.word.must_stop_at == math.inf


def test_devices_that_are_provisioned_again_keep_to_the_quota_too():
    """Stored certificates that are all refused bring no burst of registrations."""
    paced = make_setup(budgets={Operation.DPS_REGISTER: Budget(2.0), Operation.HUB_CONNECT: Budget(100.0)})
    stage = make_stage(size=10, setup=paced, paced_by=(Operation.HUB_CONNECT,))
    stage.work = replace(
        stage.work, seats=tuple(replace(seat, bundle=make_bundle(seat.device_id)) for seat in stage.work.seats)
    )
    done = stage.run()
    assert counted(done, Operation.DPS_REGISTER) == {"ok": 10}
    assert done.durations_s[Phase.PREPARE] >= 9 / 2.0
    assert_sound(done)


def test_retries_keep_to_the_quota():
    """However short their back-off, in the load as before it."""
    paced = make_setup(
        budgets={Operation.CERT_ISSUED: Budget(0.5)},
        attempts=Attempts(renew=3),
        backoff=Backoff(base_s=0.1, max_s=0.1, honor_retry_after=False),
    )
    noise = Options(faults=Faults({Fault.THROTTLED: 1.0}))
    done = make_stage(size=4, setup=paced, options=noise, duration_s=60.0, graceful_stop_s=60.0).run()
    issued = total(done).select(Operation.CERT_ISSUED)
    assert issued.retries > 10
    assert issued.retries <= 1 + 0.5 * (done.durations_s[Phase.RAMP] + done.durations_s[Phase.STEADY] + 60.0)
    assert_sound(done)


def test_prepare_does_not_wait_for_ever():
    """A device that was told to come back tomorrow is not provisioned; the others begin."""
    slow = Options(quotas=Quotas(dps_registers_per_s=0.001))
    stage = make_stage(size=3, options=slow, stored=False, prepare_s=60.0, duration_s=30.0)
    done = stage.run()
    assert done.unprovisioned == 2
    assert 60.0 <= done.durations_s[Phase.PREPARE] <= 62.0
    assert counted(done, Operation.ITERATION)["dropped"] > 0
    assert counted(done, Operation.ITERATION)["ok"] > 0
    assert_sound(done)
