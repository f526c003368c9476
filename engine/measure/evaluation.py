"""One threshold held against a timeline.

Theory of operation. An operation's numbers are those of ramp, steady and drain; an operation that occurs only in
prepare (`dps.register` of devices that then renew, say) is judged there. Nothing before `delay` is looked at: whole
intervals from the first that begins at or after it. Without a `window` all of that makes one number. With one, every
run of consecutive intervals of that length, rounded to whole intervals and at least one, makes a number, and one bad
number fails the threshold; a load shorter than its window is one short window. Overdue starts count in each window at
whose end they are overdue. `count` and `rate` look only at windows that end with the load, as a drain always slows
down. Nothing measured fails ("no data"), except that starts with an outcome may be none: their count and rate are 0.
A limit of `k*baseline` is k times the one number that the baseline's whole load after `delay` makes, windows or not. A
threshold whose baseline has no such number, or that has no baseline, is skipped: were it failed, nothing that compares
with the last run that passed could ever pass first.
Cost: windows times window length merges of one histogram each.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.measure.counts import Counts
from engine.measure.histogram import Histogram
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Series
from engine.measure.threshold import LATENCIES, Aggregate, Expr, Metric, Threshold
from engine.measure.timeline import Timeline

LOAD = frozenset({Phase.RAMP, Phase.STEADY, Phase.DRAIN})
"""The phases an operation is judged over: set-up work is never in its numbers."""

_PREPARE = frozenset({Phase.PREPARE})
_OF_LOAD = (Aggregate.COUNT, Aggregate.RATE)
_SLACK = 1e-9
"""Keeps 0.3 s from being more than three intervals of 0.1 s by a float's last digit."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A threshold and what was found.

    value is in the aggregate's unit, that of the worst window where there are several, None without data; window is
    that window's (begin, end) in run time; text says it all in one line. baseline is the other run's number, None for
    a threshold that needs none or was skipped; one that was skipped is ok, though it did not hold.
    """

    threshold: Threshold
    is_ok: bool
    value: float | None
    text: str
    window: tuple[float, float] | None = None
    baseline: float | None = None
    is_skipped: bool = False

    @property
    def limit(self) -> float | None:
        """What value was compared with; None when it was skipped."""
        expr = self.threshold.expr
        if not expr.times_baseline:
            return expr.value
        return None if self.baseline is None else expr.value * self.baseline


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What was counted in consecutive intervals: run time begin and end, and the seconds of load in between."""

    begin_s: float
    end_s: float
    load_s: float
    counts: Counts


def judged_phases(counted: Iterable[Series], operation: Operation) -> frozenset[Phase]:
    """The phases an operation's numbers are taken over: the load's, or prepare when it occurred only there."""
    phases = {series.phase for series in counted if series.operation is operation}
    return _PREPARE if phases == _PREPARE else LOAD


def spent_s(phases: Collection[Phase], durations_s: Mapping[Phase, float]) -> float:
    """The seconds a rate over `phases` divides by; the drain is no time of its own unless it is all there is.

    Nothing starts in a drain, so its length says nothing about how fast the load was served.
    """
    counted = [phase for phase in phases if phase is not Phase.DRAIN] or phases
    return sum(durations_s.get(phase, 0.0) for phase in counted)


def judge_threshold(
    threshold: Threshold,
    timeline: Timeline,
    *,
    durations_s: Mapping[Phase, float],
    baseline: Measured | None = None,
    since_s: float = 0.0,
) -> Judged:
    """Whether a threshold held in a run that is over, or so far; of this run nothing before since_s is looked at."""
    expr = threshold.expr
    if not expr.times_baseline:
        return _judged(threshold, expr, list(_stretches(threshold, timeline, durations_s, since_s=since_s)))
    if baseline is None:
        return Judged(threshold, True, None, f"{threshold}: skipped, there is no baseline", is_skipped=True)
    found = _of_whole_load(threshold, baseline)
    if found is None:
        return Judged(threshold, True, None, f"{threshold}: skipped, the baseline has no data", is_skipped=True)
    limit = replace(expr, value=expr.value * found, times_baseline=False)
    judged = _judged(threshold, limit, list(_stretches(threshold, timeline, durations_s, since_s=since_s)))
    compared = f"the baseline had {_shown(expr, found)}, so the limit is {_shown(expr, limit.value)}"
    return replace(judged, baseline=found, text=f"{judged.text}; {compared}")


