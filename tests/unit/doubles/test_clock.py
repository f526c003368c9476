"""The virtual clock is a clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.clock import VirtualClock
from engine.ports import Clock


def test_virtual_clock_is_a_clock():
    """It can stand wherever the engine asks for a Clock."""
    clock: Clock = VirtualClock(5.0, 1000.0)
    assert (clock.now(), clock.wall()) == (5.0, 1000.0)


@given(st.lists(st.floats(-10, 1e6), max_size=20))
def test_virtual_clock_never_goes_back(sleeps):
    """Both times move together, forward only."""
    clock = VirtualClock()
    for for_s in sleeps:
        before = clock.now(), clock.wall()
        clock.sleep(for_s)
        assert clock.now() - before[0] == pytest.approx(max(0.0, for_s), abs=1e-3)
        assert clock.wall() - before[1] == pytest.approx(max(0.0, for_s), abs=1e-3)
        assert clock.now() >= before[0]
