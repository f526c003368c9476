"""Which rates a search tries: product section 3."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.batch.rosters.ladder import GAP, ROUNDS, Ladder

starts, steps = st.floats(0.01, 1e4), st.floats(1.05, 10.0)


def climb(ladder, holds):
    """The rates it tried, each judged by holds, and what it knew after each."""
    tried = []
    while ladder.rate is not None and len(tried) < 1000:
        rate = ladder.rate
        ladder.judge(holds=holds(rate))
        tried.append((rate, ladder.held, ladder.failed))
    return tried


@given(starts, steps, st.floats(0.001, 1e5))
def test_ladder_encloses_the_knee(start, step, knee):
    """Below it every rate held, above none did; the gap only shrinks, and the search ends within its rounds."""
    ladder = Ladder(start, step)
    tried = climb(ladder, lambda rate: rate <= knee)
    assert ladder.rate is None
    assert ladder.held <= knee < ladder.failed
    gaps = [failed - held for _, held, failed in tried if failed is not None]
    assert all(later < earlier for earlier, later in pairwise(gaps))
    assert len(gaps) - 1 <= ROUNDS
    assert len(gaps) - 1 == ROUNDS or gaps[-1] < GAP * ladder.failed
    rising = [rate for rate, _, failed in tried if failed is None]
    assert rising == [pytest.approx(start * step**n) for n in range(len(rising))]


@given(starts, steps, st.lists(st.booleans(), max_size=40))
def test_ladder_ends_whatever_it_is_told(start, step, answers):
    """A service that does not know its own mind is searched no longer; held stays below failed."""
    ladder, left = Ladder(start, step), [*answers]
    tried = climb(ladder, lambda _: left.pop() if left else False)
    assert len(tried) <= len(answers) + 1 + ROUNDS
    assert all(held < failed for _, held, failed in tried if failed is not None)


@given(starts, steps, st.lists(st.booleans(), max_size=12))
def test_ladder_is_made_again_from_its_state(start, step, answers):
    """At any time, by way of JSON: the same rates follow."""
    one = other = Ladder(start, step)
    for holds in answers:
        if one.rate is not None:
            one.judge(holds=holds)
            if other is not one:
                other.judge(holds=holds)
            other = Ladder(start, step, json.loads(json.dumps(other.state())))
            assert other.state() == one.state()


def test_ladder_whose_first_rate_fails_looks_below_it():
    """There is no rate that held yet, so the gap begins at nothing."""
    ladder = Ladder(64.0, 2.0)
    rates = [rate for rate, _, _ in climb(ladder, lambda _: False)]
    assert rates == [64.0, 32.0, 16.0, 8.0, 4.0, 2.0]
    assert (ladder.held, ladder.failed) == (0.0, 2.0)


def test_ladder_that_was_ended_tries_nothing_more():
    """What is known stays."""
    ladder = Ladder(1.0, 2.0)
    ladder.judge(holds=True)
    ladder.end()
    assert (ladder.rate, ladder.held, ladder.failed) == (None, 1.0, None)
    with pytest.raises(AssertionError):
        ladder.judge(holds=True)