def breached(
    thresholds: Sequence[Threshold],
    timeline: Timeline,
    *,
    now_s: float,
    durations_s: Mapping[Phase, float],
    baseline: Measured | None = None,
    since_s: float = 0.0,
) -> list[Judged]:
    """The thresholds with abort_on_fail that have failed by run time `now_s`, in whole windows or from delay_s on.

    durations_s are those so far; nothing before since_s is looked at.
    """
    judged = [
        judge_threshold(threshold, timeline, durations_s=durations_s, baseline=baseline, since_s=since_s)
        for threshold in thresholds
        if threshold.abort_on_fail and now_s >= max(threshold.delay_s, since_s) + (threshold.window_s or 0.0)
    ]
    return [found for found in judged if found.value is not None and not found.is_ok]


def _stretches(
    threshold: Threshold, timeline: Timeline, durations_s: Mapping[Phase, float], *, since_s: float = 0.0
) -> Iterator[_Stretch]:
    """What the threshold makes numbers of; one without a count when nothing was measured after its delay."""
    interval_s, operation = timeline.interval_s, threshold.metric.operation
    phases = judged_phases((series for tally in timeline.windows.values() for series in tally.series), operation)
    counted = _counted(timeline, operation, phases)
    begun = min((index for index, counts in counted.items() if counts.due or counts.outcomes), default=0)
    origin = begun if phases == _PREPARE else min(0, begun)
    first = origin + math.ceil(max(threshold.delay_s, since_s) / interval_s - _SLACK)
    ended = max(counted, default=-1) + 1
    load_end_s = origin * interval_s + spent_s(phases, durations_s)
    last = math.floor(load_end_s / interval_s + _SLACK) if threshold.expr.aggregate in _OF_LOAD else ended
    length = max(1, math.floor((threshold.window_s or 0.0) / interval_s + 0.5))
    if threshold.window_s is None or last - first < length:
        yield _stretch(counted, range(first, ended), interval_s=interval_s, load_end_s=load_end_s)
        return
    for begin in range(first, last - length + 1):
        span = range(begin, begin + length)
        yield _stretch(counted, span, interval_s=interval_s, load_end_s=span.stop * interval_s)


def _counted(timeline: Timeline, operation: Operation, phases: Collection[Phase]) -> dict[int, Counts]:
    """The operation's counts in every window from the first to the last, `overdue` as it stands at the window's end."""
    counted: dict[int, Counts] = {}
    overdue = 0
    for index in range(min(timeline.windows, default=0), max(timeline.windows, default=-1) + 1):
        tally = timeline.windows.get(index)
        counts = counted[index] = Counts() if tally is None else tally.select(operation, phases)
        overdue += counts.overdue
        counts.overdue = overdue
    return counted


def _stretch(counted: Mapping[int, Counts], span: range, *, interval_s: float, load_end_s: float) -> _Stretch:
    merged, overdue = Counts(), 0
    for index in span:
        counts = counted.get(index)
        if counts is not None:
            merged.merge(counts)
            overdue = counts.overdue
    merged.overdue = overdue
    begin_s = span.start * interval_s
    return _Stretch(begin_s, span.stop * interval_s, max(0.0, load_end_s - begin_s), merged)


