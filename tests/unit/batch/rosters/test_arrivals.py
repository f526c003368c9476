"""Starts that belong to no device: product rule 9."""

import math
from collections import Counter

from engine.batch.rosters.arrivals import BEHIND_S
from engine.batch.rosters.roster import Shape
from engine.measure.operation import DropReason
from unit.batch.rosters.makers import POINTS, arrivals, drops, goes


def test_arrivals_take_the_device_that_has_been_free_longest():
    """They take turns."""
    roster = arrivals(Shape(3))
    assert [device for device, _, _ in goes(roster.calls(0.5))] == [0, 1]
    roster.free(1)
    assert [device for device, _, _ in goes(roster.calls(1.5))] == [2, 1]


def test_arrivals_never_queue():
    """No free device, or no place in flight: dropped at once."""
    roster = arrivals(Shape(1))
    assert drops(roster.calls(0.5)) == [(1, DropReason.NO_FREE_DEVICE)]
    roster = arrivals(Shape(3, max_in_flight=1))
    assert drops(roster.calls(0.5)) == [(1, DropReason.IN_FLIGHT_LIMIT)]


def test_arrivals_are_dropped_when_the_loop_is_behind():
    """More than a second late, a start would bend the load."""
    roster = arrivals(Shape(9))
    calls = roster.calls(BEHIND_S + 0.5)
    assert drops(calls) == [(0, DropReason.BEHIND)]
    assert [point for _, point, _ in goes(calls)] == [1, 2, 3]


def test_arrivals_give_devices_without_a_certificate_their_share():
    """One in three stays one in three, however long the others are busy."""
    roster = arrivals(Shape(3, frozenset({1})))
    calls = [call for n in range(4 * POINTS) for call in roster.calls(n / 2)]
    assert Counter(reason for _, reason in drops(calls))[DropReason.NOT_PROVISIONED] == 4 * POINTS / 3
    assert 1 not in {device for device, _, _ in goes(calls)}


def test_arrivals_end_with_the_load():
    """Nothing is due after close."""
    roster = arrivals(Shape(1))
    assert roster.next_due() == 0.0
    assert roster.close() == []
    assert (roster.next_due(), roster.calls(9.0)) == (math.inf, [])


def test_arrivals_of_an_earlier_holder_are_behind():
    """What it had started and never finished cannot be started again in time."""
    roster = arrivals(Shape(2, state={"next": 4, "outstanding": [2, 3]}))
    assert roster.next_due() == -math.inf
    assert drops(roster.calls(2.0))[:2] == [(2, DropReason.BEHIND), (3, DropReason.BEHIND)]
    assert drops(arrivals(Shape(2, state={"next": 4, "outstanding": [2]})).close()) == [(2, DropReason.BEHIND)]


def test_arrivals_take_back_only_who_is_free():
    """A device that was called meanwhile is not, nor one that was never given back."""
    roster = arrivals(Shape(2))
    roster.calls(0.0)
    assert not roster.take_back(0)
    roster.free(0)
    assert roster.take_back(0)
    assert goes(roster.calls(0.5)) == [(1, 1, 0.5)]
    assert drops(roster.calls(1.0)) == [(2, DropReason.NO_FREE_DEVICE)]
    roster.free(0)
    assert goes(roster.calls(1.5)) == [(0, 3, 1.5)]


def test_arrivals_let_a_device_rest_where_the_shape_says_so():
    """From when calls are asked for next, and others go first."""
    for rests, reasons in ((True, [DropReason.NO_FREE_DEVICE]), (False, [])):
        roster = arrivals(Shape(1, rests=rests))
        roster.calls(0.0)
        roster.free(0, 0.8)
        assert roster.all_free_at() == -math.inf
        assert [reason for _, reason in drops(roster.calls(0.5))] == reasons
        if rests:
            assert roster.all_free_at() == 1.3
            assert drops(roster.calls(1.0)) == [(2, DropReason.NO_FREE_DEVICE)]
            assert goes(roster.calls(1.5)) == [(0, 3, 1.5)]
        assert roster.all_free_at() == math.inf
