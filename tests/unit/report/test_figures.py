import pytest

from engine.measure.histogram import Histogram
from engine.report.figures import latency, percentile_name, rounded


def test_percentile_name_is_short() -> None:
    """50 is p50 and 99.9 is p99.9."""
    assert (percentile_name(50.0), percentile_name(99.9)) == ("p50", "p99.9")


def test_latency_is_in_milliseconds() -> None:
    """Two durations of a quarter and half a second."""
    histogram = Histogram()
    for seconds in (0.25, 0.5):
        histogram.record(seconds)
    assert latency(histogram, [50.0]) == {"count": 2, "p50": 250.0, "avg": 375.0, "min": 250.0, "max": 500.0}


def test_latency_of_nothing_is_none() -> None:
    """No duration has no percentile, never 0 ms."""
    assert latency(Histogram(), [50.0]) == {"count": 0, "p50": None, "avg": None, "min": None, "max": None}


@pytest.mark.parametrize(("value", "found"), [(None, None), (0.12345678, 0.123457), (2.0, 2.0)])
def test_rounded_keeps_none(value: float | None, found: float | None) -> None:
    """Six places, or nothing."""
    assert rounded(value, 6) == found
