"""How each batch did over time, in so few numbers that a page can show them all.

Theory of operation. Batches come one after the other, each with its timeline, and only what is shown of them is kept:
of the main operation, in at most COLUMNS columns, how many starts ended, how many of these failed, were late or lost,
and the intended latencies of the others. A column is a power of two of windows; when a batch comes that the columns do
not reach, neighbours are merged, exactly, until they do. Of more than ROWS batches those are kept that had the most
failures, and among equals those with the highest p95: where nothing failed, the slowest.
"""

from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from engine.measure.counts import Counts
from engine.measure.evaluation import judged_phases
from engine.measure.histogram import Histogram
from engine.measure.operation import Operation
from engine.measure.tally import Tally
from engine.measure.timeline import Timeline

ROWS: Final = 200
COLUMNS: Final = 60


@dataclass(slots=True)
class Cell:
    """A column of one batch."""

    ended: int = 0
    failed: int = 0
    intended: Histogram = field(default_factory=Histogram)

    def take(self, counts: Counts) -> None:
        """Add what was counted."""
        self.ended += counts.ended
        self.failed += _bad(counts)
        self.intended.merge(counts.intended)

    def merge(self, other: Self) -> None:
        """Add what the other cell holds."""
        self.ended += other.ended
        self.failed += other.failed
        self.intended.merge(other.intended)


@dataclass(frozen=True, slots=True)
class Row:
    """One batch: its cells by column, none where nothing ended. place orders batches as the plan does."""

    failed: int
    p95_s: float
    place: int
    name: str
    cells: Mapping[int, Cell]

    @property
    def rank(self) -> tuple[int, float, int]:
        """Greater is worse; of equals the earlier batch is worse, so that it is kept."""
        return self.failed, self.p95_s, -self.place

    def doubled(self) -> "Row":
        """The same in columns of twice the width."""
        cells: dict[int, Cell] = {}
        for column, cell in self.cells.items():
            cells.setdefault(column // 2, Cell()).merge(cell)
        return Row(self.failed, self.p95_s, self.place, self.name, cells)


class Heat:
    """The batches of a run with the most to look at; width is how many windows a column has."""

    __slots__ = ("_ends", "_rows", "interval_s", "main", "seen", "width")

    def __init__(self, main: Operation, interval_s: float) -> None:
        self.main = main
        self.interval_s = interval_s
        self.width = 1
        self.seen = 0
        self._rows: list[Row] = []
        self._ends: list[int] = []

    @property
    def rows(self) -> list[Row]:
        """The batches that are kept, in the order in which they came."""
        return sorted(self._rows, key=lambda row: row.place)

    def add(self, name: str, timeline: Timeline, total: Tally) -> None:
        """Take in a batch; total is its timeline without the windows."""
        place, self.seen = self.seen, self.seen + 1
        phases = judged_phases(total.series, self.main)
        counts = total.select(self.main, phases)
        row = Row(_bad(counts), counts.intended.quantile(0.95) or 0.0, place, name, {})
        if len(self._rows) == ROWS and row.rank < self._rows[0].rank:
            return
        cells: dict[int, Cell] = {}
        for index, tally in timeline.windows.items():
            for series, found in tally.series.items():
                if series.operation is self.main and series.phase in phases:
                    cells.setdefault(index // self.width, Cell()).take(found)
        shown = {column: cell for column, cell in cells.items() if cell.ended}
        insort(self._rows, Row(row.failed, row.p95_s, place, name, shown), key=lambda one: one.rank)
        if len(self._rows) > ROWS:
            del self._rows[0]
        ends = [*self._ends, *shown]
        self._ends = [min(ends), max(ends)] if ends else []
        while self._ends and self._ends[1] - self._ends[0] >= COLUMNS:
            self.width *= 2
            self._ends = [end // 2 for end in self._ends]
            self._rows = [one.doubled() for one in self._rows]

    def figures(self) -> dict[str, Any]:
        """As a JSON value: where each column begins, in seconds, and per batch one value a column, None where nothing
        ended; p95 is in milliseconds, and None where nothing was answered either. leftOut are batches not shown."""
        columns = self._columns()
        return {
            "columnsS": [round(column * self.width * self.interval_s, 3) for column in columns],
            "columnS": round(self.width * self.interval_s, 3),
            "leftOut": self.seen - len(self._rows),
            "batches": [
                {
                    "name": row.name,
                    "p95": _values(row, columns, _p95_ms),
                    "failed": _values(row, columns, lambda cell: cell.failed),
                    "ended": _values(row, columns, lambda cell: cell.ended),
                }
                for row in self.rows
            ],
        }

    def _columns(self) -> range:
        """The columns from the first in which anything ended to the last."""
        ends = [column for row in self._rows for column in row.cells]
        return range(min(ends), max(ends) + 1) if ends else range(0)


def _values(row: Row, columns: range, value: Callable[[Cell], float | None]) -> list[float | None]:
    return [value(row.cells[column]) if column in row.cells else None for column in columns]


def _p95_ms(cell: Cell) -> float | None:
    found = cell.intended.quantile(0.95)
    return None if found is None else round(found * 1000, 3)


def _bad(counts: Counts) -> int:
    return counts.failed + counts.late + counts.lost
