"""Measured numbers as JSON values: durations in milliseconds, percentiles by name."""

from collections.abc import Sequence
from typing import Any

from engine.measure.histogram import Histogram


def percentile_name(percentile: float) -> str:
    """The key of a percentile: p50, p99.9."""
    return f"p{percentile:.10g}"


def latency(histogram: Histogram, percentiles: Sequence[float]) -> dict[str, Any]:
    """How many durations there are, and percentiles, mean and ends of them in milliseconds, None where there are
    none."""
    measured = {percentile_name(percentile): histogram.quantile(percentile / 100) for percentile in percentiles}
    measured |= {"avg": histogram.avg_s, "min": histogram.min_s, "max": histogram.max_s}
    in_ms = {name: None if value_s is None else round(value_s * 1000, 3) for name, value_s in measured.items()}
    return {"count": histogram.count, **in_ms}


def rounded(value: float | None, places: int) -> float | None:
    """The number to so many places, None for none."""
    return None if value is None else round(value, places)
