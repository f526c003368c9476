"""Tallies per window of time.

Theory of operation. Window i covers the run time [i * interval_s, (i + 1) * interval_s); prepare lies in windows
below 0. A start counts as due when it was due, as started when it began, and as ended when it ended, each in the
window of that moment. A window alone therefore need not balance: what is in flight, or overdue, at its end is what
the windows before it left, plus what this one added. Over all windows the sums agree again.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from engine.measure.counts import Counts
from engine.measure.encoding import NotATally, decode, encode, whole
from engine.measure.failures import SAMPLES
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally

_WINDOWS = 1_000_000
"""Far more windows to either side of the start than any run has, so that a damaged index is refused."""


@dataclass(frozen=True, slots=True)
class Row:
    """One series in one window; in_flight and overdue are what the window leaves to the next."""

    window: int
    series: Series
    counts: Counts
    in_flight: int
    overdue: int


class Timeline:
    """Tallies of windows of `interval_s` seconds each."""

    __slots__ = ("_windows", "interval_s", "samples_kept")

    def __init__(self, interval_s: float, samples_kept: int = SAMPLES) -> None:
        self.interval_s = float(interval_s)
        self.samples_kept = samples_kept
        self._windows: dict[int, Tally] = {}

    @property
    def windows(self) -> Mapping[int, Tally]:
        """What was counted, per window; a window in which nothing was has no entry."""
        return self._windows

    def due(self, series: Series, at: float, n: int = 1) -> None:
        """Count `n` starts due at run time `at`, whether they then start or are dropped."""
        self._at(at).due(series, n)

    def start(self, series: Series, at: float) -> None:
        """Count a due start that began at run time `at`."""
        self._at(at).start(series)

    def settle(self, sample: Sample, origin: float = 0.0) -> None:
        """Count how a start ended, or that it was dropped, in the window of its end.

        origin is run time 0 in the sample's time.
        """
        self._at(sample.ended - origin).settle(sample, origin)

    def begin(self, series: Series, at: float) -> None:
        """Count a start that became due and began at run time `at`: both of the above."""
        self._at(at).begin(series)

    def overdue(self, series: Series, at: float, n: int = 1) -> None:
        """Count one more start past its deadline; with -1, that one of these settled at run time `at`."""
        self._at(at).overdue(series, n)

    def retry(self, series: Series, at: float) -> None:
        """Count another attempt; it is due and starts like any other besides."""
        self._at(at).retry(series)

    def unmatched(self, series: Series, at: float) -> None:
        """Count an answer that no open request was waiting for."""
        self._at(at).unmatched(series)

    def total(self) -> Tally:
        """Everything that was counted, without the windows."""
        total = Tally(self.samples_kept)
        for tally in self._windows.values():
            total.merge(tally)
        return total

    def merge(self, other: Self) -> None:
        """Add everything `other` counted, window by window; of two limits on samples the smaller holds.

        Raises ValueError for windows of another length.
        """
        if other.interval_s != self.interval_s:
            raise ValueError(f"windows of {other.interval_s:g} s do not merge into windows of {self.interval_s:g} s")
        self.samples_kept = min(self.samples_kept, other.samples_kept)
        for tally in self._windows.values():
            tally.merge(Tally(self.samples_kept))
        for index, tally in other._windows.items():
            self._window(index).merge(tally)

    def fold(self, first: int, last: int) -> None:
        """Make one window, first, of the windows first … last - 1."""
        for index in sorted(index for index in self._windows if first < index < last):
            self._window(first).merge(self._windows.pop(index))

    def split(self, every: int) -> "dict[int, Timeline]":
        """The same in timelines of so many windows each; the nth covers the windows from n * every on."""
        pieces: dict[int, Timeline] = {}
        for index, tally in self._windows.items():
            place = index // every
            if place not in pieces:
                pieces[place] = Timeline(self.interval_s, self.samples_kept)
            pieces[place].add(index, tally)
        return pieces

    def until(self, last: int) -> "Timeline":
        """The windows up to last - 1, which is there even when it counted nothing."""
        cut = Timeline(self.interval_s, self.samples_kept)
        cut.add(last - 1, Tally(self.samples_kept))
        for index, tally in self._windows.items():
            if index < last:
                cut.add(index, tally)
        return cut

    def add(self, index: int, tally: Tally) -> None:
        """Add everything a tally counted to a window."""
        self._window(index).merge(tally)

    def rows(self) -> Iterator[Row]:
        """Every series of every window in which it counted something or has starts in flight.

        Ordered by window, then series.
        """
        in_flight: dict[Series, int] = {}
        overdue: dict[Series, int] = {}
        for index in range(min(self._windows, default=0), max(self._windows, default=-1) + 1):
            tally = self._windows.get(index)
            counted = tally.series if tally is not None else {}
            for series in sorted(counted.keys() | {series for series, count in in_flight.items() if count}):
                counts = counted.get(series, Counts(self.samples_kept))
                in_flight[series] = in_flight.get(series, 0) + counts.in_flight
                overdue[series] = overdue.get(series, 0) + counts.overdue
                yield Row(index, series, counts, in_flight[series], overdue[series])

    def encode(self) -> bytes:
        """All of it as compressed canonical JSON: equal timelines give equal bytes."""
        return encode(self.pack())

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The timeline that was encoded. Raises NotATally for anything else."""
        return decode(encoded, cls.unpack)

    def pack(self) -> dict[str, Any]:
        """All of it as a JSON value, without windows that counted nothing."""
        packed = ([index, tally.pack()] for index, tally in sorted(self._windows.items()))
        windows = [window for window in packed if window[-1]]
        return {"interval": self.interval_s, "samples": self.samples_kept, "windows": windows}

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """What `pack` was called on. Raises NotATally, or what `decode` turns into it, for anything else."""
        interval_s = packed["interval"]
        if type(interval_s) is not float or not 0 < interval_s < math.inf:
            raise NotATally("windows without a length")
        timeline = cls(interval_s, whole(packed["samples"], least=0))
        for index, tally in packed["windows"]:
            if abs(whole(index, least=-_WINDOWS)) > _WINDOWS:
                raise NotATally("a window outside of any run")
            timeline._windows[index] = Tally.unpack(tally, timeline.samples_kept)
        return timeline

    def _at(self, at: float) -> Tally:
        return self._window(math.floor(at / self.interval_s))

    def _window(self, index: int) -> Tally:
        tally = self._windows.get(index)
        if tally is None:
            tally = self._windows[index] = Tally(self.samples_kept)
        return tally
