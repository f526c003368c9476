"""A result as series over time: what the report's page and the live page draw, and GET /intervals?format=json.

Every list under `operations` and `health` has one value per column of `t`. A column is a window of the timeline, or as
many neighbours merged as it takes to stay within COLUMNS; borders lie at multiples of a column, run time 0 is one.
Counts are what happened in the column, inFlight is what it leaves to the next, ratePerSecond is what ended by itself.
Percentiles are read off histograms merged over phases, hubs and windows; latencies are milliseconds, None where nothing
was answered. Unlike in summary.json, prepare is in them too: its columns lie before 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import Outcome
from engine.measure.counts import FAILED, Counts
from engine.measure.health import Health, worst
from engine.measure.histogram import Histogram
from engine.measure.operation import Operation, Phase
from engine.measure.timeline import Timeline
from engine.report.figures import latency, percentile_name, rounded
from engine.report.results import RunResult
from engine.report.rows import in_order

COLUMNS: Final = 600
"""How many columns there are at most: more than a screen has places for."""

_PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_OF_A_PART: Final = (50.0, 95.0, 99.0)
_COUNTS: Final = ("due", "ok", "failed", "late", "lost", "dropped")


def charts(result: RunResult) -> dict[str, Any]:
    """The result's series as a JSON value without NaN or Infinity."""
    facts, total = result.facts, result.total
    grid = grid_of(result)
    interval_s = result.timeline.interval_s * grid.width
    return {
        "runId": facts.run_id,
        "name": facts.name,
        "scenario": facts.scenario,
        "state": facts.state,
        "partial": facts.is_partial,
        "verdict": result.judgement.verdict,
        "mainOperation": facts.main,
        "intervalS": interval_s,
        "t": [_seconds(column * interval_s) for column in grid.columns],
        "phases": list(_phases(result)),
        "operations": {
            operation: _operation(columns, grid.columns, interval_s)
            for operation, columns in _by_operation(result.timeline, grid.width).items()
        },
        "parts": {operation: parts for operation in total.operations() if (parts := _parts(result, operation))},
        "health": _health([record for batch in facts.batches for record in batch.health], grid),
        "heat": (
            {"columnsS": [], "columnS": 0, "leftOut": 0, "batches": []} if facts.heat is None else facts.heat.figures()
        ),
        "hubs": _hubs(result),
    }


@dataclass(frozen=True, slots=True)
class Grid:
    """width windows make a column; columns counts them like windows, 0 beginning at run time 0."""

    width: int
    columns: range


