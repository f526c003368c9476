"""One measurement."""

from dataclasses import dataclass
from functools import cache

from engine.errors import Outcome
from engine.measure.operation import Operation, Phase


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """What samples are counted under: operation, phase, and the hub it concerned ("" where none did)."""

    operation: Operation
    phase: Phase
    hub: str = ""


@cache
def series_of(operation: Operation, phase: Phase, hub: str = "") -> Series:
    """The one Series of these: a table finds it sooner than one that is merely equal."""
    return Series(operation, phase, hub)


@dataclass(frozen=True, slots=True)
class Sample:
    """One operation from when it was due to how it ended, in seconds on the run's clock (0 = start of the load).

    began is None for a `dropped` start. ended is when it settled: the answer, or the moment it was given up.
    A sample has latencies only when has_latency: `lost`, `timeout`, `cancelled` and `dropped` ended without an answer.
    code is the service's number, or the DropReason of a dropped start. device is the device id: it is kept with failure
    samples and shown in exemplary spans, never counted by.
    """

    series: Series
    due: float
    began: float | None
    ended: float
    outcome: Outcome
    code: str = ""
    detail: str = ""
    device: str = ""
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def has_latency(self) -> bool:
        """Whether an answer of some kind came, so that a time to it exists."""
        return self.began is not None and self.outcome not in _NO_ANSWER


_NO_ANSWER = frozenset({Outcome.LOST, Outcome.TIMEOUT, Outcome.CANCELLED, Outcome.DROPPED})
