"""Rosters that survive their process: any interruption, any executor."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.batch.rosters.roster import Drop, Go, Shape
from unit.batch.rosters.makers import MAKERS, total_of


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
        ended[(None if name == "search" else call.due, call.point)] += 1  # what is resumed of a search is due anew

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
    assert len(ended) == total_of(name, shape, roster)
    if name in ("max-rate", "search"):
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
    assert handed + len(calls) == total_of(name, Shape(2), again) + outstanding
