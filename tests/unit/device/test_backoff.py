"""How long before the next try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.device.backoff import Backoff, fraction


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 2.0), (2, 4.0), (3, 8.0), (6, 60.0), (2000, 60.0)])
def test_backoff_doubles_up_to_its_limit(attempt, delay_s):
    """Without chance, and however often it failed."""
    assert Backoff().delay_s(attempt, chance=0.0) == delay_s


@given(st.integers(1, 100), st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_backoff_jitter_takes_off_at_most_its_share(attempt, chance, jitter):
    """Never more than the full delay, never less than what jitter leaves."""
    full = Backoff(jitter=0.0).delay_s(attempt, chance=chance)
    assert full * (1 - jitter) <= Backoff(jitter=jitter).delay_s(attempt, chance=chance) + 1e-9
    assert Backoff(jitter=jitter).delay_s(attempt, chance=chance) <= full


def test_backoff_never_comes_sooner_than_the_service_asked():
    """Unless the spec says not to listen; our own delay may be longer."""
    assert Backoff().delay_s(1, chance=0.0, retry_after_s=90.0) == 90.0
    assert Backoff().delay_s(1, chance=0.0, retry_after_s=0.5) == 2.0
    assert Backoff(honor_retry_after=False).delay_s(1, chance=0.0, retry_after_s=90.0) == 2.0


@given(st.lists(st.integers(-(2**80), 2**80), min_size=1, max_size=4))
def test_fraction_depends_on_its_arguments_alone(numbers):
    """The same ones give the same, in [0, 1)."""
    assert 0.0 <= fraction(*numbers) < 1.0
    assert fraction(*numbers) == fraction(*numbers)


def test_fraction_differs_between_neighbours():
    """Devices of a batch do not back off in step."""
    assert len({fraction(1, n) for n in range(1000)}) == 1000
