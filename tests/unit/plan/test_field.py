"""What a field of a document accepts, and how it writes it back."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from engine.plan.field import (
    Choice,
    Duration,
    Figures,
    Flag,
    Number,
    Section,
    Text,
    Whole,
    Words,
    format_duration,
    parse_duration,
    show,
)


class Colour(StrEnum):
    """Two words to choose from."""

    RED = "red"
    BLUE = "dark-blue"


class Sheet(Section):
    """One field of each kind."""

    how_many: Annotated[int, Whole(1, 10)] = 1
    share: Annotated[float, Number(0, 1)] = 0.5
    wait_s: Annotated[float, Duration(0, 60, or_run=True)] = 1.5
    size_bytes: Annotated[int, Whole(1, 10)] = 1
    name: Annotated[str, Text("[a-z]+", "a-z")] = "a"
    colour: Annotated[Colour, Choice(Colour)] = Colour.RED
    is_new: Annotated[bool, Flag()] = True
    labels: Annotated[Mapping[str, str], Words(2, "[a-z]", "[0-9]?", "two")] = {}
    quotas: Annotated[Mapping[str, float], Figures(frozenset({"a", "b"}))] = {}


REFUSED: list[tuple[Any, Any]] = [
    (Whole(1, 10), 0),
    (Whole(1, 10), 11),
    (Whole(1, 10), True),
    (Whole(1, 10), 2.0),
    (Whole(1, 10), "2"),
    (Whole(1, 10), None),
    (Number(0, 1), 1.01),
    (Number(0, 1), False),
    (Number(0, 1), "0.5"),
    (Number(0, 1), math.nan),
    (Number(0, math.inf), math.nan),
    (Number(0, 1), math.inf),
    (Number(0, 1), 10**400),
    (Number(0, 1, above=True), 0),
    (Duration(1, 60), 5),
    (Duration(1, 60), "5"),
    (Duration(1, 60), ""),
    (Duration(1, 60), "run"),
    (Duration(1, 60), "999ms"),
    (Duration(1, 60), "1m1ms"),
    (Duration(1, 60), "-5s"),
    (Duration(1, 60), "1.5s"),
    (Duration(1, 60), "5 s"),
    (Duration(1, 60), "5s\n"),
    (Duration(1, 60), "\u0665s"),
    (Duration(1, 60), ["5s"]),
    (Text("[a-z]+", "a-z"), "A"),
    (Text("[a-z]+", "a-z"), "a\n"),
    (Text("[a-z]+", "a-z"), 1),
    (Choice(Colour), "green"),
    (Choice(Colour), "RED"),
    (Choice(Colour), None),
    (Flag(), 1),
    (Flag(), "true"),
    (Words(1, "[a-z]", "[0-9]", "one"), {"a": "1", "b": "2"}),
    (Words(1, "[a-z]", "[0-9]", "one"), {"A": "1"}),
    (Words(1, "[a-z]", "[0-9]", "one"), {"a": "x"}),
    (Words(1, "[a-z]", "[0-9]", "one"), {"a": 1}),
    (Words(1, "[a-z]", "[0-9]", "one"), []),
    (Figures(frozenset({"a"})), {"b": 1}),
    (Figures(frozenset({"a"})), {"a": 0}),
    (Figures(frozenset({"a"})), 1),
]


@pytest.mark.parametrize(("field", "found"), REFUSED)
def test_field_refuses_what_it_does_not_name(field: Any, found: object):
    """Nothing is coerced: a value of another type, outside the bounds or otherwise written is refused."""
    with pytest.raises(PydanticCustomError) as caught:
        field.parse(found)
    assert caught.value.type == "refused"
    assert caught.value.message().startswith("expected ")
    assert caught.value.context["allowed"]


@pytest.mark.parametrize(
    ("field", "found", "value"),
    [
        (Whole(1, 10), 1, 1),
        (Whole(1, 10), 10, 10),
        (Number(0, 1), 0, 0.0),
        (Number(0, 1, above=True), 1, 1.0),
        (Duration(1, 60), "1m", 60.0),
        (Duration(1, 60), "1000ms", 1.0),
        (Duration(0, 60, or_run=True), "run", math.inf),
        (Text("[a-z]+", "a-z"), "abc", "abc"),
        (Choice(Colour), "dark-blue", Colour.BLUE),
        (Flag(), False, False),
        (Words(1, "[a-z]", "[0-9]", "one"), {"a": "1"}, {"a": "1"}),
        (Figures(frozenset({"a"})), {"a": 2}, {"a": 2.0}),
    ],
)
def test_field_takes_its_bounds(field: Any, found: object, value: object):
    """Both bounds are included, and the value comes out in the type the engine uses."""
    taken = field.parse(found)
    assert taken == value
    assert type(taken) is type(value)


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        (Whole(1, 10_000_000), "1 … 10000000"),
        (Number(0, 100_000, above=True), "> 0 … 100000"),
        (Number(0.05, 0.99), "0.05 … 0.99"),
        (Duration(0.1, 86_400), '"100ms" … "24h"'),
        (Duration(0, 86_400, or_run=True), '"0s" … "24h" or "run"'),
        (Choice(Colour), "red | dark-blue"),
        (Flag(), ""),
    ],
)
def test_field_says_what_it_allows(field: Any, allowed: str):
    """Bounds are written as a person would compare them."""
    assert getattr(field, "allowed", "") == allowed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("90s", 90.0),
        ("1h30m", 5_400.0),
        ("7d", 604_800.0),
        ("1d1h1m1s1ms", 90_061.001),
        ("0s", 0.0),
        ("30m1h", None),
        ("s", None),
        ("1", None),
        ("", None),
        ("9999999999999s", None),
    ],
)
def test_duration_is_read_in_units_from_large_to_small(text: str, seconds: float | None):
    """A duration is whole numbers with units, each unit once, the larger one first."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (90.0, "1m30s"), (0.5, "500ms"), (86_400.0, "24h"), (667.0, "11m7s"), (math.inf, "run")],
)
def test_duration_is_written_in_the_largest_units(seconds: float, text: str):
    """Hours are the largest unit written, and infinity is the whole run."""
    assert format_duration(seconds) == text


