"""Every device once, and its due start even without a certificate (product rule 9)."""

import math

from engine.batch.rosters.roster import Shape
from engine.measure.operation import DropReason
from unit.batch.rosters.makers import drops, goes, once


def test_once_starts_each_device_when_it_is_due():
    """Not before, and each once."""
    roster = once(Shape(3))
    assert roster.next_due() == 0.0
    assert goes(roster.calls(0.5)) == [(0, 0, 0.0)]
    assert roster.next_due() == 1.0
    assert goes(roster.calls(5.0)) == [(1, 1, 1.0), (2, 2, 2.0)]
    assert roster.next_due() == math.inf
    assert roster.calls(9.0) == roster.close() == []


def test_once_waits_for_a_place_in_flight():
    """A start that is held back keeps its due time, so its slip is seen."""
    roster = once(Shape(2, max_in_flight=1))
    assert goes(roster.calls(5.0)) == [(0, 0, 0.0)]
    assert roster.next_due() == math.inf
    roster.free(0)
    assert goes(roster.calls(9.0)) == [(1, 1, 1.0)]


def test_once_drops_what_was_held_back_to_the_end():
    """Devices whose time had come are dropped, those whose time had not were never due."""
    roster = once(Shape(4, max_in_flight=1))
    roster.calls(2.0)
    assert drops(roster.close()) == [(1, DropReason.IN_FLIGHT_LIMIT), (2, DropReason.IN_FLIGHT_LIMIT)]
    roster.free(0)
    assert (roster.next_due(), roster.calls(9.0)) == (math.inf, [])
    assert roster.state() == {"next": 3, "outstanding": []}


def test_once_drops_devices_without_a_certificate():
    """They keep their due starts (product rule 9) and take no place."""
    roster = once(Shape(3, frozenset({1}), max_in_flight=2))
    calls = roster.calls(5.0)
    assert drops(calls) == [(1, DropReason.NOT_PROVISIONED)]
    assert [device for device, _, _ in goes(calls)] == [0, 2]
