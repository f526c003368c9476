"""Logs into the windows of their time."""

from collections.abc import Callable

from engine.device.log import Log
from engine.measure.timeline import Timeline


def place(log: Log, origin: float, timeline_at: Callable[[float], Timeline]) -> None:
    """Count all of a log; origin is run time 0 in its time, and timeline_at gives the timeline for what happened at a
    run time."""
    for series, at in log.started:
        timeline_at(at - origin).begin(series, at - origin)
    for series, at in log.dropped:
        timeline_at(at - origin).due(series, at - origin)
    for sample in log.samples:
        timeline_at(sample.ended - origin).settle(sample, origin)
    for series, at in log.retries:
        timeline_at(at - origin).retry(series, at - origin)
    for series, at in log.unmatched:
        timeline_at(at - origin).unmatched(series, at - origin)
    for series, since, until in log.overdue:
        timeline_at(since - origin).overdue(series, since - origin)
        timeline_at(until - origin).overdue(series, until - origin, -1)
