"""Who starts when: product rules 8 and 9, and rosters that survive their process."""

import json
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.batch.roster import BEHIND_S, Arrivals, Drop, Go, MaxRate, Once, Pacing, Shape
from engine.measure.operation import DropReason
from engine.plan.pacer import Stages

POINTS = 6


def once(shape):
    """Every device a second after the one before."""
    return Once(lambda n: float(n) if n < shape.size else None, shape)


def pacing(shape):
    """Every device every ten seconds, one second apart."""
    return Pacing(lambda device, k: device + 10.0 * k if k < POINTS else None, shape)


def arrivals(shape):
    """Two starts a second."""
    return Arrivals(lambda n: n / 2 if n < 4 * POINTS else None, shape)


def stages(shape):
    """From no start a second to two, in 10 s, and back."""
    return Arrivals(Stages(0.0, ((10.0, 2.0), (10.0, 0.0))).due, shape)


def max_rate(shape, until_s=math.inf):
    """Every device again and again, the first starts a second apart."""
    return MaxRate(lambda n: float(n), shape, points=4 * POINTS, until_s=until_s)


MAKERS = {"once": once, "pacing": pacing, "max-rate": max_rate, "arrivals": arrivals, "stages": stages}
TOTALS = {
    "once": lambda shape: shape.size,
    "pacing": lambda shape: shape.size * POINTS,
    "max-rate": lambda shape: 4 * POINTS if len(shape.unprovisioned) < shape.size else shape.size,
    "arrivals": lambda shape: 4 * POINTS,
    "stages": lambda shape: 20,
}


def goes(calls):
    return [(call.device, call.point, call.due) for call in calls if isinstance(call, Go)]


def drops(calls):
    return [(call.point, call.reason) for call in calls if isinstance(call, Drop)]


# Once.


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


# Pacing: product rule 8.


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
    state = {"next": [3, 3], "outstanding": [[1, 2], [0, 2]]}
    roster = pacing(Shape(2, frozenset({1}), state=state))
    assert roster.next_due() == -math.inf
    assert roster.state() == {"next": [3, 3], "outstanding": [[1, 2], [0, 2]]}
    calls = roster.calls(29.0)
    assert drops(calls) == [(2, DropReason.BUSY), (0, DropReason.NOT_PROVISIONED), (2, DropReason.NOT_PROVISIONED)]
    assert goes(calls) == [(0, 1, 10.0)]
    assert roster.next_due() == 30.0
    assert len(pacing(Shape(2, frozenset({1}), state=state)).close()) == 4


# MaxRate: product rule 8.


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


# Arrivals: product rule 9.


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


# State: any interruption, any executor.


@st.composite
def stories(draw):
    """An executor, its shape, and what happens: time passes, a device comes free, the process dies."""
    name = draw(st.sampled_from(sorted(MAKERS)))
    size = draw(st.integers(1, 4))
    lacking = draw(st.sets(st.integers(0, size - 1)))
    most = draw(st.integers(1, size))
    steps = draw(st.lists(st.sampled_from(["pass", "free", "die"]), max_size=40))
    return name, Shape(size, frozenset(lacking), most), steps


@settings(max_examples=300, deadline=None)
@given(stories(), st.data())
def test_every_point_is_handed_out_exactly_once(story, data):
    """Whatever is interrupted and resumed, each point ends once: finished or dropped, never both, never twice."""
    name, shape, steps = story
    roster, now = MAKERS[name](shape), 0.0
    ended: Counter[object] = Counter()
    running: dict[int, Go] = {}

    def end(call):
        ended[(call.due, call.point)] += 1

    def take(calls):
        for call in calls:
            if isinstance(call, Drop):
                end(call)
            else:
                assert call.device not in running
                assert call.device not in shape.unprovisioned
                running[call.device] = call
        assert len(running) <= shape.max_in_flight

    for step in steps:
        if step == "pass":
            now += data.draw(st.floats(0.0, 7.0))
            take(roster.calls(now))
        elif step == "free" and running:
            device = data.draw(st.sampled_from(sorted(running)))
            end(running.pop(device))
            roster.free(device)
        elif step == "die":
            state = json.loads(json.dumps(roster.state()))
            running.clear()
            roster = MAKERS[name](Shape(shape.size, shape.unprovisioned, shape.max_in_flight, state))
    for _ in range(200):
        now += 1.0
        take(roster.calls(now))
        for device in sorted(running):
            end(running.pop(device))
            roster.free(device)
    take(roster.close())
    assert set(ended.values()) <= {1}
    assert len(ended) == TOTALS[name](shape)
    if name == "max-rate":
        assert sorted(point for _, point in ended) == list(range(len(ended)))


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_state_of_a_closed_roster_keeps_what_was_not_handed_out(name):
    """A batch that dies while it drains can be taken up by somebody who goes on with the load."""
    roster = MAKERS[name](Shape(2))
    handed = len(roster.calls(0.0)) + len(roster.close())
    state = roster.state()
    again = MAKERS[name](Shape(2, state=state))
    calls, running = [], []
    for now in range(200):
        calls += again.calls(now / 2)
        for call in calls:
            if isinstance(call, Go) and call not in running:
                running.append(call)
                again.free(call.device)
    outstanding = 1
    assert handed + len(calls) == TOTALS[name](Shape(2)) + outstanding
