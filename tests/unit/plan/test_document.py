"""Bytes to a JSON object, and every problem by its pointer."""

import contextlib
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from engine.errors import Problem, SpecError, SpecTooLarge
from engine.plan.document import DEEPEST, MOST_PROBLEMS, parse_document, pointer, problems_of, section_at, take
from engine.plan.field import Section, Whole


class Inner(Section):
    """One field that must be given."""

    size: Annotated[int, Whole(1, 5)]
    colour: str = ""


class Outer(Section):
    """Sections in every way a document holds them."""

    one: Inner | None = None
    many: Annotated[tuple[Inner, ...], Field(max_length=2)] = ()
    plain: str = ""


def refused(body: bytes) -> tuple[Problem, ...]:
    """The problems of a body that is refused."""
    with pytest.raises(SpecError) as caught:
        parse_document(body, limit_bytes=1_000_000)
    return caught.value.problems


def found_in(document: object) -> list[Problem]:
    """The problems of a document as an Outer."""
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document)
    return problems_of(caught.value, Outer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b"{", "not JSON: "),
        (b"", "not JSON: "),
        (b"\xef\xbb\xbf{}", "not JSON: "),
        (b'{"a": NaN}', "not JSON: a number"),
        (b'{"a": -Infinity}', "not JSON: a number"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not JSON: a number"),
        (b"[]", "expected an object, found a list"),
        (b"3", "expected an object, found 3"),
        (b"[" * 900_000, "nested too deeply"),
        (b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}", "nested too deeply"),
    ],
)
def test_parse_document_refuses_what_is_no_object(body: bytes, message: str):
    """What is not a JSON object in UTF-8 is one problem of the whole document, at the empty pointer."""
    (problem,) = refused(body)
    assert problem.path == ""
    assert problem.message.startswith(message)
    assert problem.allowed


def test_parse_document_takes_what_is_just_deep_enough():
    """The deepest level allowed is allowed."""
    levels = DEEPEST - 1
    assert parse_document(b'{"a":' + b"[" * levels + b"]" * levels + b"}", limit_bytes=1_000)


def test_parse_document_refuses_a_large_body_unread():
    """One byte over the limit is refused with both sizes, whatever the bytes are."""
    with pytest.raises(SpecTooLarge) as caught:
        parse_document(b"\xff" * 11, limit_bytes=10)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (11, 10)


def test_parse_document_names_every_repeated_name():
    """A name given twice in one object is a problem at its own pointer, wherever it lies."""
    problems = refused(b'{"a": 1, "a": 2, "b": [{"c/d": 1, "e": 2, "c/d": 3}], "f": {"a": 1}}')
    assert {problem.path for problem in problems} == {"/a", "/b/0/c~1d"}
    assert {problem.message for problem in problems} == {"given more than once"}


@pytest.mark.parametrize(("location", "path"), [((), ""), (("a", 0), "/a/0"), (("~", "/"), "/~0/~1"), (("",), "/")])
def test_pointer_escapes_its_parts(location: tuple[str | int, ...], path: str):
    """Tilde and slash in a name are escaped as RFC 6901 says."""
    assert pointer(location) == path


def test_problems_speak_for_every_place():
    """Missing, unknown, misplaced and too many: each problem says where, what was found and what is allowed."""
    document = {"one": {"seize": 1}, "many": [{"size": 9}, 7], "plane": 1}
    assert found_in(document) == [
        Problem("/one/size", "needed, but not given", "1 … 5"),
        Problem("/one/seize", "unknown field, did you mean size", "size | colour"),
        Problem("/many/0/size", "expected a whole number, found 9", "1 … 5"),
        Problem("/many/1", "expected an object, found 7", "an object"),
        Problem("/plane", "unknown field, did you mean plain", "one | many | plain"),
    ]


def test_problems_of_a_list():
    """A list that is none, or too long, is one problem of the list."""
    assert found_in({"many": {}}) == [Problem("/many", "expected a list, found an object", "a list")]
    assert found_in({"many": [{"size": 1}] * 3}) == [Problem("/many", "expected fewer entries, found 3", "≤ 2")]


def test_problems_of_a_field_without_a_rule_name_nothing():
    """A needed field whose kind has no words for its bounds is still named."""

    class Bare(Section):
        one: Inner

    with pytest.raises(ValidationError) as caught:
        Bare.model_validate({})
    assert problems_of(caught.value, Bare, at=("x",)) == [Problem("/x/one", "needed, but not given", "")]


def test_problems_are_bounded():
    """A document of nothing but unknown names yields a bounded number of problems, without suggestions from afar."""
    problems = found_in({f"{number}" * 3: 1 for number in range(1_000)})
    assert len(problems) == MOST_PROBLEMS
    assert problems[0].message == "unknown field"


def test_section_at_follows_lists_and_optionals():
    """The model of a place is found through lists and optional fields."""
    assert section_at(Outer, ()) is Outer
    assert section_at(Outer, ("one",)) is Inner
    assert section_at(Outer, ("many", 3)) is Inner


@pytest.mark.parametrize(
    ("path", "found"), [("", {"a": {"b": 1}}), ("/a/b", 1), ("/a/b/c", None), ("/x", None), ("/x/y", None)]
)
def test_take_finds_what_lies_there(path: str, found: object):
    """A pointer into nothing finds None."""
    assert take({"a": {"b": 1}}, path) == found


@given(st.binary(max_size=200))
def test_parse_document_returns_an_object_or_refuses(body: bytes):
    """Arbitrary bytes are an object or a documented error."""
    with contextlib.suppress(SpecError, SpecTooLarge):
        assert isinstance(parse_document(body, limit_bytes=100), dict)
