import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.measure.encoding import NotATally
from engine.measure.histogram import ALPHA, CEILING_NS, FLOOR_NS, Histogram, to_ns

DURATIONS = st.lists(st.floats(min_value=1e-6, max_value=864_000.0), max_size=60)


def _histogram(durations_s: list[float]) -> Histogram:
    histogram = Histogram()
    for duration_s in durations_s:
        histogram.record(duration_s)
    return histogram


def _merged(*histograms: Histogram) -> Histogram:
    merged = Histogram()
    for histogram in histograms:
        merged.merge(histogram)
    return merged


def test_histogram_starts_empty() -> None:
    """No durations have no mean, no ends and no quantile."""
    empty = Histogram()
    assert (empty.count, empty.sum_ns, empty.min_ns, empty.max_ns) == (0, 0, 0, 0)
    assert (empty.avg_s, empty.min_s, empty.max_s, empty.quantile(0.5)) == (None, None, None, None)


def test_histogram_keeps_count_sum_and_ends_exactly() -> None:
    """Only quantiles are approximate."""
    histogram = _histogram([0.003, 0.001, 0.008])
    assert (histogram.count, histogram.sum_ns) == (3, 12_000_000)
    assert (histogram.min_ns, histogram.max_ns) == (1_000_000, 8_000_000)
    assert (histogram.avg_s, histogram.min_s, histogram.max_s) == (0.004, 0.001, 0.008)


@pytest.mark.parametrize(
    ("duration_s", "kept_ns"),
    [(0.0, FLOOR_NS), (-5.0, FLOOR_NS), (1e-9, FLOOR_NS), (1e-6, 1_000), (0.25, 250_000_000), (1e9, CEILING_NS)],
)
def test_record_keeps_durations_between_a_microsecond_and_ten_days(duration_s: float, kept_ns: int) -> None:
    """A duration outside the range counts as the end of the range it passed."""
    histogram = _histogram([duration_s])
    assert (histogram.sum_ns, histogram.min_ns, histogram.max_ns) == (kept_ns, kept_ns, kept_ns)


# Nearest rank by hand over 10, 20, … 200 ms: rank = ceil(q * 20), value = 10 ms * rank.
HAND_COMPUTED = [
    (0.0, 10), (0.05, 10), (0.051, 20), (0.25, 50), (0.5, 100), (0.501, 110), (0.75, 150),
    (0.9, 180), (0.95, 190), (0.951, 200), (0.99, 200), (0.999, 200), (1.0, 200),
]  # fmt: skip


@pytest.mark.parametrize(("q", "expected_ms"), HAND_COMPUTED)
def test_quantile_is_the_nearest_rank(q: float, expected_ms: int) -> None:
    """A quantile is within one per cent of the value computed by hand."""
    histogram = _histogram([n / 100 for n in range(20, 0, -1)])
    assert histogram.quantile(q) == pytest.approx(expected_ms / 1000, rel=ALPHA)


def test_quantile_rank_survives_binary_fractions() -> None:
    """99.9 % of a thousand is the 999th value, though 99.9 / 100 * 1000 is a little more in floats."""
    histogram = _histogram([0.001] * 999 + [1.0])
    assert histogram.quantile(99.9 / 100) == 0.001


def test_quantile_is_exact_at_the_ends() -> None:
    """The first and the last rank are the smallest and the largest duration, to the nanosecond."""
    histogram = _histogram([0.123456789, 0.2, 0.987654321])
    assert (histogram.quantile(0.0), histogram.quantile(1.0)) == (0.123456789, 0.987654321)


def test_quantile_of_equal_durations_is_that_duration() -> None:
    """An estimate never leaves the range that was seen."""
    assert _histogram([0.0123] * 5).quantile(0.5) == 0.0123


@given(DURATIONS, st.floats(min_value=0.0, max_value=1.0))
def test_quantile_error_is_at_most_one_per_cent(durations_s: list[float], q: float) -> None:
    """Against exact sorting, every quantile is within ALPHA."""
    estimate = _histogram(durations_s).quantile(q)
    if not durations_s:
        assert estimate is None
        return
    exact = sorted(durations_s)[max(1, math.ceil(q * len(durations_s) * (1 - 1e-12))) - 1]
    assert estimate == pytest.approx(exact, rel=ALPHA * 1.000001, abs=1e-9)


@given(DURATIONS, st.lists(st.floats(min_value=0.0, max_value=1.0), min_size=2, max_size=6))
def test_quantiles_never_decrease(durations_s: list[float], shares: list[float]) -> None:
    """A larger share is never answered with a smaller duration."""
    quantiles = [_histogram(durations_s).quantile(q) or 0.0 for q in sorted(shares)]
    assert all(lower <= higher for lower, higher in pairwise(quantiles))


@given(DURATIONS, DURATIONS, DURATIONS)
def test_merge_is_commutative_and_associative(a: list[float], b: list[float], c: list[float]) -> None:
    """Any order and grouping gives the same integers, those of recording everything in one place."""
    one, two, three = _histogram(a), _histogram(b), _histogram(c)
    packed = _histogram(a + b + c).pack()
    assert _merged(_merged(one, two), three).pack() == packed
    assert _merged(one, _merged(two, three)).pack() == packed
    assert _merged(three, two, one).pack() == packed


@given(DURATIONS)
def test_merge_has_the_empty_histogram_as_identity(durations_s: list[float]) -> None:
    """Nothing added to a histogram, or a histogram to nothing, is that histogram."""
    histogram = _histogram(durations_s)
    assert _merged(histogram, Histogram()).pack() == _merged(Histogram(), histogram).pack() == histogram.pack()


@given(DURATIONS)
def test_unpack_inverts_pack(durations_s: list[float]) -> None:
    """Packing keeps everything."""
    histogram = _histogram(durations_s)
    unpacked = Histogram.unpack(histogram.pack())
    assert unpacked.pack() == histogram.pack()
    assert (unpacked.count, unpacked.quantile(0.9)) == (histogram.count, histogram.quantile(0.9))


@pytest.mark.parametrize(
    "packed",
    [
        None,
        {},
        "12345",
        [1],
        [1000, 1000, 1000],
        [1000, 1000, 1000, 346, 1, 2],
        [1000, 1000, 1000, 346, 0],
        [1000, 1000, 1000, 346, True],
        [1000, 1000, 1000, 346, 1.0],
        [1000, 1000, 1000, 400, 1],
        [1000, 2000, 1000, 346, 1],
        [1, 1, 1, 1, 1],
        [10**16, 10**16, 10**16, 1842, 1],
        [999, 1000, 1000, 346, 1],
        [2001, 1000, 1000, 346, 2],
    ],
)
def test_unpack_refuses_what_pack_never_makes(packed: object) -> None:
    """Numbers that cannot all be true are no histogram."""
    with pytest.raises(NotATally):
        Histogram.unpack(packed)


def test_unpack_accepts_a_bucket_that_another_machine_rounded_elsewhere() -> None:
    """A logarithm that differs in its last digit moves a duration by one bucket, and is believed."""
    packed = _histogram([0.5]).pack()
    packed[3] += 1
    assert Histogram.unpack(packed).count == 1


def test_to_ns_rounds_to_the_nearest() -> None:
    """A time before the load's start is a negative number of nanoseconds."""
    assert (to_ns(1.0000000006), to_ns(-2.5), to_ns(0.0)) == (1_000_000_001, -2_500_000_000, 0)