@given(st.integers(0, 10**12))
def test_duration_written_is_read_as_itself(milliseconds: int):
    """Every whole number of milliseconds survives being written and read."""
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ({}, "an object"),
        ([1], "a list"),
        (None, "null"),
        (True, "true"),
        ("a\n", '"a\\n"'),
        ("x" * 99, '"' + "x" * 59 + "…"),
    ],
)
def test_show_keeps_to_one_short_line(found: object, shown: str):
    """A found value is shown as JSON, cut where it would fill the message."""
    assert show(found) == shown


def test_section_names_fields_without_their_units():
    """JSON names are camelCase and leave the unit to the value."""
    assert set(Sheet().model_dump(by_alias=True)) == {
        "howMany", "share", "wait", "size", "name", "colour", "isNew", "labels", "quotas"
    }  # fmt: skip


def test_section_writes_what_it_read():
    """A dumped section is JSON that validates to an equal section."""
    document = {
        "howMany": 3,
        "share": 1,
        "wait": "run",
        "colour": "dark-blue",
        "labels": {"a": "1"},
        "quotas": {"b": 2},
    }
    sheet = Sheet.model_validate(document)
    dumped = sheet.model_dump(mode="json", by_alias=True)
    assert dumped["wait"] == "run"
    assert dumped["share"] == 1
    assert isinstance(dumped["share"], int)
    assert dumped["colour"] == "dark-blue"
    assert Sheet.model_validate(dumped) == sheet
    assert Sheet.model_validate_json(sheet.model_dump_json(by_alias=True)) == sheet
    assert Sheet().model_dump(mode="json", by_alias=True)["share"] == 0.5
