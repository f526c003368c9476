"""When each start is due: pure arithmetic, by table and by property."""

import math
from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.pacer import Burst, Grid, Pacer, Ramp, Spread, Stages, Steady, noise

_rates = st.floats(0.01, 5_000)
_rates_or_zero = st.one_of(st.just(0.0), _rates)
_times = st.floats(0.001, 100_000)

pacers = st.one_of(
    st.builds(Burst, st.integers(1, 10**6)),
    st.builds(Spread, st.integers(1, 10**6), st.one_of(st.just(0.0), _times)),
    st.builds(Steady, _rates, _times),
    st.builds(Ramp, _rates_or_zero, _rates_or_zero, _times),
    st.builds(
        Stages,
        _rates_or_zero,
        st.lists(st.tuples(st.one_of(st.just(0.0), _times), _rates_or_zero), min_size=1, max_size=6).map(tuple),
    ),
)
grids = st.builds(
    Grid,
    devices=st.integers(1, 50),
    interval_s=st.floats(0.1, 1_000),
    jitter=st.one_of(st.just(0.0), st.floats(0, 1), st.just(1.0)),
    ramp_s=st.floats(0, 1_000),
    duration_s=st.just(50_000.0),
    seed=st.integers(0, 2**53),
)


@pytest.mark.parametrize(
    ("pacer", "due"),
    [
        (Burst(2), [0.0, 0.0, None]),
        (Spread(4, 10.0), [0.0, 2.5, 5.0, 7.5, None]),
        (Spread(2, 0.0), [0.0, 0.0, None]),
        (Steady(2.0, 1.5), [0.0, 0.5, 1.0, None]),
        (Ramp(1.0, 1.0, 3.0), [0.0, 1.0, 2.0, None]),
        (Ramp(0.0, 2.0, 2.0), [0.0, math.sqrt(2), None]),
        (Ramp(2.0, 0.0, 2.0), [0.0, 2 - math.sqrt(2), None]),
        (Ramp(0.0, 0.0, 5.0), [None]),
        (Stages(0.0, ((5.0, 0.0),)), [None]),
        (Stages(0.0, ((0.0, 1.0), (2.0, 1.0), (2.0, 1.0))), [0.0, 1.0, 2.0, 3.0, None]),
        (Stages(1.0, ((1.0, 1.0), (0.0, 0.0), (10.0, 0.0), (0.0, 2.0), (1.0, 2.0))), [0.0, 11.0, 11.5, None]),
    ],
)
def test_pacer_is_due_as_its_rate_says(pacer: Pacer, due: list[float | None]):
    """Start n is due when the integral of the rate reaches n, the first at once, none after the end."""
    assert [pacer.due(n) for n in range(len(due))] == pytest.approx(due)


@pytest.mark.parametrize(
    ("pacer", "until_s", "starts"),
    [
        (Burst(5), -0.1, 0),
        (Burst(5), 0.0, 5),
        (Spread(4, 10.0), -1.0, 0),
        (Spread(4, 10.0), 0.0, 1),
        (Spread(4, 10.0), 2.4999, 1),
        (Spread(4, 10.0), 2.5, 2),
        (Spread(4, 10.0), math.inf, 4),
        (Spread(4, 0.0), 0.0, 4),
        (Steady(2.0, 1.5), -1.0, 0),
        (Steady(2.0, 1.5), 0.5, 2),
        (Steady(2.0, 1.5), math.inf, 3),
        (Ramp(0.0, 2.0, 2.0), -1.0, 0),
        (Ramp(0.0, 2.0, 2.0), 1.0, 1),
        (Ramp(0.0, 2.0, 2.0), math.inf, 2),
        (Stages(1.0, ((2.0, 1.0), (2.0, 3.0))), -1.0, 0),
        (Stages(1.0, ((2.0, 1.0), (2.0, 3.0))), 0.0, 1),
        (Stages(1.0, ((2.0, 1.0), (2.0, 3.0))), 2.0, 3),
        (Stages(1.0, ((2.0, 1.0), (2.0, 3.0))), math.inf, 6),
        (Stages(0.0, ((5.0, 0.0),)), 3.0, 0),
    ],
)
def test_pacer_counts_what_is_due(pacer: Pacer, until_s: float, starts: int):
    """The count includes what is due exactly then, and nothing is due before the load begins."""
    assert pacer.count(until_s) == starts


@given(pacers, st.integers(0, 2_000))
def test_pacer_never_goes_backwards(pacer: Pacer, first: int):
    """Due times never decrease, never leave the load, and end for good once they end."""
    times = [pacer.due(n) for n in range(first, first + 20)]
    due = list(takewhile(lambda at: at is not None, times))
    assert times[len(due) :] == [None] * (len(times) - len(due))
    assert all(earlier <= later for earlier, later in pairwise(due))
    assert all(at >= 0 for at in due)


@given(pacers, st.floats(0, 200_000))
def test_pacer_count_inverts_due(pacer: Pacer, until_s: float):
    """A start is counted at a time exactly when it is due by then."""
    starts = pacer.count(until_s)
    assert starts == 0 or (pacer.due(starts - 1) or 0.0) <= until_s
    after = pacer.due(starts)
    assert after is None or after > until_s


