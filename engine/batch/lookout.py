"""Keeps at hand what is needed to judge the run while it goes on: a few operations, window by window.

Theory of operation. Whole iterations are added as the ledger counts them; what is under way is added to a copy each
time somebody asks, because a service that hangs shows nowhere else. Of a long run only the windows that may still be
judged one by one are kept so (`measure.stopping.Watch`); those in between become one. The next holder of the batch goes
on from this one's whole iterations, and keeps its own windows apart from them.
"""

import math
from collections.abc import Iterable, Sequence

from engine.batch.placing import place
from engine.device.log import Log, Open
from engine.errors import Outcome
from engine.measure.operation import Phase
from engine.measure.sample import Sample, Series, series_of
from engine.measure.stopping import Watch
from engine.measure.timeline import Timeline

_SLACK = 1e-9


class Lookout:
    """The watched operations' windows; begin before anything else."""

    def __init__(self, watch: Watch, interval_s: float, before: Timeline | None = None) -> None:
        """before is what an earlier holder of the batch had kept, and is not changed."""
        self.since = 0.0
        self._watch, self._origin = watch, 0.0
        self._kept = Timeline(interval_s, 0)
        if before is not None:
            self._kept.merge(before)

    def begin(self, origin: float, now: float) -> None:
        """The run's first load, and from when on this holder measures what another began, in the time of the logs."""
        self._origin, self.since = origin, max(0.0, now - origin)

    def add(self, log: Log) -> None:
        """Count a whole iteration in."""
        place(self._watched(log), self._origin, lambda _: self._kept)

    def encoded(self) -> bytes:
        """The whole iterations, for the next holder."""
        return self._kept.encode()

    def view(self, logs: Iterable[Log], waiting: Sequence[Open], now: float) -> Timeline:
        """All that was counted and all that is under way."""
        interval_s = self._kept.interval_s
        first = math.ceil(max(self._watch.delay_s, self.since) / interval_s - _SLACK)
        self._kept.fold(first, math.floor((now - self._origin - self._watch.reach_s) / interval_s))
        view = Timeline(interval_s, 0)
        view.merge(self._kept)
        for log in logs:
            place(self._watched(log), self._origin, lambda _: view)
        for held in waiting:
            if now > held.deadline and (own := self._own(held.series)):
                view.overdue(own, held.deadline - self._origin)
        return view

    def _watched(self, log: Log) -> Log:
        """What of a log is watched, without what nobody asks of it."""
        return Log(
            started=[(own, at) for series, at in log.started if (own := self._own(series))],
            dropped=[(own, at) for series, at in log.dropped if (own := self._own(series))],
            samples=[self._bare(sample, own) for sample in log.samples if (own := self._own(sample.series))],
            overdue=[(own, since, until) for series, since, until in log.overdue if (own := self._own(series))],
        )

    def _own(self, series: Series) -> Series | None:
        """What it is counted under, whatever the hub; None where it is not watched."""
        is_watched = series.operation in self._watch.operations and series.phase is not Phase.PREPARE
        return series_of(series.operation, series.phase) if is_watched else None

    def _bare(self, sample: Sample, own: Series) -> Sample:
        is_timed = sample.series.operation in self._watch.timed
        code = sample.code if sample.outcome is Outcome.DROPPED else ""
        began, parts = (sample.began, sample.parts) if is_timed else (None, ())
        return Sample(own, sample.due, began, sample.ended, sample.outcome, code, parts=parts)
