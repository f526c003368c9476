"""When a timer function is due: NCRONTAB of five or six fields, or an interval `hh:mm:ss` or `d.hh:mm:ss`.

Source: Timer trigger for Azure Functions, "NCRONTAB expressions" and "TimeSpan".
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from croniter import CroniterError, croniter  # type: ignore[import-untyped]

from engine.localhost.errors import HostError

Due = Callable[[datetime], datetime]
"""The first time after another."""


def parse_schedule(text: str) -> Due:
    """When the schedule is due after a given time. Raises HostError on text that is no schedule."""
    if ":" in text:
        return _every(text)
    fields = text.split()
    if len(fields) not in (5, 6):
        raise HostError(f"schedule {text!r} has {len(fields)} fields, expected 5, 6 or hh:mm:ss")
    return _crontab(text if len(fields) == 6 else f"0 {text}")


def _every(text: str) -> Due:
    """24 hours and more must be written as days: Azure takes `24:00:00` for 24 days."""
    found = re.fullmatch(r"(?:(\d+)[.:])?([01]?\d|2[0-3]):([0-5]?\d):([0-5]?\d)", text)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    interval = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not interval:
        raise HostError(f"schedule {text!r} is no interval, expected hh:mm:ss below 24 hours, or d.hh:mm:ss")
    return lambda after: after + interval


def _crontab(expression: str) -> Due:
    """Seconds come first, and a day must match both day fields, unlike in cron."""

    def due(after: datetime) -> datetime:
        found: datetime = croniter(expression, after, second_at_beginning=True, day_or=False).get_next(datetime)
        return found

    try:
        croniter(expression, second_at_beginning=True, day_or=False)
    except CroniterError as error:
        raise HostError(f"schedule {expression!r} is not NCRONTAB: {error}") from error
    return due
