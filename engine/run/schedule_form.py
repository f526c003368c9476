"""What somebody put as a schedule: a JSON document to a `Wish`, or everything that is wrong with it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import PlainValidator, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from engine.errors import Problem, SpecError
from engine.plan.document import Json, problems_of
from engine.plan.field import REFUSED, Choice, Flag, Section, refusal
from engine.run.firings import EXAMPLE, parse_crontab, zone_of
from engine.run.schedules import Overlap, Wish

LONGEST_CRON: Final = 500
FARTHEST_S: Final = 10 * 366 * 86_400.0

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_AN_INSTANT: Final = "RFC 3339 with a zone, such as 2026-11-23T02:30:00+01:00"


@dataclass(frozen=True, slots=True)
class _Known:
    """What a moment is judged by, unix seconds."""

    now: float
    kept: float | None


def _crontab(found: object) -> str:
    if not isinstance(found, str) or len(found) > LONGEST_CRON:
        raise refusal(found, "six fields of NCRONTAB", EXAMPLE)
    try:
        parse_crontab(found)
    except SpecError as wrong:
        (problem,) = wrong.problems
        # A template, not the message itself: what was found may hold braces.
        context = {"message": problem.message, "allowed": problem.allowed}
        raise PydanticCustomError(REFUSED, "{message}", context) from None
    return found


def _instant(found: object, info: ValidationInfo[_Known]) -> float:
    at = _parse_instant(found) if isinstance(found, str) else None
    if at is None:
        raise refusal(found, "a moment", _AN_INSTANT)
    known = info.context
    if at == known.kept or known.now < at <= known.now + FARTHEST_S:
        return at
    raise refusal(found, "a moment in the next ten years", _AN_INSTANT)


def _parse_instant(text: str) -> float | None:
    """Unix seconds of a moment in RFC 3339, None if it is written in another way."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:  # a month 13
        return None


def _zone(found: object) -> str:
    if isinstance(found, str) and zone_of(found) is not None:
        return found
    raise refusal(found, "a time zone", "a name of the tz database, such as Europe/Berlin")


class _Form(Section):
    spec: dict[str, Any]
    cron: Annotated[str, PlainValidator(_crontab)] | None = None
    at: Annotated[float, PlainValidator(_instant)] | None = None
    time_zone: Annotated[str, PlainValidator(_zone)] = "UTC"
    overlap: Annotated[Overlap, Choice(Overlap)] = Overlap.SKIP
    enabled: Annotated[bool, Flag()] = True


def read_form(given: Json, *, now: float, kept: float | None) -> tuple[Wish | None, list[Problem]]:
    """The wish in a document, or every problem with it but those of its spec, which is not looked into.

    now is wall seconds; a moment before it is refused, unless it is `kept`, the one that the schedule already has.
    """
    problems = _which(given)
    try:
        form = _Form.model_validate(given, context=_Known(now, kept))
    except ValidationError as error:
        return None, sorted([*problems_of(error, _Form), *problems], key=lambda problem: problem.path)
    if problems:
        return None, problems
    wish = Wish(
        spec=dict(form.spec),
        cron=form.cron,
        at=form.at,
        time_zone=form.time_zone,
        overlap=form.overlap,
        enabled=form.enabled,
    )
    return wish, []


def _which(given: Json) -> list[Problem]:
    """What is wrong between cron and at: null in a field means left out."""
    names = [name for name in ("cron", "at") if given.get(name) is not None]
    match len(names):
        case 0:
            return [Problem("/cron", "needed, unless there is an at", EXAMPLE)]
        case 1:
            return []
        case _:
            return [Problem("/at", "not used by a schedule with a cron", "either cron or at")]
