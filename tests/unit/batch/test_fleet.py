"""Sessions, their alarms, and what they finish."""

import math

import pytest

from doubles.clock import VirtualClock
from doubles.drive import make_bundle, make_setup
from engine.batch.fleet import NO_PORT, Fleet
from engine.batch.ledger import Ledger
from engine.batch.monitor import Monitor
from engine.device.identity import Device
from engine.device.scenarios.scenario import has_certificate
from engine.device.script import Begin, Pause, StepFailed, Wait
from engine.device.session import Session
from engine.device.start import Start
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.timeline import Timeline
from engine.protocol import http, mqtt


class Silence:
    """A wire and a courier to which things are only handed."""

    def __init__(self):
        self.sent = []

    def send(self, channel, command):
        self.sent.append((channel, command))

    save = send


@pytest.fixture
def clock():
    """Time that stands still."""
    return VirtualClock()


def make_fleet(clock, size=3):
    """A fleet, and those of it that came free."""
    sessions = [
        Session(Device(make_setup(), f"d-{n}", index=n, ordinal=n, bundle=make_bundle(f"d-{n}")), clock.now)
        for n in range(size)
    ]
    ledger = Ledger(Timeline(10.0), 3)
    monitor = Monitor(10.0, clock)
    fleet = Fleet(sessions, Silence(), courier=Silence(), ledger=ledger, monitor=monitor, is_ready=has_certificate)
    freed = []
    fleet.is_free = freed.append
    return fleet, freed, ledger


def begin(fleet, channel, *steps, now=0.0):
    fleet.begin(channel, Start(steps, now, Phase.STEADY, Operation.ITERATION), now)


def waits(*untils):
    """A step that waits for events, until one time after the other."""

    def step(device):
        for until in untils:
            yield Wait(until)

    return step


def test_alarm_wakes_a_session_once_per_wait(clock):
    """Two waits until the same time are two wakings, and no third is left."""
    fleet, freed, _ = make_fleet(clock)
    begin(fleet, 0, waits(5.0, 5.0))
    assert fleet.next_alarm == 5.0
    fleet.fire(4.9)
    assert fleet.busy == 1
    fleet.fire(5.0)
    assert (fleet.busy, freed, fleet.next_alarm) == (0, [0], math.inf)


def test_alarms_do_not_pile_up(clock):
    """However many events a session hears while it waits, one alarm is set for it."""
    fleet, _, _ = make_fleet(clock)
    begin(fleet, 0, waits(*[5.0] * 100))
    for n in range(50):
        fleet.feed(0, mqtt.Published(n / 100, n))
    assert len(fleet._timers) == 1


def test_alarm_moves_with_its_session(clock):
    """A sooner wait is rung sooner, a later one not before its time."""
    fleet, freed, _ = make_fleet(clock)
    begin(fleet, 0, waits(9.0, 3.0, 20.0))
    fleet.feed(0, mqtt.Published(1.0, 1))
    assert fleet.next_alarm == 3.0
    fleet.fire(3.0)
    fleet.fire(9.0)
    assert (fleet.busy, fleet.next_alarm) == (1, 20.0)
    fleet.fire(20.0)
    assert freed == [0]


def test_alarm_of_a_script_that_ended_wakes_nobody(clock):
    """Neither an idle session nor its next script hears it."""
    fleet, freed, _ = make_fleet(clock)
    begin(fleet, 0, waits(5.0))
    fleet.feed(0, mqtt.Published(1.0, 1))
    begin(fleet, 0, waits(30.0), now=2.0)
    fleet.fire(5.0)
    assert (fleet.busy, freed) == (1, [0])
    fleet.fire(30.0)
    assert freed == [0, 0]


def test_pause_of_no_time_is_over_at_once(clock):
    """It does not make the fleet ring for ever."""
    fleet, freed, _ = make_fleet(clock)

    def step(device):
        yield Pause(0.0)
        yield Pause(0.0)

    begin(fleet, 0, step)
    fleet.fire(0.0)
    assert freed == [0]


