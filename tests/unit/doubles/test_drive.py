"""Driving a session by the wire and by hand comes to the same."""

import pytest

from doubles.drive import Puppet, World, assert_conserved, make_bundle, outcomes, settled
from engine.device.log import Log
from engine.device.script import Begin, Pause
from engine.device.steps.connect import connect
from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series


def test_drive_runs_a_script_to_its_end_and_stops_it_at_a_time():
    """Virtual time passes, and only as much as is needed."""

    def naps(device):
        yield Pause(7.0)

    world = World()
    session = world.session()
    assert outcomes(world.drive(session, naps)) == {"iteration": ["ok"]}
    assert world.clock.now() == 7.0
    assert outcomes(world.drive(session, naps, until=10.0)) == {"iteration": ["cancelled"]}
    assert world.drive(session, naps, phase=Phase.PREPARE) == Log()


def test_puppet_hears_what_the_wire_would_say():
    """The same step, by the wire and by hand, ends the same."""
    world = World()
    by_wire = world.drive(world.session(bundle=world.stored("d-0")), connect)
    puppet = Puppet(connect, bundle=make_bundle("d-0"))
    puppet.start()
    puppet.connect()
    assert outcomes(puppet.session.drain_log()) == outcomes(by_wire)
    assert len(puppet.take()) == 2
    assert puppet.take() == []


def test_assert_conserved_sees_what_is_missing():
    """A start without an end, an end without a start, a drop that nobody told."""
    series = Series(Operation.CERT_ISSUED, Phase.STEADY)
    ended = Sample(series, 0.0, 0.0, 1.0, Outcome.OK)
    dropped = Sample(series, 0.0, None, 1.0, Outcome.DROPPED)
    assert_conserved(Log(started=[(series, 0.0)], samples=[ended]))
    assert settled(Log(samples=[ended]), Operation.CERT_ISSUED) == [ended]
    for log in (Log(started=[(series, 0.0)]), Log(samples=[ended]), Log(samples=[dropped])):
        with pytest.raises(AssertionError):
            assert_conserved(log)


def test_stored_bundles_are_let_in():
    """A device of an earlier run connects with what it holds."""
    world = World()
    log = world.drive(world.session(bundle=world.stored("d-0")), connect)
    assert outcomes(log)["hub.connect"] == ["ok"]


def test_puppet_expires_only_what_waits():
    """There is no time to wait for when nothing waits."""
    puppet = Puppet(lambda device: iter([Begin(Operation.STATE_SAVE, 1.0)]))
    with pytest.raises(AssertionError):
        puppet.expire()
