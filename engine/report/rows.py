"""A result as rows of plain text, one per operation: for a terminal, and for the report's tables."""

from collections.abc import Mapping

from engine.errors import Outcome
from engine.measure.counts import Counts
from engine.measure.histogram import Histogram
from engine.measure.operation import PARTS, Operation, Phase
from engine.report.results import RunResult
from engine.report.units import count, ms, three_digits

SUMMARY_HEADINGS = (
    "operation",
    "due",
    "ok",
    "failed",
    "late",
    "lost",
    "timeout",
    "dropped",
    "rate/s",
    "p50 ms",
    "p95 ms",
    "p99 ms",
)
"""The columns of `summary_rows`. timeout is part of failed, shown as its starts are in no percentile."""


def summary_rows(result: RunResult) -> list[tuple[str, ...]]:
    """One row per operation under SUMMARY_HEADINGS; latencies are the intended ones.

    What occurred only in prepare says so.
    """
    rows = []
    for operation in result.total.operations():
        name = f"{operation} (prepare)" if Phase.PREPARE in result.phases(operation) else operation
        rows.append((name, *columns(result.counts(operation), result.spent_s(operation))))
    return rows


def part_rows(result: RunResult, operation: Operation) -> list[tuple[str, ...]]:
    """One row per part of an operation, in order: its name, count, quantiles and maximum."""
    parts = result.counts(operation).parts
    return [
        (f"{operation}.{part}", count(found.count), *quantiles(found), ms(found.max_s))
        for part, found in in_order(operation, parts)
    ]


def columns(counts: Counts, spent_s: float) -> tuple[str, ...]:
    """What stands under SUMMARY_HEADINGS after the operation."""
    numbers = (counts.due, counts.ok, counts.failed, counts.late, counts.lost, counts.outcomes[Outcome.TIMEOUT])
    rate = three_digits(counts.rate(spent_s))
    return (*map(count, numbers), count(counts.dropped), rate, *quantiles(counts.intended))


def quantiles(found: Histogram) -> tuple[str, str, str]:
    """The 50th, 95th and 99th percentile in milliseconds."""
    return ms(found.quantile(0.5)), ms(found.quantile(0.95)), ms(found.quantile(0.99))


def in_order(operation: Operation, parts: Mapping[str, Histogram]) -> list[tuple[str, Histogram]]:
    """The parts of an operation in the order in which it goes through them, unknown ones last."""
    known = PARTS.get(operation, ())
    return sorted(parts.items(), key=lambda item: (known.index(item[0]) if item[0] in known else len(known), item[0]))