@given(_rates_or_zero, _rates_or_zero, _times, st.floats(0, 1))
def test_ramp_due_inverts_the_integral(from_per_s: float, to_per_s: float, for_s: float, share: float):
    """At the time start n is due, the rate's integral is n."""
    ramp = Ramp(from_per_s, to_per_s, for_s)
    n = math.floor(ramp.owed(for_s) * share)
    at = ramp.due(n)
    if at is not None:
        assert ramp.owed(at) == pytest.approx(n, rel=1e-6, abs=1e-6)


@given(_rates, _times)
def test_stages_of_one_rate_are_steady(per_s: float, for_s: float):
    """Stages that never change the rate offer what one steady rate offers."""
    stages, steady = Stages(per_s, ((for_s, per_s), (for_s, per_s))), Steady(per_s, 2 * for_s)
    assert abs(stages.count(math.inf) - steady.count(math.inf)) <= 1
    for n in range(min(5, steady.count(math.inf) - 1)):
        assert stages.due(n) == pytest.approx(steady.due(n))


def test_grid_shifts_devices_against_each_other():
    """Device d begins d places of the ramp later, and its starts are an interval apart."""
    grid = Grid(4, interval_s=10.0, jitter=0.0, ramp_s=8.0, duration_s=25.0, seed=1)
    assert [grid.due(0, k) for k in range(4)] == [0.0, 10.0, 20.0, None]
    assert [grid.due(3, k) for k in range(3)] == [6.0, 16.0, None]


@given(grids, st.data())
def test_grid_keeps_its_order_and_its_places(grid: Grid, data: st.DataObject):
    """Whatever the jitter, a device's starts never go backwards nor further than to their neighbours' places."""
    device = data.draw(st.integers(0, grid.devices - 1))
    times = [grid.due(device, k) for k in range(40)]
    due = [at for at in times if at is not None]
    offset_s = grid.ramp_s * device / grid.devices
    assert due == sorted(due)
    assert times[: len(due)] == due
    assert due[0] == offset_s
    for k, at in enumerate(due[1:], start=1):
        assert abs(at - offset_s - k * grid.interval_s) <= grid.interval_s * (1 + 1e-9)


@given(st.floats(0, 0.5), st.integers(0, 2**53), st.integers(1, 1_000))
def test_grid_jitter_stays_within_its_share(jitter: float, seed: int, k: int):
    """Up to one half of the interval, every start lies within its own share and nowhere else."""
    grid = Grid(1, interval_s=10.0, jitter=jitter, ramp_s=0.0, duration_s=math.inf, seed=seed)
    at = grid.due(0, k)
    assert at is not None
    assert abs(at - 10.0 * k) <= 10.0 * jitter + 1e-9


def test_grid_is_the_same_every_time_and_differs_by_seed():
    """A start depends on seed, device and number alone."""

    def times(seed: int, device: int) -> list[float | None]:
        grid = Grid(3, interval_s=10.0, jitter=0.5, ramp_s=0.0, duration_s=1_000.0, seed=seed)
        return [grid.due(device, k) for k in range(1, 20)]

    assert times(1, 0) == times(1, 0)
    assert times(1, 0) != times(2, 0)
    assert times(1, 0) != times(1, 1)


def test_grid_ends_with_the_load():
    """A start that jitter moves to the end or beyond does not exist, nor does any after it."""
    grid = Grid(1, interval_s=10.0, jitter=1.0, ramp_s=0.0, duration_s=100.0, seed=3)
    times = [grid.due(0, k) for k in range(30)]
    last = times.index(None)
    assert times[last:] == [None] * (30 - last)
    assert all(at is not None and at < 100.0 for at in times[:last])


@given(
    st.integers(1, 60),
    st.integers(1, 40).map(float),
    st.integers(0, 100).map(float),
    st.integers(1, 200).map(float),
)
def test_grid_starts_are_what_its_devices_have(devices: int, interval_s: float, ramp_s: float, duration_s: float):
    """The planned number of starts is what all rows together have, to one per row of the ramp."""
    grid = Grid(devices, interval_s, 0.0, min(ramp_s, duration_s), duration_s, seed=0)
    counted = sum(
        sum(1 for _ in takewhile(lambda k: grid.due(device, k) is not None, range(1_000)))  # noqa: B023
        for device in range(devices)
    )
    assert abs(grid.starts() - counted) <= math.ceil(grid.ramp_s / interval_s) + 1


def test_noise_is_spread_evenly():
    """A thousand places fill ten equal bins about equally, and all lie in [0, 1)."""
    numbers = [noise(7, device, k) for device in range(100) for k in range(100)]
    assert all(0 <= number < 1 for number in numbers)
    bins = [sum(1 for number in numbers if low <= number * 10 < low + 1) for low in range(10)]
    assert all(900 < many < 1_100 for many in bins)


def test_noise_is_stable():
    """The numbers are part of the format of a plan: another version must not change them."""
    assert noise(0) == pytest.approx(0.8833108082136426)
    assert noise(42, 3, 9) == noise(42, 3, 9)
    assert noise(42, 3, 9) != noise(42, 9, 3)
