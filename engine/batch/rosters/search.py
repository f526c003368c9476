"""Starts at a rate that is held, judged, and changed, until the knee is found.

Theory of operation. A rate is held for hold_s. What was due in its last three quarters is measured: samples of whole
iterations as they end (`observe`), and, at the end of the hold, what is still out. Then the rate is judged. More than
DROPPED of its starts dropped means that we could not offer it: the search is over and says so, for a rate that was not
offered proves nothing about the service. Otherwise the rate held unless stopWhen is true. After a rate that did not
hold nothing starts until all devices are free, at most for another hold_s: the next rate is not to pay for the backlog.
Which rate comes next is the `Ladder`'s to say. A batch that is taken over holds the rate under way once more.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.ladder import Ladder
from engine.batch.rosters.roster import Call, Drop, Shape
from engine.device.log import Log
from engine.measure.evaluation import judge_threshold
from engine.measure.operation import Phase
from engine.measure.sample import Sample, Series
from engine.measure.threshold import Threshold
from engine.measure.timeline import Timeline

DISCARDED: Final = 0.25
"""The share of a hold that is not measured: the service is still busy with the rate before."""

DROPPED: Final = 0.01
"""Beyond this share of its starts dropped a rate was not offered."""


class Limited(StrEnum):
    """What ended the search: the service's knee was found, we could offer no more, or there was no more time."""

    SERVICE = "service"
    HARNESS = "harness"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Search:
    """How to search: rates are starts per unit_s seconds, stop_when is true of a rate that does not hold. What is not
    answered overdue_s after it was due counts as overdue, infinity where nothing does."""

    start: float
    step: float
    hold_s: float
    unit_s: float
    stop_when: Threshold
    overdue_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Held:
    """One rate as it was judged: times are seconds since the load's start, value is stop_when's number, None where
    nothing was measured; starts counts what was due in the measured part."""

    rate: float
    began_s: float
    ended_s: float
    starts: int
    dropped: int
    value: float | None
    holds: bool


