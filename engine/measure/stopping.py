"""When a run ends before its time: what its batches have measured so far, held against autoStop and abortOnFail.

Theory of operation. Only whole windows are looked at, and of those only the load's: an operation that occurs in prepare
alone is judged at the end. Whoever watches looks every few seconds, so a stretch of windows is judged while it is young
and not again when it is older than LOOK_BACK_S; that bounds what must be kept of a long run window by window. A
threshold without a window looks at all of the load after its delay, for which what is old is kept as one window.

`autoStop` asks for the share of the main operation's starts that went wrong in the last time window: failed, late,
lost and overdue over started less cancelled, as in `fail_rate`. A start that its iteration failed to reach went wrong,
too: when nobody can connect any more no certificate is asked for, and that is the end of such a run. Outcomes that the
run is there to provoke do not count.
Source: product section 4.3, rules 1 and 5; section 5, `autoStop` and `thresholds`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import Outcome
from engine.measure.counts import Counts
from engine.measure.evaluation import LOAD, breached
from engine.measure.measured import Measured
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.threshold import Threshold
from engine.measure.timeline import Timeline

LOOK_BACK_S = 120.0
"""How old a stretch of windows may be that is still judged: far more than a watch misses between two looks."""

LEAST_STARTS = 10
"""Below this many starts in a time window a share of failures says nothing about the service."""

_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Limit:
    """The run ends when percent or more of the operation's starts went wrong in window_s, expected outcomes apart."""

    operation: Operation
    percent: float
    window_s: float
    expected: frozenset[Outcome] = frozenset()


@dataclass(frozen=True, slots=True)
class Watch:
    """What a batch keeps at hand for whoever judges its run: windows of these operations' load, all of those before
    delay_s and the latest reach_s one by one, those in between as one. How long they took is kept of those timed."""

    operations: frozenset[Operation]
    timed: frozenset[Operation]
    delay_s: float
    reach_s: float


def watch_for(limit: Limit | None, thresholds: Iterable[Threshold]) -> Watch | None:
    """What is to be kept at hand to judge these, None where there is nothing to judge while the run goes on."""
    aborting = [threshold for threshold in thresholds if threshold.abort_on_fail]
    timed = frozenset(threshold.metric.operation for threshold in aborting)
    operations = set(timed)
    windows_s = [threshold.window_s or 0.0 for threshold in aborting]
    if limit is not None:
        operations.add(limit.operation)
        windows_s.append(limit.window_s)
    if not operations:
        return None
    delay_s = max((threshold.delay_s for threshold in aborting), default=0.0)
    return Watch(frozenset(operations), timed, delay_s, max(windows_s) + 2 * LOOK_BACK_S)


def overrun(limit: Limit, timeline: Timeline, *, whole: int, since_s: float) -> str:
    """Why the run is to end, in one line; "" while it is not. whole is the first window that is not whole yet, and
    nothing before since_s is looked at."""
    interval_s = timeline.interval_s
    first = whole - _length(limit.window_s, interval_s)
    if first < math.ceil(since_s / interval_s - _SLACK):
        return ""
    found = _counted(timeline, limit.operation, range(first, whole))
    unreached = found.drops[DropReason.STEP_FAILED]
    bad = found.failed + found.late + found.lost + found.overdue
    among = max(found.started - found.cancelled, found.ok + bad) + unreached
    bad += unreached - sum(found.outcomes[outcome] for outcome in limit.expected)
    if among < LEAST_STARTS or bad * 100 < limit.percent * among:
        return ""
    share = f"{bad / among * 100:.3g} % of {limit.operation} failed"
    return f"autoStop: {share} in {first * interval_s:g} … {whole * interval_s:g} s, limit {limit.percent:g} %"


def broken(
    thresholds: Sequence[Threshold],
    timeline: Timeline,
    *,
    whole: int,
    since_s: float,
    durations_s: Mapping[Phase, float],
    baseline: Measured | None = None,
) -> list[str]:
    """The thresholds with abort_on_fail that have failed, one line each; durations_s end with the last whole window."""
    interval_s, cut = timeline.interval_s, timeline.until(whole)
    lines = []
    for threshold in thresholds:
        since = since_s
        if threshold.window_s is not None:
            since = max(since, (whole - _length(threshold.window_s, interval_s)) * interval_s - LOOK_BACK_S)
        found = breached(
            [threshold],
            cut,
            now_s=whole * interval_s,
            durations_s=durations_s,
            baseline=baseline,
            since_s=since,
        )
        lines += [f"abortOnFail: {judged.text}" for judged in found]
    return lines


def _length(window_s: float, interval_s: float) -> int:
    """How many windows make up so many seconds, as in `evaluation`."""
    return max(1, math.floor(window_s / interval_s + 0.5))


def _counted(timeline: Timeline, operation: Operation, span: range) -> Counts:
    """The operation's counts of the load in a span of windows; overdue is what its end leaves so."""
    found, overdue = Counts(0), 0
    for index, tally in timeline.windows.items():
        if index < span.stop:
            counts = tally.select(operation, LOAD)
            overdue += counts.overdue
            if index in span:
                found.merge(counts)
    found.overdue = overdue
    return found
