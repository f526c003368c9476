"""Tells the outside world what a batch measures: per interval what was counted in it, and when it begins and ends.

Theory of operation. The ledger hands over every whole iteration once, so what is told adds up to what the results say,
of a batch that one holder drove from begin to end. What a holder told that died is not taken back: its last seconds,
which the next holder does again, are in telemetry twice and in the results once.

Telling never keeps the loop waiting; only `end` does, when the load is over, and no longer than it was given.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from engine.batch import telling
from engine.batch.done import Stop
from engine.batch.exemplars import Exemplars
from engine.batch.telling import Source
from engine.device.log import Log
from engine.measure.counts import Counts
from engine.measure.health import Health
from engine.measure.operation import Operation
from engine.measure.signal import Count, Delivery, Event, EventName, Metric, Signal
from engine.measure.slice import Slice
from engine.ports import Telemetry, Traffic

END_WITHIN_S = 10.0
"""How long the end of a batch may wait for what it told."""

CLOSE_WITHIN_S = 5.0
"""How long a batch that was ended from outside may: who ended it waits a few seconds more, then kills."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Who drives the batch, in which attempt of the run, and how many devices it has."""

    holder: str
    token: int
    attempt: int
    devices: int


class Teller:
    """Hears whole iterations; `tell` once it is next_at."""

    def __init__(
        self, telemetry: Telemetry, source: Source, holding: Holding, *, zero_wall: float, interval_s: float
    ) -> None:
        """zero_wall is run time 0 in unix seconds."""
        self.next_at = math.inf
        self._telemetry, self._source, self._holding = telemetry, source, holding
        self._zero_wall, self._interval_s = zero_wall, interval_s
        name = f"{source.run_id}/{source.batch}/{holding.token}"
        self._ids = (f"{name}/{number}" for number in count())
        self._exemplars = Exemplars(name, {**source.common, "batch": source.batch}, zero_wall)
        self._slice = Slice()
        self._told_at = 0.0
        self._records = 0
        self._traffic = Traffic()

    def begin(self, now: float) -> None:
        """The batch begins."""
        self._told_at = now
        self.next_at = now + self._interval_s
        self._telemetry.tell([self._batch("started", now, {}, {"devices": self._holding.devices})])

    def hear(self, log: Log) -> None:
        """Count a whole iteration in."""
        iteration = None
        for sample in log.samples:
            self._slice.settle(sample)
            if sample.series.operation is Operation.ITERATION and sample.began is not None:
                iteration = sample
        for series, _ in log.retries:
            self._slice.retries[series.operation] += 1
        if iteration is not None:
            self._exemplars.consider(log, iteration)

    def tell(
        self, now: float, *, in_flight: int, devices: Mapping[str, int], health: Sequence[Health], traffic: Traffic
    ) -> None:
        """What the interval was like; health is all records so far, traffic all that crossed the wire."""
        found, self._slice = self._slice, Slice()
        self.next_at = now + self._interval_s
        at, of = self._zero_wall + now, self._source
        self._telemetry.tell(
            [
                *telling.interval_events(found, of, at, interval_s=now - self._told_at, ids=self._ids),
                *telling.error_events(found, of, at, ids=self._ids),
                *telling.metrics(found, of, at),
                *telling.levels(of, at, in_flight=in_flight, devices=devices),
                *self._bytes(at, traffic),
                *(telling.health_event(of, at, one, id=next(self._ids)) for one in health[self._records :]),
                *self._exemplars.take(),
            ]
        )
        self._told_at, self._records = now, len(health)

    def end(self, now: float, stop: Stop, counts: Counts, *, duration_s: float) -> Delivery:
        """The batch is over, counts are its main operation's; what became of all that was told."""
        figures = telling.figures_of(counts, devices=self._holding.devices, duration_s=duration_s)
        self._telemetry.tell([self._batch("finished", now, {"stop": stop}, figures)])
        return self._telemetry.close(END_WITHIN_S)

    def close(self) -> None:
        """Let go of it, whatever ended the batch."""
        self._telemetry.close(CLOSE_WITHIN_S)

    def _batch(self, status: str, now: float, facts: Mapping[str, str], figures: Mapping[str, float]) -> Event:
        holding = self._holding
        said = {
            **self._source.common,
            "batch": self._source.batch,
            "status": status,
            "holder": holding.holder,
            "token": str(holding.token),
            "attempt": str(holding.attempt),
            "id": next(self._ids),
            **facts,
        }
        return Event(EventName.BATCH, self._zero_wall + now, said, figures)

    def _bytes(self, at: float, traffic: Traffic) -> Iterator[Signal]:
        before, self._traffic = self._traffic, traffic
        for direction in ("sent", "received"):
            more = getattr(traffic, direction) - getattr(before, direction)
            if more:
                yield Count(Metric.BYTES, at, more, {**self._source.common, "direction": direction})