class RateSearch:
    """See Roster; besides, it is told what was measured, and tells what it found."""

    def __init__(self, search: Search, shape: Shape) -> None:
        held = shape.state or {"ladder": None, "curve": [], "first": 0, "starts": None, "limited": None}
        self.gave_way: Callable[[], Iterable[float]] = tuple
        """When starts were due whose devices are free and that can still be answered: they are out, too."""

        self._search = search
        self._ladder = Ladder(search.start, search.step, held["ladder"])
        self._curve = [Held(**point) for point in held["curve"]]
        self._limited: str | None = held["limited"]
        self._first = int(held["first"])
        self._began: float | None = 0.0 if shape.state is None else None
        self._rest_until: float | None = None
        self._open = True
        self._arrivals = Arrivals(self._due, replace(shape, state=held["starts"]))
        self._dropped = self._starts = 0
        self._measured = Timeline(_measured_s(search), 0)

    def next_due(self) -> float:
        """See Roster."""
        if self._rate is None:
            return math.inf
        if self._rest_until is not None:
            return min(self._arrivals.all_free_at(), self._rest_until)
        return -math.inf if self._began is None else min(self._arrivals.next_due(), self._ends)

    def calls(self, now: float) -> list[Call]:
        """See Roster."""
        if self._rate is None:
            return []
        if self._began is None:
            self._hold(now)
        if self._rest_until is not None:
            self._arrivals.rouse(now)
            if min(self._arrivals.all_free_at(), self._rest_until) <= now:
                self._rest_until = None
                self._hold(now)
        found: list[Call] = []
        while self._rate is not None and self._rest_until is None:
            calls = self._arrivals.calls(now)
            self._note(calls)
            found += calls
            if now < self._ends:
                break
            self._judge(now)
        return found

    def free(self, device: int, rest_s: float = 0.0, /) -> None:
        """See Roster."""
        self._arrivals.free(device, rest_s)

    def take_back(self, device: int) -> bool:
        """See Arrivals."""
        return self._arrivals.take_back(device)

    def close(self) -> list[Call]:
        """See Roster; the search may go on elsewhere, so its state stays what it was."""
        self._open = False
        return self._arrivals.close()

    def state(self) -> Mapping[str, Any]:
        """See Roster."""
        return {
            "ladder": self._ladder.state(),
            "curve": [asdict(point) for point in self._curve],
            "first": self._arrivals.handed,
            "starts": self._arrivals.state(),
            "limited": self._limited,
        }

    def observe(self, log: Log, *, origin: float) -> None:
        """Whole iterations ended; origin is the load's start in the log's time."""
        operation = self._search.stop_when.metric.operation
        for sample in log.samples:
            if sample.series.operation is operation and self._is_measured(sample.due - origin):
                self._count(sample)

    def findings(self) -> dict[str, Any]:
        """The knee and the curve as a JSON value; rates are per unitS seconds."""
        curve = [
            {
                "rate": point.rate,
                "beginS": round(point.began_s, 3),
                "endS": round(point.ended_s, 3),
                "starts": point.starts,
                "dropped": point.dropped,
                "value": point.value,
                "held": point.holds,
            }
            for point in self._curve
        ]
        limited = self._limited if self._open or self._ladder.rate is None else Limited.TIME
        knee = {"held": self._ladder.held or None, "failed": self._ladder.failed, "limitedBy": limited}
        return {"unitS": self._search.unit_s, "stopWhen": str(self._search.stop_when), "knee": knee, "curve": curve}

    # -- one rate ------------------------------------------------------------------------------------------

    @property
    def _rate(self) -> float | None:
        """The rate to hold now, None when nothing starts any more."""
        return self._ladder.rate if self._open else None

    @property
    def _ends(self) -> float:
        return (self._began or 0.0) + self._search.hold_s

    @property
    def _measured_from(self) -> float:
        return (self._began or 0.0) + DISCARDED * self._search.hold_s

    def _due(self, point: int) -> float | None:
        """When a start of the rate under way is due; those of earlier rates are as late as can be."""
        rate = self._rate
        if self._began is None or rate is None:
            return None
        at = self._began + max(0, point - self._first) * self._search.unit_s / rate
        return at if at < self._ends else None

    def _hold(self, now: float) -> None:
        """Hold the next rate from now on."""
        self._began, self._first = now, self._arrivals.handed
        self._dropped = self._starts = 0
        self._measured = Timeline(_measured_s(self._search), 0)

    def _note(self, calls: list[Call]) -> None:
        for call in calls:
            if call.due is not None and call.due >= self._measured_from:
                self._starts += 1
                self._dropped += isinstance(call, Drop)

    def _is_measured(self, due: float) -> bool:
        return self._began is not None and self._measured_from <= due < self._ends

    def _count(self, sample: Sample) -> None:
        """As if everything had been due at 0: the measured part is judged as one."""
        series = Series(sample.series.operation, Phase.STEADY)
        self._measured.due(series, 0.0)
        if sample.began is not None:
            self._measured.start(series, 0.0)
        began = None if sample.began is None else sample.began - sample.due
        self._measured.settle(replace(sample, series=series, due=0.0, began=began, ended=sample.ended - sample.due))

    def _judge(self, now: float) -> None:
        rate, began, ended = self._rate, self._began, self._ends
        assert rate is not None
        assert began is not None
        self._count_outstanding()
        spent = {Phase.STEADY: self._measured.interval_s}
        judged = judge_threshold(self._search.stop_when, self._measured, durations_s=spent)
        offered = self._dropped <= DROPPED * self._starts
        holds = offered and not (judged.is_ok and judged.value is not None)
        self._curve.append(Held(rate, began, ended, self._starts, self._dropped, judged.value, holds))
        if not offered:
            self._limited = Limited.HARNESS
            self._ladder.end()
            return
        self._ladder.judge(holds=holds)
        if self._ladder.rate is None:
            self._limited = Limited.SERVICE
        elif holds:
            self._hold(ended)
        else:
            self._rest_until = now + self._search.hold_s

    def _count_outstanding(self) -> None:
        """What is still out was due and has no outcome yet."""
        series = Series(self._search.stop_when.metric.operation, Phase.STEADY)
        for due in (*self._arrivals.outstanding_dues(), *self.gave_way()):
            if self._is_measured(due):
                self._measured.begin(series, 0.0)
                if self._ends - due > self._search.overdue_s:
                    self._measured.overdue(series, 0.0)


def _measured_s(search: Search) -> float:
    return (1 - DISCARDED) * search.hold_s