def test_fleet_is_quiet_when_all_that_is_left_is_overdue(clock):
    """One device that is still in time, or still at work, keeps it loud."""
    fleet, _, _ = make_fleet(clock)
    assert fleet.is_quiet(0.0)

    def renewing(device):
        yield Begin(Operation.CERT_ISSUED, 10.0)
        yield Wait(math.inf)

    for channel in range(3):
        begin(fleet, channel, renewing)
    assert not fleet.is_quiet(10.0)
    assert fleet.is_quiet(10.1)
    fleet.feed(1, mqtt.Published(11.0, 1))
    begin(fleet, 1, waits(99.0), now=12.0)
    assert not fleet.is_quiet(99.0)
    assert not fleet.is_quiet(99.0)
    fleet.feed(1, mqtt.Published(13.0, 1))
    assert fleet.is_quiet(99.0)


def test_stop_counts_every_session_once(clock):
    """What is under way is settled and counted, and nobody is busy."""
    fleet, _, ledger = make_fleet(clock)
    for channel in range(2):
        begin(fleet, channel, waits(99.0))
    fleet.stop(5.0)
    fleet.stop(6.0)
    counts = ledger.total.select(Operation.ITERATION)
    assert (fleet.busy, counts.started, counts.cancelled) == (0, 2, 2)


def test_bug_is_counted_and_frees_the_device(clock, caplog):
    """The traceback is logged; the wire is told to hang up."""
    fleet, freed, ledger = make_fleet(clock)

    def bug(device):
        yield Pause(1.0)
        raise RuntimeError("a bug")

    begin(fleet, 0, bug)
    fleet.fire(1.0)
    assert freed == [0]
    assert fleet._monitor.internal == 1
    assert fleet._wire.sent == [(0, mqtt.Disconnect()), (0, http.Abandon())]
    assert [outcome.value for outcome in ledger.total.select(Operation.ITERATION).outcomes] == ["internal"]
    assert "a bug" in caplog.text


def yields(*waits_s):
    """A step that gives way until one time after the other, and then goes on by itself until 99."""

    def step(device):
        for until in waits_s:
            yield Wait(until, gives_way=True)
        yield Wait(99.0)

    return step


def test_device_that_gives_way_is_offered_once(clock):
    """However often it hears something meanwhile, and not again when its script ends."""
    fleet, freed, _ = make_fleet(clock)
    begin(fleet, 0, yields(50.0, 60.0))
    assert (freed, fleet.busy) == ([0], 1)
    fleet.feed(0, mqtt.Published(1.0, 1))
    fleet.feed(0, mqtt.Published(2.0, 1))
    fleet.feed(0, mqtt.Published(3.0, 1))
    assert (freed, fleet.busy) == ([0], 0)


def test_start_breaks_off_what_gives_way(clock):
    """The older iteration is counted as lost, and the device is offered again when the newer one ends."""
    fleet, freed, ledger = make_fleet(clock)
    begin(fleet, 0, yields(50.0))
    begin(fleet, 0, waits(30.0), now=20.0)
    assert ledger.total.select(Operation.ITERATION).lost == 1  # at once: a checkpoint must not miss it
    fleet.fire(30.0)
    assert (freed, fleet.busy) == ([0, 0], 0)
    counts = ledger.total.select(Operation.ITERATION)
    assert (counts.started, counts.lost, counts.ok) == (2, 1, 1)


def test_start_waits_for_a_device_that_is_at_work_again(clock):
    """It begins when the script that was there ends, which is not offered to anybody else then."""
    fleet, freed, ledger = make_fleet(clock)
    begin(fleet, 0, yields(50.0))
    fleet.feed(0, mqtt.Published(1.0, 1))
    begin(fleet, 0, waits(40.0), now=2.0)
    assert ledger.total.select(Operation.ITERATION).started == 0
    fleet.feed(0, mqtt.Published(3.0, 1))
    assert (freed, fleet.busy, fleet.withdraw()) == ([0], 1, [])
    fleet.fire(40.0)
    counts = ledger.total.select(Operation.ITERATION)
    assert (freed, counts.started, counts.ok) == ([0, 0], 2, 2)


