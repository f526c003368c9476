"""Moments handed out at a rate."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.device.budget import Budget

rates = st.floats(0.01, 1000.0)
asks = st.lists(st.floats(0.0, 50.0), min_size=1, max_size=60)


@given(rates, asks)
def test_budget_hands_out_no_moment_before_it_is_asked_for(per_s, gaps):
    """Never in the past, and in the order they were asked for."""
    budget, now, last = Budget(per_s), 0.0, 0.0
    for gap in gaps:
        now += gap
        at = budget.book(now)
        assert at >= now
        assert at >= last
        last = at


@given(rates, asks)
def test_budget_keeps_to_its_rate(per_s, gaps):
    """Any two moments are as far apart as the rate says: nothing is saved up for a burst."""
    budget, now, booked = Budget(per_s), 0.0, []
    for gap in gaps:
        now += gap
        booked.append(budget.book(now))
        assert budget.free_at == pytest.approx(booked[-1] + 1.0 / per_s)
    spaces = [later - earlier for earlier, later in pairwise(booked)]
    assert all(space >= (1.0 - 1e-6) / per_s for space in spaces)


@given(rates, asks)
def test_budget_is_used_whenever_somebody_asks_late(per_s, gaps):
    """A moment is now, unless the one before was booked too recently."""
    budget, now, last = Budget(per_s), 0.0, None
    for gap in gaps:
        now += gap
        at = budget.book(now)
        assert at == now or at == pytest.approx((last or 0.0) + 1.0 / per_s)
        last = at


def test_budget_without_a_limit_is_now():
    """None holds nobody back."""
    budget = Budget(None)
    assert [budget.book(at) for at in (3.0, 3.0, 4.0)] == [3.0, 3.0, 4.0]
    assert budget.free_at == 4.0
