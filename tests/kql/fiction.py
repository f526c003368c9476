"""Runs that never were, told as real ones are: of their telemetry every answer is known."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from kql.envelopes import envelope

from engine.batch import telling
from engine.batch.telling import Source
from engine.errors import Outcome
from engine.measure.counts import Counts
from engine.measure.health import Health
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, series_of
from engine.measure.signal import Event, EventName, Signal
from engine.measure.slice import Slice
from engine.run import bulletin
from engine.run.state import RunState

SCENARIO: Final = "cert-renewal"
INTERVAL_S: Final = 10.0
PHASES: Final = (Phase.PREPARE, Phase.RAMP, Phase.STEADY, Phase.STEADY, Phase.STEADY, Phase.DRAIN)
"""Of each interval."""

HUBS: Final = ("hub-1", "hub-2")
BATCHES: Final = ("0", "1")
DEVICES: Final = 40

LOAD: Final = {
    Operation.ITERATION: 700.0,
    Operation.HUB_CONNECT: 40.0,
    Operation.CERT_REQUEST: 4.0,
    Operation.CERT_ACCEPTED: 6.0,
    Operation.CERT_ISSUED: 160.0,
    Operation.CERT_VERIFIED: 500.0,
}
"""What is measured under load, and about how many milliseconds it takes."""

_ENDINGS: Final = {
    Outcome.OK: 88,
    Outcome.LATE: 3,
    Outcome.THROTTLED: 4,
    Outcome.SERVER: 1,
    Outcome.LOST: 1,
    Outcome.DROPPED: 2,
    Outcome.CANCELLED: 1,
}
_CODES: Final = {
    Outcome.THROTTLED: ("429002", "429001"),
    Outcome.SERVER: ("500001",),
    Outcome.DROPPED: ("busy",),
}
_DETAILS: Final = ("slow down", "slow down", "quota of the hub")

LAGS_S: Final = {1: 0.4, 3: 0.3}
"""Of the intervals, one of the ramp and one that is steady, in which the generator lagged too much."""


@dataclass(frozen=True, slots=True)
class Told:
    """A run as it was measured, and as it was told: samples by batch, signals with the worker that told each."""

    run_id: str
    samples: dict[str, list[Sample]]
    signals: list[tuple[Signal, str]]

    def envelopes(self) -> list[dict[str, Any]]:
        """All of it, as Application Insights takes it."""
        return [envelope(signal, worker) for signal, worker in self.signals]

    def counts(self, operation: str, *, is_load: bool = True, hub: str = "") -> Counts:
        """What the results say of an operation."""
        counts = Counts()
        for sample in itertools.chain.from_iterable(self.samples.values()):
            series = sample.series
            if (
                series.operation == operation
                and (series.phase is not Phase.PREPARE) == is_load
                and hub in ("", series.hub)
            ):
                counts.settle(sample)
        return counts


def tell(run_id: str, began: float, *, seed: int = 1, slowness: float = 1.0) -> Told:
    """A whole run, from its start to its verdict; began is unix seconds."""
    draw = random.Random(seed)
    told = Told(run_id, {}, [])
    told.signals.append((_started(run_id, began), "app/1"))
    for batch in BATCHES:
        worker = f"worker/{batch}"
        samples = told.samples[batch] = []
        ids = (f"{run_id}/{batch}/1/{number}" for number in itertools.count())
        source = Source(run_id, SCENARIO, batch)
        told.signals.append((_batch(source, "started", began, next(ids)), worker))
        for number, phase in enumerate(PHASES):
            ended = [_sample(draw, kind, phase, hub, slowness) for kind, hub in _done_in(phase)]
            samples += ended
            at = began + (number + 1) * INTERVAL_S
            told.signals.extend((signal, worker) for signal in _interval(source, ended, phase, at, number, ids))
        told.signals.append((_batch(source, "finished", began + 61.0, next(ids)), worker))
    told.signals.append((_finished(told, began + 65.0), "app/1"))
    return told


def _done_in(phase: Phase) -> Iterator[tuple[Operation, str]]:
    """The operations that end in an interval."""
    if phase is Phase.PREPARE:
        yield from [(Operation.DPS_REGISTER, "")] * 20
    else:
        yield from itertools.product(LOAD, HUBS * 12)


def _sample(draw: random.Random, operation: Operation, phase: Phase, hub: str, slowness: float) -> Sample:
    outcome = draw.choices([*_ENDINGS], weights=[*_ENDINGS.values()])[0]
    took_s = draw.lognormvariate(0.0, 0.4) * LOAD.get(operation, 1200.0) / 1000 * slowness
    if outcome is Outcome.LATE:
        took_s += 5.0
    detail = draw.choice(_DETAILS) if outcome is Outcome.THROTTLED else ""
    code = draw.choice(_CODES.get(outcome, ("",)))
    began = None if outcome is Outcome.DROPPED else 0.002
    series = series_of(operation, phase, "" if operation is Operation.ITERATION else hub)
    return Sample(series, 0.0, began, took_s + 0.002, outcome, code, detail)


def _interval(
    source: Source, ended: list[Sample], phase: Phase, at: float, number: int, ids: Iterator[str]
) -> Iterator[Signal]:
    found = Slice()
    for sample in ended:
        found.settle(sample)
    health = Health(number, phase, LAGS_S.get(number, 0.01), 0.5, 100, 1000, 0.02)
    yield from telling.interval_events(found, source, at, interval_s=INTERVAL_S, ids=ids)
    yield from telling.error_events(found, source, at, ids=ids)
    yield from telling.metrics(found, source, at)
    yield from telling.levels(source, at, in_flight=number, devices={"connected": 15, "renewing": 5})
    yield telling.health_event(source, at, health, id=next(ids))


def _batch(source: Source, status: str, at: float, id: str) -> Event:  # noqa: A002 - the property's name
    said = {**source.common, "batch": source.batch, "status": status, "id": id}
    return Event(EventName.BATCH, at, said, {"devices": DEVICES / len(BATCHES)})


def state(run_id: str, **facts: Any) -> RunState:
    """A run's state, as far as it is told."""
    return replace(RunState(run_id, "nightly", 0.0, "digest", scenario=SCENARIO, target="local"), **facts)


def _started(run_id: str, began: float) -> Event:
    return bulletin.run_started(state(run_id), devices=DEVICES, batches=len(BATCHES), at=began)


def _finished(told: Told, at: float) -> Event:
    """As `bulletin.run_finished` says it of a whole result."""
    given_up = bulletin.run_given_up(
        state(told.run_id, verdict="failed", reasons=("cert.issued fail_rate<0.01",)), 99, at=at
    )
    figures = telling.figures_of(told.counts(Operation.CERT_ISSUED), devices=DEVICES, duration_s=50.0)
    properties = {**given_up.properties, "mainOperation": str(Operation.CERT_ISSUED)}
    return replace(given_up, properties=properties, figures={**figures, "batches": len(BATCHES)})
