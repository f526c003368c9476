"""What a report tells in rows, as plain text: Markdown and HTML show the same cells, each escaped in its own way.

Tables that can grow are capped; summary.json has all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import BLAMES, Blame, Outcome
from engine.measure.evaluation import Judged
from engine.measure.failures import Failures
from engine.measure.histogram import NS_PER_S
from engine.measure.operation import DropReason, Operation
from engine.report.beside import compare_counts
from engine.report.results import BatchFacts, RunResult
from engine.report.rows import SUMMARY_HEADINGS, columns, part_rows, quantiles, summary_rows
from engine.report.storm import Storm
from engine.report.units import NOTHING, count, duration, ms, percent, three_digits

MOST_ROWS: Final = 50
"""How many rows a table of failures or batches has at most (product section 9: repetition in reports capped)."""

HELD, FAILED, SKIPPED = "held", "failed", "skipped"
"""What became of a threshold."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain text under headings; left_out is how many rows there are besides."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left_out: int = 0


def main_table(result: RunResult) -> Table:
    """The main operation's latencies, what has none beside them."""
    main = result.facts.main
    counts = result.counts(main)
    rate = three_digits(counts.rate(result.spent_s(main)))
    beside = (count(counts.lost), count(counts.outcomes[Outcome.TIMEOUT]))
    latencies = (("intended: due to end", counts.intended), ("actual: begin to end", counts.actual))
    rows = [(name, count(found.count), rate, *quantiles(found), ms(found.max_s), *beside) for name, found in latencies]
    return Table(("latency in ms", "count", "rate/s", "p50", "p95", "p99", "max", "lost", "timeout"), rows)


def storm_table(storm: Storm) -> Table:
    """When which share of the devices was connected."""
    headings = ("devices connected", *(f"{share} %" for share in storm.connected_s))
    return Table(headings, [("after ms", *(ms(at_s) for at_s in storm.connected_s.values()))])


def operations_table(result: RunResult) -> Table:
    """One row per operation."""
    return Table(SUMMARY_HEADINGS, summary_rows(result))


def parts_table(result: RunResult) -> Table:
    """One row per part of every operation that has any."""
    rows = [row for operation in result.total.operations() for row in part_rows(result, operation)]
    return Table(("part", "count", "p50 ms", "p95 ms", "p99 ms", "max ms"), rows)


@dataclass(frozen=True, slots=True)
class Group:
    """Failures of one operation, outcome and code."""

    operation: Operation
    outcome: Outcome
    code: str
    failures: Failures

    @property
    def row(self) -> tuple[str, ...]:
        """What stands in the table before the samples."""
        failures = self.failures
        seen = (f"{failures.first_ns / NS_PER_S:.1f}", f"{failures.last_ns / NS_PER_S:.1f}")
        blamed = (self.code or NOTHING, BLAMES[self.outcome], count(failures.count))
        return (self.operation, self.outcome, *blamed, *seen)

    @property
    def samples(self) -> list[str]:
        """Some of those that failed: the device, and what it was told."""
        return [f"{device}: {detail}" if detail else device for _, device, detail in self.failures.samples]


def failure_groups(result: RunResult) -> list[Group]:
    """All failures of all phases, the most frequent first."""
    total = result.total
    found = [
        Group(operation, outcome, code, failures)
        for operation in total.operations()
        for (outcome, code), failures in sorted(total.select(operation).failures.items())
    ]
    return sorted(found, key=lambda group: -group.failures.count)


def failures_table(result: RunResult) -> Table:
    """The most frequent failures, each with its samples in the last cell."""
    found = failure_groups(result)
    headings = ("operation", "outcome", "code", "blame", "count", "first s", "last s", "for example")
    rows = [(*group.row, "; ".join(group.samples)) for group in found[:MOST_ROWS]]
    return Table(headings, rows, max(0, len(found) - MOST_ROWS))


def drops_table(result: RunResult) -> Table:
    """Starts that never began, by reason."""
    total = result.total
    rows = [
        (operation, reason, _drop_blame(reason), count(many))
        for operation in total.operations()
        for reason, many in sorted(total.select(operation).drops.items())
    ]
    return Table(("operation", "reason", "blame", "count"), rows)


def thresholds_table(result: RunResult) -> Table:
    """Each threshold with what became of it, in the spec's order."""
    rows = [(str(one.threshold), _over(one), held(one), _found(one.text)) for one in result.judgement.thresholds]
    return Table(("threshold", "over", "result", "found"), rows)


def held(judged: Judged) -> str:
    """What became of a threshold, in a word."""
    if judged.is_skipped:
        return SKIPPED
    return HELD if judged.is_ok else FAILED


def batches_table(result: RunResult) -> Table:
    """The plan's first batches: started and ok are of the main operation, health is the worst interval's."""
    batches = result.facts.batches
    headings = ("batch", "status", "holder", "token", "devices", "started", "ok", "lag p99 ms", "CPU", "descriptors")
    rows = [_batch_row(result, batch) for batch in batches[:MOST_ROWS]]
    return Table(headings, rows, max(0, len(batches) - MOST_ROWS))


def hubs_table(result: RunResult) -> Table:
    """One row per operation and hub; none of a run with fewer than two hubs."""
    total = result.total
    rows: list[tuple[str, ...]] = []
    if len({series.hub for series in total.series if series.hub}) > 1:
        for operation in total.operations():
            phases, spent = result.phases(operation), result.spent_s(operation)
            hubs = {s.hub for s in total.series if s.hub and s.operation is operation and s.phase in phases}
            rows += [(hub, operation, *columns(result.counts(operation, hub), spent)) for hub in sorted(hubs)]
    return Table(("hub", *SUMMARY_HEADINGS), rows)


def emulator_table(result: RunResult) -> Table:
    """What both ends counted; no rows where there was no emulator."""
    rows = [
        (row.what, NOTHING if row.ours is None else count(row.ours), count(row.theirs), row.note)
        for row in compare_counts(result.total, result.facts.emulator or {})
    ]
    return Table(("what", "devices", "emulator", "note"), rows if result.facts.emulator is not None else [])


def _drop_blame(reason: str) -> str:
    return "whoever failed the step" if reason == DropReason.STEP_FAILED else Blame.HARNESS


def _over(judged: Judged) -> str:
    threshold = judged.threshold
    window = "whole run" if threshold.window_s is None else f"every {duration(threshold.window_s)}"
    return f"{window} after {duration(threshold.delay_s)}" if threshold.delay_s else window


def _found(text: str) -> str:
    return text.partition(": ")[2].removeprefix("found ").removeprefix("skipped, ")


def _batch_row(result: RunResult, batch: BatchFacts) -> tuple[str, ...]:
    named = (batch.name, batch.status, batch.holder or NOTHING, str(batch.token), count(batch.devices))
    done = (NOTHING, NOTHING)
    if batch.total is not None:
        counts = batch.total.select(result.facts.main)
        done = (count(counts.started), count(counts.ok))
    fit = result.judgement.fitness.get(batch.name)
    if fit is None:
        return (*named, *done, NOTHING, NOTHING, NOTHING)
    worst = fit.worst
    return (*named, *done, ms(worst.lag_p99_s), percent(worst.cpu_share), percent(worst.descriptor_share))
