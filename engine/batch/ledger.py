"""What a batch has measured so far: whole iterations in a timeline, and what is still open.

The timeline is kept in pieces of a few windows each, because encoding all of a long run takes a second, and a
checkpoint is wanted every few: a piece is encoded again only when something was added to it since. A piece to which
nothing was added for QUIET checkpoints leaves: it is handed out to be kept elsewhere, once and for ever, and forgotten
as soon as it is. So neither memory nor checkpoints grow with the length of a run. What comes for a piece that has left
makes a new one of the same place; merged they are the same.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine.batch.placing import place
from engine.device.log import Log, Open
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally
from engine.measure.timeline import Timeline

PIECE_WINDOWS = 6
QUIET = 6


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A piece that is to be kept elsewhere."""

    timeline: Timeline
    total: Tally
    encoded: bytes


class Ledger:
    """Samples by window, for the results and the live view.

    The windows count from the load's start, which is not known while devices prepare: until `begin` says so, logs
    wait, and then all times are moved. `past` is the total of all that has left.
    """

    def __init__(self, timeline: Timeline, failure_samples: int, past: Tally | None = None) -> None:
        """timeline is what was measured before, past the total of what had left by then; neither is changed."""
        self.past = Tally(failure_samples)
        if past is not None:
            self.past.merge(past)
        self._interval_s, self._samples = timeline.interval_s, failure_samples
        self._nothing = Timeline(self._interval_s, failure_samples).encode()
        self._pieces = timeline.split(PIECE_WINDOWS)
        self._sums: dict[int, Tally] = {}
        self._encoded: dict[int, bytes] = {}
        self._quiet: Counter[int] = Counter()
        self._leaving: dict[int, _Leaving] = {}
        self._left = 0
        self._origin: float | None = None
        self._waiting: list[Log] = []
        self._early = Tally(failure_samples)
        self._iterations = self.total.select(Operation.ITERATION).due
        self.listeners: list[Callable[[Log], None]] = []

    def begin(self, origin: float) -> None:
        """The load's start, in the time of the logs."""
        self._origin = origin
        for log in self._waiting:
            self._place(log, origin)
        self._waiting.clear()
        self._early = Tally(self._samples)

    @property
    def total(self) -> Tally:
        """All that was counted, without the windows; what did not change since the last time is not added up again."""
        whole = Tally(self._samples)
        for index, piece in self._pieces.items():
            if index not in self._sums:
                self._sums[index] = piece.total()
        leaving = (piece.total for piece in self._leaving.values())
        for part in (self.past, self._early, *leaving, *self._sums.values()):
            whole.merge(part)
        return whole

    def commit(self, log: Log) -> None:
        """Count a whole iteration, and tell whoever listens."""
        self._iterations += sum(series.operation is Operation.ITERATION for series, _ in (*log.started, *log.dropped))
        for listener in self.listeners:
            listener(log)
        if self._origin is None:
            self._waiting.append(log)
            _fold(log, self._early)
        else:
            self._place(log, self._origin)

    def record(self, samples: Iterable[Sample]) -> None:
        """Count operations that no session measured."""
        for sample in samples:
            self.commit(Log(started=[(sample.series, sample.due)], samples=[sample]))

    def view(self, logs: Iterable[Log], waiting: Sequence[Open], now: float) -> Tally:
        """All that was counted and all that is under way, for people who watch."""
        view = self.total
        for log in logs:
            _fold(log, view)
        for held in waiting:
            if now > held.deadline:
                view.overdue(held.series)
        return view

    def timeline(self) -> Timeline:
        """All that was measured and is still here; `past` is the rest of it."""
        whole = Timeline(self._interval_s, self._samples)
        for piece in (*(piece.timeline for piece in self._leaving.values()), *self._pieces.values()):
            whole.merge(piece)
        return whole

    def encoded(self) -> list[bytes]:
        """The same in encoded pieces, to be merged; at least one."""
        for index, piece in list(self._pieces.items()):
            if index not in self._encoded:
                self._encoded[index] = piece.encode()
                self._quiet[index] = 0
            self._quiet[index] += 1
            if self._quiet[index] > QUIET:
                self._leaving[self._left] = _Leaving(piece, piece.total(), self._encoded.pop(index))
                self._left += 1
                self._sums.pop(index, None)
                del self._pieces[index], self._quiet[index]
        return [self._nothing, *(piece.encoded for piece in self._leaving.values()), *self._encoded.values()]

    def leaving(self) -> list[tuple[int, bytes]]:
        """The pieces that are to be kept elsewhere, by their number from 0 on, until it is said that they are."""
        return [(number, piece.encoded) for number, piece in self._leaving.items()]

    def forget(self, kept: int) -> None:
        """The first so many pieces are kept elsewhere."""
        for number in [number for number in self._leaving if number < kept]:
            self.past.merge(self._leaving.pop(number).total)

    def iterations_due(self) -> int:
        """How many iterations were counted as due: what the roster handed out, if all is well."""
        return self._iterations

    def _place(self, log: Log, origin: float) -> None:
        """Into the windows of their time."""
        place(log, origin, self._piece)

    def _piece(self, at: float) -> Timeline:
        """The piece for what happened then, about to be changed."""
        index = math.floor(at / self._interval_s) // PIECE_WINDOWS
        piece = self._pieces.get(index)
        if piece is None:
            piece = self._pieces[index] = Timeline(self._interval_s, self._samples)
        self._encoded.pop(index, None)
        self._sums.pop(index, None)
        return piece


def dropped(series: Sequence[Series], due: float, *, now: float, reason: str) -> Log:
    """The log of a start that is lost: it counts for every one of the series."""
    return Log(
        dropped=[(one, due) for one in series],
        samples=[Sample(one, due, None, now, Outcome.DROPPED, reason) for one in series],
    )


def _fold(log: Log, tally: Tally) -> None:
    for series, _ in log.started:
        tally.begin(series)
    for series, _ in log.dropped:
        tally.due(series)
    for sample in log.samples:
        tally.settle(sample)
    for series, _ in log.retries:
        tally.retry(series)
    for series, _ in log.unmatched:
        tally.unmatched(series)