def test_start_that_waits_for_its_device_breaks_off_what_gives_way_again(clock):
    """A device that was only reconnecting is free as soon as it waits again."""

    def reconnects(device):
        yield Wait(50.0, gives_way=True)
        yield Wait(50.0)
        yield Wait(60.0, gives_way=True)

    fleet, freed, ledger = make_fleet(clock)
    begin(fleet, 0, reconnects)
    fleet.feed(0, mqtt.Published(1.0, 1))
    begin(fleet, 0, waits(40.0), now=2.0)
    fleet.feed(0, mqtt.Published(3.0, 1))
    counts = ledger.total.select(Operation.ITERATION)
    assert (freed, fleet.busy, counts.lost) == ([0], 1, 1)


def test_withdrawn_starts_are_not_made(clock):
    """They are given back once, and the device is offered when it is free."""
    fleet, _, ledger = make_fleet(clock)
    begin(fleet, 0, yields(50.0))
    fleet.feed(0, mqtt.Published(1.0, 1))
    begin(fleet, 0, waits(40.0), now=2.0)
    assert [(channel, start.due) for channel, start in fleet.withdraw()] == [(0, 2.0)]
    assert fleet.withdraw() == []
    fleet.feed(0, mqtt.Published(3.0, 1))
    assert (fleet.busy, ledger.total.select(Operation.ITERATION).started) == (0, 1)


def test_yielding_are_the_starts_that_are_nobodys(clock):
    """From when their device is offered until they end, are broken off, or are stopped."""
    fleet, _, _ = make_fleet(clock)
    for channel, due in enumerate((1.0, 2.0, 3.0)):
        begin(fleet, channel, yields(50.0), now=due)
    assert [start.due for start in fleet.yielding()] == [1.0, 2.0, 3.0]
    begin(fleet, 0, waits(40.0), now=20.0)
    fleet.feed(1, mqtt.Published(21.0, 1))
    assert [start.due for start in fleet.yielding()] == [2.0, 3.0]
    fleet.feed(1, mqtt.Published(22.0, 1))
    assert [start.due for start in fleet.yielding()] == [3.0]
    fleet.stop(30.0)
    assert fleet.yielding() == []


def test_device_that_is_taken_back_is_offered_again_when_it_is_free(clock):
    """Whoever hands out starts is told twice that it is free, and once in between that it is not."""
    fleet, freed, _ = make_fleet(clock)
    taken = []
    fleet.take_back = lambda channel: taken.append(channel) or True
    begin(fleet, 0, yields(50.0))
    assert (freed, taken) == ([0], [])
    fleet.feed(0, mqtt.Published(1.0, 1))
    assert (freed, taken) == ([0], [0])
    assert len(fleet.yielding()) == 1
    fleet.feed(0, mqtt.Published(2.0, 1))
    assert (freed, taken, fleet.yielding()) == ([0, 0], [0], [])


def test_dial_without_a_port_is_the_harness_health(clock):
    """A local port that is not to be had is counted per interval, beside the dial's own failure."""

    def dials(device):
        yield from ()
        yield Begin(Operation.HUB_CONNECT, 1.0)
        raise StepFailed(Failure(Outcome.NETWORK, NO_PORT))

    fleet, _, _ = make_fleet(clock)
    for channel in range(2):
        begin(fleet, channel, dials)
    clock.sleep(1.0)
    fleet._monitor.close(clock.now(), Phase.STEADY)
    assert fleet._monitor.records[-1].ports_exhausted > 0


def test_devices_that_leave_are_offline(clock):
    """Those that were connected are told to end it, and nobody is counted as connected any more."""
    fleet, _, _ = make_fleet(clock)

    def connects(device):
        device.linked = device.connected = True
        yield Pause(0.0)

    begin(fleet, 1, connects)
    fleet.fire(0.0)
    assert +fleet.doing == {"connected": 1, "offline": 2}
    assert fleet.leave() == {1}
    assert +fleet.doing == {"offline": 3}
    assert fleet._wire.sent[-1] == (1, mqtt.Disconnect())
