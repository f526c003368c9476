"""Every device on its grid: product rule 8."""

import math

from engine.batch.rosters.roster import Shape
from engine.measure.operation import DropReason
from unit.batch.rosters.makers import drops, goes, pacing


def test_pacing_start_waits_for_its_busy_device_and_keeps_its_due_time():
    """It begins when the device is free."""
    roster = pacing(Shape(1))
    assert goes(roster.calls(0.0)) == [(0, 0, 0.0)]
    assert roster.calls(12.0) == []
    roster.free(0)
    assert roster.next_due() == -math.inf
    assert goes(roster.calls(13.0)) == [(0, 1, 10.0)]


def test_pacing_drops_the_points_that_pass_while_one_waits():
    """Reason busy; what waits is the earliest."""
    roster = pacing(Shape(1))
    roster.calls(0.0)
    assert drops(roster.calls(35.0)) == [(2, DropReason.BUSY), (3, DropReason.BUSY)]
    roster.free(0)
    assert goes(roster.calls(36.0)) == [(0, 1, 10.0)]


def test_pacing_drops_what_still_waits_when_the_load_ends():
    """A device that never came free loses its start as busy, one that found no place by the limit."""
    roster = pacing(Shape(2, max_in_flight=1))
    assert goes(roster.calls(1.0)) == [(0, 0, 0.0)]
    assert drops(roster.calls(12.0)) == [(1, DropReason.IN_FLIGHT_LIMIT)]
    assert drops(roster.close()) == [(1, DropReason.BUSY), (0, DropReason.IN_FLIGHT_LIMIT)]
    roster.free(0)
    assert (roster.next_due(), roster.calls(99.0)) == (math.inf, [])


def test_pacing_serves_held_back_devices_in_the_order_they_came():
    """Nobody overtakes a device that waits for a place."""
    roster = pacing(Shape(3, max_in_flight=1))
    assert goes(roster.calls(2.5)) == [(0, 0, 0.0)]
    roster.free(0)
    assert goes(roster.calls(3.0)) == [(1, 0, 1.0)]
    roster.free(1)
    assert goes(roster.calls(10.5)) == [(2, 0, 2.0)]
    roster.free(2)
    assert goes(roster.calls(10.6)) == [(0, 1, 10.0)]


def test_pacing_drops_devices_without_a_certificate():
    """Every point of theirs, as it comes."""
    roster = pacing(Shape(2, frozenset({0})))
    calls = roster.calls(11.0)
    assert drops(calls) == [(0, DropReason.NOT_PROVISIONED), (1, DropReason.NOT_PROVISIONED)]


def test_pacing_resumes_with_the_earliest_outstanding_point():
    """It waits as it did, later ones had passed; those of a device that lost its certificate meanwhile are dropped."""
    state = {"next": [3, 3], "outstanding": {"0": [1, 2], "1": [0, 2]}}
    roster = pacing(Shape(2, frozenset({1}), state=state))
    assert roster.next_due() == -math.inf
    assert roster.state() == {"next": [3, 3], "outstanding": {"0": [1, 2], "1": [0, 2]}}
    calls = roster.calls(29.0)
    assert drops(calls) == [(2, DropReason.BUSY), (0, DropReason.NOT_PROVISIONED), (2, DropReason.NOT_PROVISIONED)]
    assert goes(calls) == [(0, 1, 10.0)]
    assert roster.next_due() == 30.0
    assert len(pacing(Shape(2, frozenset({1}), state=state)).close()) == 4
