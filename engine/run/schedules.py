"""Schedules: what was asked, when it fires, and what became of its last firings.

One blob per schedule. Whoever puts it replaces what was asked and keeps what became of it; whoever starts runs notes a
firing under the revision of the schedule that was read, so that a schedule replaced meanwhile is left alone. `seen` is
the moment up to which firings are dealt with: an older one never happens again.

The spec is kept as it was posted and read afresh at every firing: what it leaves open (seed, date, profile) is then
what it is on that day, and what no longer holds is refused on that day.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice, takewhile
from typing import Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.errors import NotFound, StoreError
from engine.ports import Store
from engine.run.baseline import resolve
from engine.run.firings import parse_crontab, stamp
from engine.run.keys import SCHEDULES, parse_schedule_key, schedule_key
from engine.run.record import update

LATE_S = 300.0
"""A firing that nobody looked at for longer is missed."""

LATELY = 10


class Overlap(StrEnum):
    """What a firing does while the schedule's last run goes on."""

    SKIP = "skip"
    ALLOW = "allow"


class Became(StrEnum):
    """What a firing came to."""

    STARTED = "started"
    SKIPPED = "skipped"
    REFUSED = "refused"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Firing:
    """at is when it was due, wall seconds. run_id is "" unless a run was started; why is "" then, else one line."""

    at: float
    became: Became
    run_id: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. Either cron or at is there; at is wall seconds."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    spec: Mapping[str, Any]
    cron: str | None = None
    at: float | None = None
    time_zone: str = "UTC"
    overlap: Overlap = Overlap.SKIP
    enabled: bool = True

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)

    def after(self, moment: float) -> Iterator[float]:
        """When it fires after a moment, in order; wall seconds."""
        if not self.enabled:
            return iter(())
        if self.cron is not None:
            return parse_crontab(self.cron).firings(self.zone, after=moment)
        return iter((self.at,) if self.at is not None and self.at > moment else ())

    def last(self, *, by: float) -> float | None:
        """When it last fired by a moment, None if never; wall seconds."""
        if self.cron is not None and self.enabled:
            return parse_crontab(self.cron).last_firing(self.zone, by=by)
        return max(takewhile(lambda at: at <= by, self.after(0.0)), default=None)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule. echo is the spec with the defaults it had when it was put. created, changed and seen are wall
    seconds. lately holds what became of the last firings, newest first; started is the last run, "" if none.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    name: str
    wish: Wish
    echo: Mapping[str, Any]
    created: float
    changed: float
    seen: float
    revision: int = 1
    lately: tuple[Firing, ...] = ()
    started: str = ""
    format: Literal[1] = 1

    def next(self, count: int, *, now: float) -> list[float]:
        """The next firings, at most count of them; wall seconds."""
        return list(islice(self.wish.after(max(now, self.seen)), count))

    def due(self, now: float) -> list[float]:
        """The firings to deal with now, in order: the last that was missed, and all that were not; wall seconds."""
        edge = now - LATE_S - 1.0
        missed = self.wish.last(by=edge) if self.seen < edge else None
        fresh = takewhile(lambda at: at <= now, self.wish.after(max(self.seen, edge)))
        return [*([missed] if missed is not None and missed > self.seen else []), *fresh]

    def run_id(self, at: float) -> str:
        """The id of the run that a firing starts."""
        return f"{self.name}-{stamp(at)}"

    def with_firing(self, firing: Firing) -> Self:
        """The schedule after a firing."""
        lately = (firing, *self.lately)[:LATELY]
        return replace(self, seen=firing.at, lately=lately, started=firing.run_id or self.started)


def is_missed(at: float, now: float) -> bool:
    """Whether it is too late for a firing."""
    return now - at > LATE_S


def put(store: Store, name: str, wish: Wish, echo: Mapping[str, Any], *, now: float) -> tuple[Schedule, bool]:
    """The schedule as it is kept from now on, and whether it is new. Asked for the same again, nothing changes but the
    echo."""
    is_new = True

    def change(body: bytes | None) -> bytes:
        nonlocal is_new
        held = None if body is None else _decode(schedule_key(name), body)
        is_new = held is None
        if held is None:
            return _SCHEDULE.dump_json(Schedule(name, wish, echo, created=now, changed=now, seen=now))
        if held.wish == wish:
            return _SCHEDULE.dump_json(replace(held, echo=echo))
        revised = replace(held, wish=wish, echo=echo, changed=now, seen=now, revision=held.revision + 1)
        return _SCHEDULE.dump_json(revised)

    return _decode(schedule_key(name), update(store, schedule_key(name), change)), is_new


def note(store: Store, read: Schedule, firing: Firing) -> bool:
    """Whether this call kept what became of a firing: not when the schedule has been replaced or deleted since it was
    read, or somebody else noted as late a firing."""
    noted = False

    def change(body: bytes | None) -> bytes:
        nonlocal noted
        if body is None:
            raise NotFound(schedule_key(read.name))
        held = _decode(schedule_key(read.name), body)
        noted = held.revision == read.revision and held.created == read.created and held.seen < firing.at
        return _SCHEDULE.dump_json(held.with_firing(firing)) if noted else body

    try:
        update(store, schedule_key(read.name), change)
    except NotFound:
        return False
    return noted


def find(store: Store, name: str) -> Schedule | None:
    """The schedule of this name, None if there is none."""
    held = store.read(schedule_key(name))
    return None if held is None else _decode(schedule_key(name), held.body)


def names(store: Store) -> list[str]:
    """The names of all schedules, sorted."""
    return [parse_schedule_key(key) for key in store.keys(SCHEDULES)]


def delete(store: Store, name: str) -> None:
    """There is no schedule of this name; its runs stay."""
    store.delete(schedule_key(name))


def protected(store: Store) -> frozenset[str]:
    """The ids of the runs that are some schedule's baseline now."""
    found = [schedule for name in names(store) if (schedule := find(store, name)) is not None]
    baselines = {str(schedule.echo["baseline"]) for schedule in found if schedule.echo.get("baseline")}
    return frozenset(run_id for text in baselines if (run_id := resolve(store, text)) is not None)


_SCHEDULE = TypeAdapter(Schedule)


def _decode(key: str, body: bytes) -> Schedule:
    try:
        return _SCHEDULE.validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        path = "/".join(str(part) for part in problem["loc"])
        raise StoreError(key, f"not a schedule of format 1: /{path}: {problem['msg']}") from error
