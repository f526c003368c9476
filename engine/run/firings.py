"""When a schedule fires: NCRONTAB in a time zone.

Theory of operation. An expression names times as the clocks of its zone show them, and each of these is one moment:

- What the clocks jump over in spring is the first minute after the jump; several such times are one moment.
- What they show twice in autumn is the first of the two.

So whoever names an hour gets one firing a day, and whoever names every hour gets none in the hour that is repeated:
`UTC` has neither. Whoever starts things asks once a minute, so the second is a single number: there is at most one
firing in a minute, and its minute in UTC tells it from all others.

Source: Timer trigger for Azure Functions, "NCRONTAB expressions" (fields, operators, day names from Sunday, 0); PEP 495
for times that do not exist or come twice. As in NCRONTAB a day must match both day fields, unlike in cron.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from engine.errors import Problem, SpecError

EXAMPLE: Final = '"0 30 2 * * *" for every day at 02:30'

_MARGIN: Final = timedelta(hours=3)
"""More than the clocks of any zone jump at once: so far from a moment may times lie that come after or before it."""

_LEAP_YEAR: Final = 2000
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_ITEM: Final = re.compile(r"(?:\*|(?P<low>\w+)(?P<range>-(?P<high>\w+))?)(?P<steps>/(?P<step>[0-9]{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Crontab:
    """What the fields of an expression match: each a set of numbers in order, days of the week from Sunday, 0."""

    second: int
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def firings(self, zone: ZoneInfo, *, after: float) -> Iterator[float]:
        """Its moments after another, in order and without end. Moments are unix seconds."""
        latest, times = after, self._times(_clocks(after, zone) - _MARGIN, 1)
        while True:
            at = _moment(next(times), zone)
            if at > latest:
                yield at
                latest = at

    def last_firing(self, zone: ZoneInfo, *, by: float) -> float:
        """Its latest moment that is not after another. Moments are unix seconds."""
        moments = (_moment(shown, zone) for shown in self._times(_clocks(by, zone) + _MARGIN, -1))
        return next(at for at in moments if at <= by)

    def _times(self, start: datetime, step: Literal[1, -1]) -> Iterator[datetime]:
        """What the clocks show at its firings, from start on or back."""
        day = start.date()
        while True:
            if self._has(day):
                for hour in self.hours[::step]:
                    for minute in self.minutes[::step]:
                        shown = datetime.combine(day, time(hour, minute, self.second))
                        if (shown - start) * step >= timedelta(0):
                            yield shown
            day += timedelta(days=step)

    def _has(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays


def parse_crontab(text: str) -> Crontab:
    """What an expression of six fields matches. Raises SpecError with the first thing that is wrong with it."""
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        raise _wrong(f"expected six fields with one blank between them, found {len(fields)}", EXAMPLE)
    seconds, *others = (expected.parse(text) for expected, text in zip(_FIELDS, fields, strict=True))
    if not fields[0].isdigit():
        raise _wrong(f"the field second is {fields[0][:60]!r}, but runs start once a minute", "0 … 59")
    found = Crontab(seconds[0], *others)
    if all(found.days[0] > monthrange(_LEAP_YEAR, month)[1] for month in found.months):
        raise _wrong("there is no such day", EXAMPLE)
    return found


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of a name in the tz database, such as Europe/Berlin; None if there is none."""
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError):  # a folder, nothing, a file that is no zone
        return None


def stamp(at: float) -> str:
    """The minute of a moment in UTC, as run ids end: 20261123-0230."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%d-%H%M")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: Mapping[str, int] = field(default_factory=dict)

    def parse(self, text: str) -> tuple[int, ...]:
        """The numbers that the field matches. Raises SpecError."""
        return tuple(sorted({number for item in text.split(",") for number in self._item(item, text)}))

    def _item(self, item: str, text: str) -> range:
        found = _ITEM.fullmatch(item)
        if found is None:
            raise self._wrong(text)
        low = self._number(found["low"], text) if found["low"] else self.low
        is_one = found["low"] and not found["range"] and not found["steps"]
        high = self._number(found["high"], text) if found["range"] else low if is_one else self.high
        step = int(found["step"] or 1)
        if low > high or not 1 <= step <= self.high:
            raise self._wrong(text)
        return range(low, high + 1, step)

    def _number(self, word: str, text: str) -> int:
        number = self.words.get(word.upper(), int(word) if word.isdigit() else -1)
        if not self.low <= number <= self.high:
            raise self._wrong(text)
        return number

    def _wrong(self, text: str) -> SpecError:
        words = list(self.words)
        named = f" or {words[0]} … {words[-1]}" if words else ""
        return _wrong(f"the field {self.name} is {text[:60]!r}", f"{self.low} … {self.high}{named}, with * , - and /")


def _numbered(words: str, first: int) -> Mapping[str, int]:
    return {word: number for number, word in enumerate(words.split(), first)}


_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _numbered("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", 1)),
    _Field("day of week", 0, 6, _numbered("SUN MON TUE WED THU FRI SAT", 0)),
)


def _wrong(message: str, allowed: str) -> SpecError:
    return SpecError([Problem("", message, allowed)])


def _clocks(at: float, zone: ZoneInfo) -> datetime:
    """What the zone's clocks show at a moment."""
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def _moment(shown: datetime, zone: ZoneInfo) -> float:
    """The one moment that stands for what clocks show."""
    while _clocks(at := shown.replace(tzinfo=zone).timestamp(), zone) != shown:
        shown += timedelta(minutes=1)
    return at
