"""Every device as often as it can: product rule 8."""

import math

from engine.batch.rosters.roster import Drop, Shape
from engine.measure.operation import DropReason
from unit.batch.rosters.makers import POINTS, goes, max_rate


def test_max_rate_starts_a_device_again_as_soon_as_it_is_free():
    """Each first at its time; after that there is no grid, and starts are numbered as they come."""
    roster = max_rate(Shape(2))
    assert roster.next_due() == 0.0
    assert goes(roster.calls(0.0)) == [(0, 0, None)]
    assert roster.next_due() == 1.0
    roster.free(0)
    assert roster.next_due() == -math.inf
    assert goes(roster.calls(0.3)) == [(0, 1, None)]
    assert goes(roster.calls(1.0)) == [(1, 2, None)]


def test_max_rate_lets_a_device_rest_first():
    """A device that comes free with a rest starts when that is over, others do not wait for it."""
    roster = max_rate(Shape(2))
    roster.calls(1.0)
    roster.free(0, 5.0)
    roster.free(1)
    assert goes(roster.calls(2.0)) == [(1, 2, None)]
    assert roster.next_due() == 7.0
    assert roster.calls(6.9) == []
    assert goes(roster.calls(7.0)) == [(0, 3, None)]


def test_max_rate_shares_places_in_turn():
    """Where places in flight are fewer than devices, the one that has waited longest is next; nobody is dropped."""
    roster = max_rate(Shape(3, max_in_flight=1))
    order = []
    for now in range(5, 10):
        (call,) = roster.calls(float(now))
        order.append(call.device)
        roster.free(call.device)
    assert order == [0, 1, 2, 0, 1]
    assert roster.close() == []


def test_max_rate_drops_the_one_start_of_a_device_without_a_certificate():
    """When its time comes, whether a place is free or not, and never again, whoever holds the batch."""
    lacking = Shape(2, frozenset({1}), max_in_flight=1)
    roster = max_rate(lacking)
    roster.calls(0.0)
    assert roster.next_due() == 1.0
    assert roster.calls(1.0) == [Drop(1, 1.0, DropReason.NOT_PROVISIONED)]
    again = max_rate(Shape(2, lacking.unprovisioned, state=roster.state()))
    assert goes(again.calls(5.0)) == [(0, 0, None)]
    assert again.next_due() == math.inf


def test_max_rate_goes_on_to_its_end_while_everybody_is_busy():
    """The load is not over because nothing can start: something may come free before its time is up."""
    roster = max_rate(Shape(1), until_s=60.0)
    roster.calls(0.0)
    assert roster.next_due() == 60.0
    roster.free(0)
    assert roster.calls(60.0) == []
    roster.close()
    assert (roster.next_due(), roster.calls(61.0)) == (math.inf, [])


def test_max_rate_is_over_when_its_points_are():
    """No device starts then, free or not."""
    roster = max_rate(Shape(1))
    for _ in range(4 * POINTS):
        (call,) = roster.calls(0.0)
        roster.free(call.device)
    assert (roster.next_due(), roster.calls(0.0)) == (math.inf, [])


def test_max_rate_resumes_with_the_points_that_never_ended():
    """Their numbers are given out again before new ones are; numbers that ended are not."""
    roster = max_rate(Shape(3))
    roster.calls(2.0)
    roster.free(1)
    again = max_rate(Shape(3, state=roster.state()))
    assert goes(again.calls(9.0)) == [(0, 0, None), (1, 2, None), (2, 3, None)]
