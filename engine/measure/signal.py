"""What leaves a process as telemetry, as plain values. Names and dimensions are closed lists: queries rely on them.

Theory of operation. Application Insights keeps no buckets of a histogram, so percentiles travel as events of their own:
per batch, operation and outcome one `loadtest.interval` with the counts of an interval's log buckets, which merge by
addition. Metrics count the same things once more: where the two differ, telemetry was lost on its way. Every signal
carries runId and scenario among its dimensions; a device id is in spans only. Times are unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Metric(StrEnum):
    """What is counted or gauged."""

    OPERATIONS = "loadtest.operations"
    DURATION = "loadtest.operation.duration"
    RETRIES = "loadtest.retries"
    LAG = "loadtest.schedule.lag"
    IN_FLIGHT = "loadtest.inflight"
    DEVICES = "loadtest.devices"
    BYTES = "loadtest.bytes"


UNITS: Mapping[Metric, str] = {Metric.DURATION: "ms", Metric.LAG: "ms", Metric.BYTES: "By"}
"""Where it is no plain number. Source: UCUM, which OpenTelemetry's metrics take their units from."""


class EventName(StrEnum):
    """What happened, or what an interval was like."""

    INTERVAL = "loadtest.interval"
    ERRORS = "loadtest.errors"
    HEALTH = "loadtest.health"
    BATCH = "loadtest.batch"
    RUN = "loadtest.run"
    FIRING = "loadtest.firing"


@dataclass(frozen=True, slots=True)
class Count:
    """A counter's increase since the last one of the same dimensions."""

    name: Metric
    at: float
    value: int
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Level:
    """A gauge's value."""

    name: Metric
    at: float
    value: float
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spread:
    """What a histogram took in since the last one of the same dimensions, in the metric's unit; count is over 0."""

    name: Metric
    at: float
    count: int
    sum: float
    min: float
    max: float
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, its facts as text and its figures as numbers."""

    name: EventName
    at: float
    properties: Mapping[str, str]
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Span:
    """One exemplary operation of one device; parent_id is None for the iteration that the others belong to.

    trace_id is over 0 and below 2**128, span_id over 0 and below 2**64.
    """

    name: str
    began: float
    ended: float
    trace_id: int
    span_id: int
    parent_id: int | None
    is_ok: bool
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log; level is that of Python's logging."""

    at: float
    level: int
    text: str
    properties: Mapping[str, str]


type Signal = Count | Level | Spread | Event | Span | Line


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of signals: each ends as sent or as dropped; retried counts every further try of one."""

    sent: int = 0
    retried: int = 0
    dropped: int = 0

    def merge(self, other: Self) -> Self:
        """Both together."""
        return type(self)(self.sent + other.sent, self.retried + other.retried, self.dropped + other.dropped)

    def figures(self) -> dict[str, int]:
        """The numbers under the names they have in JSON."""
        return {"sent": self.sent, "retried": self.retried, "dropped": self.dropped}
