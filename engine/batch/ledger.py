"""What a batch has measured so far: whole iterations in a timeline, and what is still open.

The timeline is kept in pieces of a few windows each, because encoding all of a long run takes a second, and a
checkpoint is wanted every few: a piece is encoded again only when something was added to it since. A piece to which
nothing was added for QUIET checkpoints is kept encoded only, a tenth of the size, so that memory does not grow with
the length of a run as fast as its windows do. What comes for it all the same makes a new piece of the same place.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from engine.device.log import Log, Open
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally
from engine.measure.timeline import Timeline

PIECE_WINDOWS = 6
QUIET = 6


class Ledger:
    """Samples by window, for the results and the live view.

    The windows count from the load's start, which is not known while devices prepare: until `begin` says so, logs
    wait, and then all times are moved.
    """

    def __init__(self, timeline: Timeline, failure_samples: int) -> None:
        """timeline is what was measured before, and is not changed."""
        self._before, self._encoded_before = timeline, timeline.encode()
        self._past = timeline.total()
        self._iterations = self._past.select(Operation.ITERATION).due
        self._pieces: dict[int, Timeline] = {}
        self._sums: dict[int, Tally] = {}
        self._encoded: dict[int, bytes] = {}
        self._quiet: Counter[int] = Counter()
        self._archive: list[bytes] = []
        self._samples = failure_samples
        self._origin: float | None = None
        self._waiting: list[Log] = []
        self._early = Tally(failure_samples)
        self.listener: Callable[[Log], None] = _ignore

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
        for part in (self._past, self._early, *self._sums.values()):
            whole.merge(part)
        return whole

    def commit(self, log: Log) -> None:
        """Count a whole iteration, and tell whoever listens."""
        self._iterations += sum(series.operation is Operation.ITERATION for series, _ in (*log.started, *log.dropped))
        self.listener(log)
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
        """All that was measured."""
        whole = Timeline(self._before.interval_s, self._samples)
        for piece in (self._before, *map(Timeline.decode, self._archive), *self._pieces.values()):
            whole.merge(piece)
        return whole

    def encoded(self) -> list[bytes]:
        """The same in encoded pieces, to be merged."""
        for index, piece in list(self._pieces.items()):
            if index not in self._encoded:
                self._encoded[index] = piece.encode()
                self._quiet[index] = 0
            self._quiet[index] += 1
            if self._quiet[index] > QUIET:
                self._archive.append(self._encoded.pop(index))
                self._past.merge(piece.total())
                self._sums.pop(index, None)
                del self._pieces[index], self._quiet[index]
        return [self._encoded_before, *self._archive, *self._encoded.values()]

    def _place(self, log: Log, origin: float) -> None:
        """Into the windows of their time."""
        for series, at in log.started:
            self._piece(at - origin).begin(series, at - origin)
        for series, at in log.dropped:
            self._piece(at - origin).due(series, at - origin)
        for sample in log.samples:
            self._piece(sample.ended - origin).settle(sample, origin)
        for series, at in log.retries:
            self._piece(at - origin).retry(series, at - origin)
        for series, at in log.unmatched:
            self._piece(at - origin).unmatched(series, at - origin)
        for series, since, until in log.overdue:
            self._piece(since - origin).overdue(series, since - origin)
            self._piece(until - origin).overdue(series, until - origin, -1)

    def _piece(self, at: float) -> Timeline:
        """The piece for what happened then, about to be changed."""
        index = math.floor(at / (PIECE_WINDOWS * self._before.interval_s))
        piece = self._pieces.get(index)
        if piece is None:
            piece = self._pieces[index] = Timeline(self._before.interval_s, self._samples)
        self._encoded.pop(index, None)
        self._sums.pop(index, None)
        return piece

    def iterations_due(self) -> int:
        """How many iterations were counted as due: what the roster handed out, if all is well."""
        return self._iterations


def dropped(series: Sequence[Series], due: float, *, now: float, reason: str) -> Log:
    """The log of a start that is lost: it counts for every one of the series."""
    return Log(
        dropped=[(one, due) for one in series],
        samples=[Sample(one, due, None, now, Outcome.DROPPED, reason) for one in series],
    )


def _ignore(_log: Log) -> None:
    """Nobody listens."""


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