def _of_whole_load(threshold: Threshold, baseline: Measured) -> float | None:
    """The number that the baseline makes of all that it measured after the threshold's delay."""
    whole = replace(threshold, window_s=None)
    numbers = _numbers(whole, list(_stretches(whole, baseline.timeline, baseline.durations_s)))
    return numbers[0][0] if numbers else None


def _judged(threshold: Threshold, expr: Expr, stretches: Sequence[_Stretch]) -> Judged:
    """The threshold held against its stretches; expr is its own, with the limit of a `k*baseline` worked out."""
    numbers = _numbers(threshold, stretches)
    if not numbers:
        return Judged(threshold, False, None, f"{threshold}: no data")
    value, stretch = max(numbers, key=lambda pair: _badness(expr, pair[0]))
    text = f"{threshold}: found {_shown(expr, value)}"
    if threshold.window_s is None:
        return Judged(threshold, expr.holds(value), value, text)
    failed = sum(not expr.holds(value) for value, _ in numbers)
    text += f" in {stretch.begin_s:g} … {stretch.end_s:g} s, the worst of {len(numbers)} windows"
    text += f", {failed} of which failed" if failed else ""
    return Judged(threshold, not failed, value, text, (stretch.begin_s, stretch.end_s))


def _numbers(threshold: Threshold, stretches: Sequence[_Stretch]) -> list[tuple[float, _Stretch]]:
    """The stretches that have a number, each with it; none when nothing was measured in any of them."""
    happened = any(stretch.counts.due or stretch.counts.outcomes for stretch in stretches)
    if not (happened or threshold.metric.outcome):
        return []
    values = ((_value(threshold.metric, threshold.expr, stretch), stretch) for stretch in stretches)
    return [(value, stretch) for value, stretch in values if value is not None]


def _value(metric: Metric, expr: Expr, stretch: _Stretch) -> float | None:
    counts = stretch.counts
    if expr.aggregate in LATENCIES:
        found = _latency(expr, _histogram(metric, counts))
        return None if found is None else found * 1000
    if metric.outcome is not None:
        if expr.aggregate is Aggregate.SHARE:
            return counts.share(metric.outcome)
        many = counts.outcomes[metric.outcome]
    elif expr.aggregate is Aggregate.FAIL_RATE:
        return counts.fail_rate
    else:
        many = _histogram(metric, counts).count if metric.part else counts.ended
    if expr.aggregate is Aggregate.COUNT:
        return many
    if stretch.load_s:
        return many / stretch.load_s
    return None if many else 0.0


def _histogram(metric: Metric, counts: Counts) -> Histogram:
    if metric.part:
        return counts.parts.get(metric.part, Histogram())
    return counts.actual if metric.is_actual else counts.intended


def _latency(expr: Expr, histogram: Histogram) -> float | None:
    match expr.aggregate:
        case Aggregate.QUANTILE:
            return histogram.quantile(expr.q)
        case Aggregate.MED:
            return histogram.quantile(0.5)
        case Aggregate.AVG:
            return histogram.avg_s
        case Aggregate.MIN:
            return histogram.min_s
        case _:
            return histogram.max_s


def _badness(expr: Expr, value: float) -> float:
    """How bad a value is for the comparison: if the worst one holds, all of them do."""
    match expr.comparison:
        case "<" | "<=":
            return value
        case ">" | ">=":
            return -value
        case "==":
            return abs(value - expr.value)
        case _:
            return -abs(value - expr.value)


def _shown(expr: Expr, value: float) -> str:
    if expr.aggregate in LATENCIES:
        return f"{value:.6g} ms"
    if expr.aggregate is Aggregate.RATE:
        return f"{value:.6g}/s"
    if expr.aggregate is Aggregate.COUNT:
        return f"{value:.10g}"
    short = f"{value:.4g}"
    is_clear = (float(short) < expr.value, float(short) > expr.value) == (value < expr.value, value > expr.value)
    return short if is_clear else f"{value:.10g}"  # rounded onto the limit it would seem to hold, or not to
