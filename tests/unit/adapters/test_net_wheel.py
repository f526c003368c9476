"""The keep-alive wheel."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.net.wheel import SLOTS, TICK_S, Wheel


def ticks(wheel, count, start=0.0):
    """What came up at each of count ticks."""
    return [wheel.turn(start + n * TICK_S) for n in range(count)]


@given(st.floats(0, 100))
def test_wheel_brings_a_thing_up_once_and_in_time(after_s):
    """It comes up no later than a turn, no earlier than asked by a tick, and then never again."""
    wheel = Wheel()
    wheel.turn(0.0)
    wheel.put("a", after_s)
    came = [n for n, due in enumerate(ticks(wheel, 2 * SLOTS, TICK_S), start=1) if due]
    assert len(came) == 1
    assert came[0] == min(SLOTS, max(1, int(after_s / TICK_S)))


def test_wheel_forgets_what_is_taken_off():
    """What was taken off does not come up, and an empty wheel never wants to be looked at."""
    wheel = Wheel()
    wheel.put("a", 1)
    assert wheel.next_at < math.inf
    wheel.take("a")
    wheel.take("a")
    assert wheel.next_at == math.inf
    assert not any(ticks(wheel, SLOTS + 1))


def test_wheel_makes_up_for_missed_ticks():
    """Whoever looks away for long gets everything that came up meanwhile, once."""
    wheel = Wheel()
    wheel.turn(0.0)
    wheel.put("a", 1)
    wheel.put("b", 9)
    assert sorted(wheel.turn(1000.0)) == ["a", "b"]
    assert wheel.turn(1000.1) == []


@pytest.mark.parametrize("again_s", [0.25, 5.0])
def test_wheel_moves_a_thing_that_is_put_again(again_s):
    """The later wish counts."""
    wheel = Wheel()
    wheel.turn(0.0)
    wheel.put("a", 2.5)
    wheel.put("a", again_s)
    assert [n * TICK_S for n, due in enumerate(ticks(wheel, SLOTS, TICK_S), start=1) if due] == [again_s]


def test_wheel_knows_what_is_on_it():
    """A thing is on it from put until it comes up or is taken off."""
    wheel = Wheel()
    assert "a" not in wheel
    wheel.put("a", 1)
    assert "a" in wheel
    wheel.take("a")
    assert "a" not in wheel
