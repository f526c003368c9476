"""The timeline as CSV, RFC 4180: one line per window, phase, operation and hub; intervals.csv for spreadsheets.

Times are run time in seconds, 0 being the start of the load. Counts are what happened in the window; in_flight and
overdue are what it leaves to the next. rate_per_s is what ended by itself, percentiles cover ok and late.
"""

import csv
import io
from collections.abc import Sequence

from engine.measure.counts import FAILED
from engine.measure.histogram import Histogram
from engine.measure.timeline import Row, Timeline
from engine.report.figures import percentile_name
from engine.report.results import PERCENTILES

_COUNTS = ("due", "started", "ok", "failed", "late", "lost", "cancelled", "dropped")


def timeline_csv(timeline: Timeline, percentiles: Sequence[float] = PERCENTILES) -> str:
    """The timeline as text with a heading; fields without a value are empty."""
    names = [percentile_name(percentile) for percentile in percentiles]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        [
            *("start_s", "end_s", "phase", "operation", "hub"),
            *_COUNTS,
            *("in_flight", "overdue", "retries", "unmatched", "rate_per_s"),
            *(f"{name}_ms" for name in (*names, "avg", "max")),
            *(f"actual_{name}_ms" for name in (*names, "avg", "max")),
            *FAILED,
        ]
    )
    for row in timeline.rows():
        writer.writerow(_fields(row, timeline.interval_s, percentiles=percentiles))
    return text.getvalue()


def _fields(row: Row, interval_s: float, *, percentiles: Sequence[float]) -> list[str | int]:
    counts, series = row.counts, row.series
    return [
        f"{row.window * interval_s:.10g}",
        f"{(row.window + 1) * interval_s:.10g}",
        series.phase,
        series.operation,
        series.hub,
        *(getattr(counts, name) for name in _COUNTS),
        row.in_flight,
        row.overdue,
        counts.retries,
        counts.unmatched,
        f"{counts.ended / interval_s:.6g}",
        *_latencies(counts.intended, percentiles),
        *_latencies(counts.actual, percentiles),
        *(counts.outcomes[outcome] for outcome in FAILED),
    ]


def _latencies(histogram: Histogram, percentiles: Sequence[float]) -> list[str]:
    values = [*(histogram.quantile(percentile / 100) for percentile in percentiles), histogram.avg_s, histogram.max_s]
    return ["" if value_s is None else f"{value_s * 1000:.3f}" for value_s in values]
