"""Samples folded, one `Counts` per series; tallies of batches and windows merge exactly.

Everything in a tally is integers, keys, and the N smallest of an ordered list. Merging is therefore commutative and
associative, has the empty tally as its identity, and any grouping encodes to the same bytes (with one zlib).
A start keeps one series from due to end: `conservation` holds per operation and phase only then.
"""

from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any, Self

from engine.measure.counts import Counts
from engine.measure.encoding import decode, encode, text, whole
from engine.measure.failures import SAMPLES
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series


class Tally:
    """Counts per series; each failure keeps its `samples_kept` earliest samples."""

    __slots__ = ("_series", "samples_kept")

    def __init__(self, samples_kept: int = SAMPLES) -> None:
        self.samples_kept = samples_kept
        self._series: dict[Series, Counts] = {}

    @property
    def series(self) -> Mapping[Series, Counts]:
        """What was counted, per series."""
        return self._series

    def due(self, series: Series, n: int = 1) -> None:
        """Count `n` starts that became due, whether they then start or are dropped."""
        self._counts(series).due += n

    def start(self, series: Series) -> None:
        """Count a due start that began."""
        self._counts(series).started += 1

    def begin(self, series: Series) -> None:
        """Count a start that became due and began: both of the above."""
        counts = self._counts(series)
        counts.due += 1
        counts.started += 1

    def settle(self, sample: Sample, origin: float = 0.0) -> None:
        """Count how a start ended, or that it was dropped; neither due nor started changes.

        origin is run time 0 in the sample's time.
        """
        self._counts(sample.series).settle(sample, origin)

    def overdue(self, series: Series, n: int = 1) -> None:
        """Count one more start past its deadline; with -1, that one of these has settled."""
        self._counts(series).overdue += n

    def retry(self, series: Series) -> None:
        """Count another attempt; it is due and starts like any other besides."""
        self._counts(series).retries += 1

    def unmatched(self, series: Series) -> None:
        """Count an answer that no open request was waiting for."""
        self._counts(series).unmatched += 1

    def merge(self, other: Self) -> None:
        """Add everything `other` counted; of two limits on samples the smaller holds."""
        self.samples_kept = min(self.samples_kept, other.samples_kept)
        for counts in self._series.values():
            counts.keep(self.samples_kept)
        for series, counts in other._series.items():
            self._counts(series).merge(counts)

    def operations(self) -> tuple[Operation, ...]:
        """The operations that were counted, in the order of the closed list."""
        counted = {series.operation for series in self._series}
        return tuple(operation for operation in Operation if operation in counted)

    def select(
        self, operation: Operation, phases: Collection[Phase] | None = None, *, hub: str | None = None
    ) -> Counts:
        """One operation's counts, merged over `phases` and one hub, or over all of them."""
        selected = Counts(self.samples_kept)
        for series, counts in self._series.items():
            is_asked = (phases is None or series.phase in phases) and (hub is None or series.hub == hub)
            if is_asked and series.operation is operation:
                selected.merge(counts)
        return selected

    def encode(self) -> bytes:
        """All of it as compressed canonical JSON: equal tallies give equal bytes."""
        return encode({"samples": self.samples_kept, "series": self.pack()})

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The tally that was encoded. Raises NotATally for anything else."""
        return decode(encoded, lambda document: cls.unpack(document["series"], whole(document["samples"], least=0)))

    def pack(self) -> list[Any]:
        """The series that counted anything, as a sorted JSON value."""
        packed = (
            [series.operation, series.phase, series.hub, counts.pack()]
            for series, counts in sorted(self._series.items(), key=itemgetter(0))
        )
        return [entry for entry in packed if entry[-1]]

    @classmethod
    def unpack(cls, packed: Any, samples_kept: int) -> Self:
        """What `pack` was called on. Raises NotATally, or what `decode` turns into it, for anything else."""
        tally = cls(samples_kept)
        for operation, phase, hub, counts in packed:
            series = Series(Operation(operation), Phase(phase), text(hub))
            tally._series[series] = Counts.unpack(counts, samples_kept)
        return tally

    def _counts(self, series: Series) -> Counts:
        counts = self._series.get(series)
        if counts is None:
            counts = self._series[series] = Counts(self.samples_kept)
        return counts


def merge(tallies: Iterable[Tally]) -> Tally:
    """One tally holding everything `tallies` counted.

    Order and grouping do not matter. No tallies give the empty tally.
    """
    merged: Tally | None = None
    for tally in tallies:
        if merged is None:
            merged = Tally(tally.samples_kept)
        merged.merge(tally)
    return Tally() if merged is None else merged


def conservation(tally: Tally) -> list[str]:
    """One line per operation and phase whose sums do not agree; none for a finished run that lost nothing.

    Before a run is over its in flight is no mistake: ask this of finished batches and of what is merged from them.
    """
    mismatches = []
    for operation, phase in sorted({(series.operation, series.phase) for series in tally.series}):
        counts = tally.select(operation, {phase})
        if counts.due != counts.started + counts.dropped:
            mismatches.append(
                f"{operation} in {phase}: due {counts.due} is not started {counts.started} + dropped {counts.dropped}"
            )
        if counts.in_flight:
            ended = f"ended {counts.ended} + cancelled {counts.cancelled}"
            mismatches.append(f"{operation} in {phase}: started {counts.started} is not {ended}")
    return mismatches