def grid_of(result: RunResult) -> Grid:
    """The fewest windows a column can have so that all of what was measured fits into COLUMNS."""
    seen = [*result.timeline.windows, *(record.window for batch in result.facts.batches for record in batch.health)]
    if not seen:
        return Grid(1, range(0))
    first, last, width = min(seen), max(seen), 1
    while last // width - first // width >= COLUMNS:
        width += 1
    return Grid(width, range(first // width, last // width + 1))


@dataclass(slots=True)
class _Column:
    """What is drawn of one operation in one column; no more of it is merged, as there may be many windows."""

    due: int = 0
    started: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    intended: Histogram = field(default_factory=Histogram)
    actual: Histogram = field(default_factory=Histogram)

    def take(self, counts: Counts) -> None:
        self.due += counts.due
        self.started += counts.started
        for outcome, many in counts.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + many
        self.intended.merge(counts.intended)
        self.actual.merge(counts.actual)

    def count(self, outcomes: Iterable[Outcome]) -> int:
        return sum(self.outcomes.get(outcome, 0) for outcome in outcomes)

    @property
    def ended(self) -> int:
        return sum(self.outcomes.values()) - self.count((Outcome.DROPPED, Outcome.CANCELLED))

    @property
    def in_flight(self) -> int:
        """What the column adds to what is in flight."""
        return self.started - self.ended - self.count((Outcome.CANCELLED,))


_SETTLED: Final[Mapping[str, tuple[Outcome, ...]]] = {
    "ok": (Outcome.OK,),
    "failed": FAILED,
    "late": (Outcome.LATE,),
    "lost": (Outcome.LOST,),
    "dropped": (Outcome.DROPPED,),
}


def _by_operation(timeline: Timeline, width: int) -> dict[Operation, dict[int, _Column]]:
    """What each operation counted per column, in the order of the closed list."""
    found: dict[Operation, dict[int, _Column]] = {}
    for index, tally in timeline.windows.items():
        for series, counts in tally.series.items():
            columns = found.setdefault(series.operation, {})
            columns.setdefault(index // width, _Column()).take(counts)
    return {operation: found[operation] for operation in Operation if operation in found}


def _operation(found: Mapping[int, _Column], span: range, interval_s: float) -> dict[str, Any]:
    nothing = _Column()
    columns = [found.get(index, nothing) for index in span]
    seen = {outcome for column in columns for outcome in column.outcomes}
    return {
        "due": [column.due for column in columns],
        **{name: [column.count(outcomes) for column in columns] for name, outcomes in _SETTLED.items()},
        "inFlight": list(_running(column.in_flight for column in columns)),
        "ratePerSecond": [rounded(column.ended / interval_s, 6) for column in columns],
        "intended": _latencies([column.intended for column in columns]),
        "actual": _latencies([column.actual for column in columns]),
        "outcomes": {
            outcome: [column.outcomes.get(outcome, 0) for column in columns] for outcome in Outcome if outcome in seen
        },
    }


def _running(steps: Iterable[int]) -> Iterator[int]:
    level = 0
    for step in steps:
        level += step
        yield level


def _latencies(histograms: Sequence[Histogram]) -> dict[str, list[float | None]]:
    of = {name: [_ms(histogram.quantile(q)) for histogram in histograms] for name, q in _PERCENTILES.items()}
    return {**of, "max": [_ms(histogram.max_s) for histogram in histograms]}


def _phases(result: RunResult) -> Iterator[dict[str, Any]]:
    """Where each phase lies: they follow each other, prepare ending where the load begins. Of a run in waves, where
    one prepares while another is over, each reaches from the first window with a start of its own to the last."""
    interval_s, spent_s = result.timeline.interval_s, result.facts.durations_s
    due: dict[Phase, list[int]] = {}
    for index, tally in result.timeline.windows.items():
        for phase in {series.phase for series, counts in tally.series.items() if counts.due}:
            due.setdefault(phase, []).append(index)
    in_waves = max(due.get(Phase.PREPARE, ()), default=-1) >= 0
    at_s = -spent_s.get(Phase.PREPARE, 0.0)
    for phase in Phase:
        from_s, to_s = at_s, at_s + spent_s.get(phase, 0.0)
        at_s = to_s
        if in_waves and phase in due:
            from_s, to_s = min(due[phase]) * interval_s, (max(due[phase]) + 1) * interval_s
        if to_s > from_s:
            yield {"phase": phase, "fromS": _seconds(from_s), "toS": _seconds(to_s)}


def _parts(result: RunResult, operation: Operation) -> dict[str, Any]:
    """An operation's parts over its phases, in order."""
    names = [*map(percentile_name, _OF_A_PART), "max", "count"]
    found = in_order(operation, result.counts(operation).parts)
    figures = {part: latency(histogram, _OF_A_PART) for part, histogram in found}
    return {part: {name: figure[name] for name in names} for part, figure in figures.items()}


_HEALTH: Final = ("lagP99Ms", "cpuShare", "descriptorShare", "latenessP99Ms")


def _health(records: Iterable[Health], grid: Grid) -> dict[str, list[float | None]]:
    """The worst of all batches per column, None where none told anything."""
    columns: dict[int, list[Health]] = {}
    for record in records:
        columns.setdefault(record.window // grid.width, []).append(record)
    figures = {index: worst(found).figures() for index, found in columns.items()}
    return {name: [figures[index][name] if index in figures else None for index in grid.columns] for name in _HEALTH}


def _hubs(result: RunResult) -> dict[str, Any]:
    """Each hub's numbers per operation, over the operation's phases as in summary.json."""
    found: dict[str, dict[str, Any]] = {}
    for operation in result.total.operations():
        phases, spent_s = result.phases(operation), result.spent_s(operation)
        seen = (s for s in result.total.series if s.operation is operation and s.phase in phases)
        for hub in sorted({series.hub for series in seen} - {""}):
            counts = result.counts(operation, hub)
            found.setdefault(hub, {})[operation] = {
                **{name: getattr(counts, name) for name in _COUNTS},
                "ratePerSecond": rounded(counts.rate(spent_s), 6),
                "intended": latency(counts.intended, _OF_A_PART),
            }
    return dict(sorted(found.items()))


def _ms(value_s: float | None) -> float | None:
    return None if value_s is None else round(value_s * 1000, 3)


def _seconds(at_s: float) -> float:
    return round(at_s, 3)
