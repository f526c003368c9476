"""What a page draws without a script: bars and maps, as shares of their width and as paths of an SVG."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.measure.counts import Counts
from engine.report.results import RunResult
from engine.report.rows import in_order, part_rows
from engine.report.units import count, duration, percent, three_digits

LEVELS: Final = 7
"""How many shades a heat map has."""

_TICKS: Final = 6
_MOST: Final = 0.5
"""From which share of failures on a cell is crossed out."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar: from and width in per cent of the whole."""

    name: str
    many: str
    share: str
    from_percent: str
    width_percent: str


def composition(counts: Counts) -> list[Segment]:
    """How what was due ended, piece by piece; what did not happen is left out."""
    parts = {
        "ok": counts.ok,
        "late": counts.late,
        "failed": counts.failed,
        "lost": counts.lost,
        "dropped": counts.dropped,
        "cancelled": counts.cancelled,
        "in flight": counts.in_flight,
    }
    whole, begun, found = sum(parts.values()), 0, []
    for name, many in parts.items():
        if many > 0:
            share = many / whole
            found.append(Segment(name, count(many), percent(share), _percent(begun / whole), _percent(share)))
            begun += many
    return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an operation: what the table says of it, and how long its p50 and p95 are beside the longest p95."""

    cells: tuple[str, ...]
    p50_percent: str
    p95_percent: str


def stretches(result: RunResult) -> dict[str, list[Stretch]]:
    """The parts of each operation that has any, in order."""
    found = {}
    for operation in result.total.operations():
        parts = [histogram for _, histogram in in_order(operation, result.counts(operation).parts)]
        longest = max((histogram.quantile(0.95) or 0.0 for histogram in parts), default=0.0)
        if longest:
            lengths = [[(histogram.quantile(q) or 0.0) / longest for q in (0.5, 0.95)] for histogram in parts]
            rows = part_rows(result, operation)
            found[operation.value] = [
                Stretch(cells, _percent(p50), _percent(p95)) for cells, (p50, p95) in zip(rows, lengths, strict=True)
            ]
    return found


@dataclass(frozen=True, slots=True)
class Shade:
    """One level of a heat map: the cells that have it, and what it means."""

    level: int
    path: str
    meaning: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A grid of cells one wide and one high. failing and failed are paths over cells in which some, and at least half,
    failed; silent are cells in which nothing was answered. ticks are times with their place in per cent."""

    names: Sequence[str]
    columns: int
    shades: Sequence[Shade]
    silent: str
    failing: str
    failed: str
    ticks: Sequence[tuple[str, str]]
    left_out: int

    @property
    def density(self) -> str:
        """How high a row can be: by how many there are."""
        return "sparse" if len(self.names) <= 24 else "dense" if len(self.names) <= 80 else "packed"


def heat_map(figures: Mapping[str, Any]) -> HeatMap | None:
    """What `Heat.figures` hold, drawn; None of nothing."""
    batches, columns = figures["batches"], figures["columnsS"]
    values = [value for batch in batches for value in batch["p95"] if value is not None]
    if not columns:
        return None
    low, high = min(values, default=1.0), max(values, default=1.0)
    cells: dict[int, list[str]] = {level: [] for level in range(LEVELS + 1)}
    failing: list[str] = []
    failed: list[str] = []
    for y, batch in enumerate(batches):
        for x, (p95, bad, ended) in enumerate(zip(batch["p95"], batch["failed"], batch["ended"], strict=True)):
            if ended is None:
                continue
            cells[0 if p95 is None else level_of(p95, low, high)].append(f"M{x} {y}h1v1h-1z")
            if bad:
                is_most = bad >= _MOST * ended
                (failed if is_most else failing).append(
                    f"M{x}.2 {y}.2l.6 .6M{x}.8 {y}.2l-.6 .6" if is_most else f"M{x}.66 {y}h.34v.34z"
                )
    shades = [
        Shade(level, "".join(cells[level]), f"{three_digits(edge)} ms")
        for level, edge in enumerate(_edges(low, high), start=1)
    ]
    return HeatMap(
        names=[batch["name"] for batch in batches],
        columns=len(columns),
        shades=shades,
        silent="".join(cells[0]),
        failing="".join(failing),
        failed="".join(failed),
        ticks=list(_ticks(columns)),
        left_out=figures["leftOut"],
    )


def level_of(value: float, low: float, high: float) -> int:
    """The shade of a value, 1 … LEVELS: each is the same factor wide."""
    if high <= low:
        return 1
    place = math.log(value / low) / math.log(high / low)
    return min(LEVELS, 1 + math.floor(place * LEVELS))


def _edges(low: float, high: float) -> list[float]:
    """Where each shade ends."""
    return [low * (high / low) ** (level / LEVELS) for level in range(1, LEVELS + 1)] if high > low else [high]


def _ticks(columns_s: Sequence[float]) -> Iterator[tuple[str, str]]:
    step = max(1, math.ceil(len(columns_s) / _TICKS))
    for index in range(0, len(columns_s), step):
        yield at(columns_s[index]), _percent(index / len(columns_s))


def at(seconds: float) -> str:
    """A run time as people read it: -5s, 2m30s."""
    return f"-{duration(-seconds)}" if seconds < 0 else duration(seconds)


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of the knee's curve, in units of the drawing; label is what it is."""

    x: str
    y: str
    is_held: bool
    label: str


@dataclass(frozen=True, slots=True)
class Knee:
    """The curve of a rate search: x grows with the rate, y falls with the value."""

    path: str
    dots: Sequence[Dot]
    highest: str
    lowest: str
    widest: str


def knee_curve(search: Mapping[str, Any] | None, *, width: float = 600, height: float = 180) -> Knee | None:
    """The curve of a search's rates that have a value; None of fewer than two."""
    points = [point for point in (search or {}).get("curve", ()) if point["value"] is not None]
    if len(points) < 2:
        return None
    points.sort(key=lambda point: (point["rate"], point["beginS"]))
    low, high = points[0]["rate"], points[-1]["rate"]
    top = max(point["value"] for point in points) or 1.0
    dots = [
        Dot(
            x=f"{(point['rate'] - low) / ((high - low) or 1.0) * width:.1f}",
            y=f"{height - point['value'] / top * height:.1f}",
            is_held=bool(point["held"]),
            label=f"rate {three_digits(point['rate'])}: {three_digits(point['value'])}, "
            f"{'held' if point['held'] else 'did not hold'}",
        )
        for point in points
    ]
    path = "M" + "L".join(f"{dot.x} {dot.y}" for dot in dots)
    return Knee(path, dots, three_digits(top), three_digits(low), three_digits(high))


def _percent(share: float) -> str:
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"
