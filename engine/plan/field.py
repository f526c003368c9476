"""What one field of a JSON document may hold, and how it is written back.

Each class below annotates a field of a pydantic model and takes over its validation completely: a value is
accepted exactly as described or refused with a message of ours. Nothing is coerced, so "10" is not 10 and true
is not 1. Durations are strings outside and seconds inside.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from engine.plan.secrecy import looks_secret

REFUSED: Final = "refused"
"""The type of every validation error that this module raises; its context holds `allowed`."""

RUN: Final = "run"
"""What a duration that lasts as long as the run is written as; inside it is infinite seconds."""

DURATION_PATTERN: Final = (
    "(?:([0-9]{1,12})d)?(?:([0-9]{1,12})h)?(?:([0-9]{1,12})m)?(?:([0-9]{1,12})s)?(?:([0-9]{1,12})ms)?"
)
"""Numbers with units, from days to milliseconds; an empty text, which it matches, is no duration."""

_SHOWN_CHARACTERS: Final = 60
_DURATION: Final = re.compile(DURATION_PATTERN)
_UNITS_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


class Section(BaseModel):
    """A frozen part of a document that refuses unknown fields; JSON names are camelCase and carry no unit.

    What stands below a field describes it, also to whoever reads the JSON schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        alias_generator=lambda name: to_camel(name.removesuffix("_s").removesuffix("_bytes")),
    )


def show(found: object) -> str:
    """A found JSON value in a few words, short enough for one line; nothing of what looks like a secret."""
    match found:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str() if looks_secret(found):
            return "a string that looks like a secret"
        case _:
            text = json.dumps(found)
            return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def refusal(found: object, what: str, allowed: str) -> PydanticCustomError:
    """The error that says what was expected, what was found, and what is allowed."""
    context = {"what": what, "found": show(found), "allowed": allowed}
    return PydanticCustomError(REFUSED, "expected {what}, found {found}", context)


def parse_duration(text: str) -> float | None:
    """Seconds of a duration such as "500ms", "90s" or "1h30m", None if it is not written so."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    return (
        sum(int(found) * unit_ms for found, unit_ms in zip(match.groups("0"), _UNITS_MS.values(), strict=True)) / 1000
    )


def format_duration(seconds: float) -> str:
    """A duration the way a spec writes it, to the millisecond; infinite seconds are "run"."""
    if math.isinf(seconds):
        return RUN
    left_ms, words = round(seconds * 1000), []
    for unit, unit_ms in _UNITS_MS.items():
        if unit == "d":  # read, but hours are what people compare
            continue
        many, left_ms = divmod(left_ms, unit_ms)
        words += [f"{many}{unit}"] if many else []
    return "".join(words) or "0s"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two bounds, both included."""

    low: int
    high: int

    def parse(self, found: object) -> int:
        """The number, or a refusal."""
        if isinstance(found, int) and not isinstance(found, bool) and self.low <= found <= self.high:
            return found
        raise refusal(found, "a whole number", self.allowed)

    @property
    def allowed(self) -> str:
        """The bounds."""
        return f"{self.low} … {self.high}"

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse)


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number between two bounds; the lower one is included unless it is called `above`."""

    low: float
    high: float
    above: bool = False

    def parse(self, found: object) -> float:
        """The number, or a refusal."""
        if isinstance(found, int | float) and not isinstance(found, bool) and self._holds(found):
            return float(found)
        raise refusal(found, "a number", self.allowed)

    @property
    def allowed(self) -> str:
        """The bounds."""
        return f"{'> ' if self.above else ''}{self.low:.10g} … {self.high:.10g}"

    def _holds(self, found: float) -> bool:
        return (self.low < found if self.above else self.low <= found) and found <= self.high

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse, _write_number)


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration between two bounds in seconds, both included, or the word "run" where `or_run` allows it."""

    low_s: float
    high_s: float
    or_run: bool = False

    def parse(self, found: object) -> float:
        """Seconds, infinite for "run", or a refusal."""
        if self.or_run and found == RUN:
            return math.inf
        seconds = parse_duration(found) if isinstance(found, str) else None
        if seconds is not None and self.low_s <= seconds <= self.high_s:
            return seconds
        raise refusal(found, 'a duration such as "500ms", "90s" or "1h30m"', self.allowed)

    @property
    def allowed(self) -> str:
        """The bounds."""
        bounds = f'"{format_duration(self.low_s)}" … "{format_duration(self.high_s)}"'
        return f'{bounds} or "{RUN}"' if self.or_run else bounds

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse, format_duration)


@dataclass(frozen=True, slots=True)
class Text:
    """A string that matches a pattern as a whole; `allowed` is the pattern in words.

    What was found stays out of the refusal where it may be a secret in the wrong place.
    """

    pattern: str
    allowed: str
    may_be_secret: bool = False

    def parse(self, found: object) -> str:
        """The string, or a refusal."""
        if isinstance(found, str) and re.fullmatch(self.pattern, found):
            return found
        if self.may_be_secret:
            raise PydanticCustomError(REFUSED, "expected a string of another form", {"allowed": self.allowed})
        raise refusal(found, "a string", self.allowed)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse)


@dataclass(frozen=True, slots=True)
class Choice[Kind: StrEnum]:
    """One word of a closed list."""

    kind: type[Kind]

    def parse(self, found: object) -> Kind:
        """The member that the word names, or a refusal."""
        for member in self.kind:
            if isinstance(found, str) and found == member.value:
                return member
        raise refusal(found, "one of a closed list", self.allowed)

    @property
    def allowed(self) -> str:
        """Every word."""
        return " | ".join(self.kind)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse, str)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def parse(self, found: object) -> bool:
        """The flag, or a refusal."""
        if isinstance(found, bool):
            return found
        raise refusal(found, "true or false", "true | false")

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse)


@dataclass(frozen=True, slots=True)
class Words:
    """An object of short strings: at most `most` of them, keys and values matching a pattern each."""

    most: int
    key: str
    value: str
    allowed: str

    def parse(self, found: object) -> Mapping[str, str]:
        """The strings by key, or a refusal."""
        if isinstance(found, dict) and len(found) <= self.most and all(self._holds(*item) for item in found.items()):
            return dict(found)
        raise refusal(found, "an object of strings", self.allowed)

    def _holds(self, key: str, value: object) -> bool:
        return bool(re.fullmatch(self.key, key)) and isinstance(value, str) and bool(re.fullmatch(self.value, value))

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse)


@dataclass(frozen=True, slots=True)
class Figures:
    """An object of numbers above zero, each under one of the names given."""

    names: frozenset[str]

    def parse(self, found: object) -> Mapping[str, float]:
        """The numbers by name, or a refusal."""
        if isinstance(found, dict) and found.keys() <= self.names:
            return {name: Number(0, 1e12, above=True).parse(value) for name, value in found.items()}
        raise refusal(found, "an object of numbers by known names", " | ".join(sorted(self.names)))

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(self.parse)


def _write_number(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _schema(parse: Callable[[Any], object], write: Callable[[Any], object] | None = None) -> CoreSchema:
    if write is None:
        return core_schema.no_info_plain_validator_function(parse)
    return core_schema.no_info_plain_validator_function(
        parse, serialization=core_schema.plain_serializer_function_ser_schema(write)
    )
