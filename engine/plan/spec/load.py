"""The `load` of a spec: how many starts, and when."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from engine.measure.threshold import Threshold, parse_threshold
from engine.plan.field import Choice, Duration, Number, Section, Whole
from engine.plan.spec.judgement import EXPR, METRIC
from engine.plan.spec.scenario import Executor

DAY_S: Final = 86_400.0
LEAST_INTERVAL_S: Final = 0.1
ASSUMED_VALIDITY_S: Final = 30 * DAY_S
"""How long certificates are taken to be valid until one is seen: our assumption, the default of a policy is unknown."""

LEAST_VALIDITY_S: Final = DAY_S
"""The shortest that a policy may let them be valid, where something must never be exceeded; see `cert.validity`."""

_RATE: Final = Number(0, 100_000, above=True)


class TimeUnit(StrEnum):
    """The time that a rate counts starts in."""

    SECOND = "1s"
    MINUTE = "1m"
    HOUR = "1h"

    @property
    def seconds(self) -> float:
        """Its length."""
        return _SECONDS[self]


_SECONDS: Final[Mapping[TimeUnit, float]] = {TimeUnit.SECOND: 1.0, TimeUnit.MINUTE: 60.0, TimeUnit.HOUR: 3_600.0}


class Pacing(Section):
    """The per-device rhythm: an interval, or a share of the certificate's validity, compressed."""

    interval_s: Annotated[float, Duration(LEAST_INTERVAL_S, DAY_S)] = 90.0
    """The time between two starts of a device."""
    jitter: Annotated[float, Number(0, 1)] = 0.1
    """The share of the interval by which every start moves, up or down."""
    of_validity: Annotated[float, Number(0.05, 0.99)] | None = None
    """Start after this share of the certificate's lifetime instead of an interval; null goes by the interval."""
    time_compression: Annotated[float, Number(1, 100_000)] = 1.0
    """How many times faster than real time a lifetime passes."""

    def every_s(self, lifetime_s: float = ASSUMED_VALIDITY_S) -> float:
        """How far apart the starts of a device are whose certificates live that long.

        Compressed time never brings a start sooner than the shortest interval a spec may ask for.
        """
        if self.of_validity is None:
            return self.interval_s
        return max(LEAST_INTERVAL_S, lifetime_s * self.of_validity / self.time_compression)


class Stage(Section):
    """A stretch of a ramping rate; target is per the load's time unit."""

    duration_s: Annotated[float, Duration(0, 7 * DAY_S)]
    """How long the rate takes to get there."""
    target: Annotated[float, Number(0, 100_000)]
    """The rate at the end of the stage, per time unit."""


class StopWhen(Section):
    """What a rate search takes as "too much": a threshold over one held rate."""

    metric: Annotated[str, METRIC] = "cert.issued:throttled"
    """What is judged over one held rate."""
    expr: Annotated[str, EXPR] = "share>0.05"
    """What is too much."""

    def parsed(self, path: str = "") -> Threshold:
        """What a held rate is judged by. Raises SpecError below path when the aggregate does not fit the metric."""
        return parse_threshold(self.metric, self.expr, path=path)


class Search(Section):
    """How a rate search climbs; start is per the load's time unit."""

    start: Annotated[float, _RATE] = 10.0
    """The first rate, per time unit."""
    step: Annotated[float, Number(1.05, 10)] = 1.5
    """What the rate is multiplied by while it holds."""
    hold_s: Annotated[float, Duration(10, 3_600)] = 60.0
    """How long every rate is held."""
    stop_when: StopWhen = StopWhen()
    """When a rate does not hold."""


class Load(Section):
    """When iterations start; what the executor does not use holds its default and means nothing.

    ramp_up_s and max_in_flight are filled in by `parse_spec`.
    """

    executor: Annotated[Executor, Choice(Executor)]
    """Who decides when the next iteration starts: devices (closed) or the clock (open)."""
    duration_s: Annotated[float, Duration(1, 7 * DAY_S)] = 300.0
    """How long iterations start, the ramp included."""
    iterations: Annotated[int, Whole(1, 10**9)] | None = None
    """The iterations of the whole run, if it ends by number; whichever comes first."""
    ramp_up_s: Annotated[float, Duration(0, 7 * DAY_S)] = 30.0
    """How long it takes until every device has started; null lets the plan choose."""
    pacing: Pacing = Pacing()
    """The rhythm of every device."""
    rate: Annotated[float, _RATE] | None = None
    """Starts per time unit."""
    time_unit: Annotated[TimeUnit, Choice(TimeUnit)] = TimeUnit.SECOND
    """The time that rates count starts in."""
    start_rate: Annotated[float, Number(0, 100_000)] = 0.0
    """The rate that the first stage begins with, per time unit."""
    stages: Annotated[tuple[Stage, ...], Field(max_length=50)] = ()
    """The stretches of a ramping rate, one after the other."""
    search: Search = Search()
    """How a rate search climbs."""
    max_in_flight: Annotated[int, Whole(1, 10_000_000)] = 10_000_000
    """How many iterations of the whole run may be under way at once; null is one per device."""
    graceful_stop_s: Annotated[float, Duration(0, 600)] = 30.0
    """How long what is under way may take after the last start."""

    @property
    def rate_per_s(self) -> float:
        """The constant arrival rate, 0 where the executor has none."""
        return (self.rate or 0.0) / self.time_unit.seconds
