"""A refused spec for people."""

from io import StringIO

from rich.console import Console

from engine.cli import refusal
from engine.cli.errors import SpecRefused, Unreachable
from engine.errors import Problem, RunRefused, SettingsError, SpecError, SpecTooLarge

PROBLEMS = (
    Problem("/load/rate", "needed by constant-arrival-rate", "> 0 … 100000"),
    Problem("", "not JSON", "a JSON object"),
)


def drawn(refused):
    """The lines of it."""
    console = Console(width=120, record=True, file=StringIO())
    console.print(refusal.rendered(refused))
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_every_problem_has_its_place_and_what_is_allowed():
    """One row each, under one line that says how many."""
    assert drawn(SpecRefused(400, "spec-invalid", "…", problems=PROBLEMS)) == [
        "the spec was refused (spec-invalid), 2 problems:",
        "where problem allowed",
        "/load/rate needed by constant-arrival-rate > 0 … 100000",
        "/ not JSON a JSON object",
    ]


def test_refusal_without_problems_is_one_line():
    """A run over quota is told by its message."""
    refused = SpecRefused(422, "over-quota", "the run needs 7 devices, MAX_DEVICES is 5")
    assert drawn(refused) == ["the spec was refused (over-quota): the run needs 7 devices, MAX_DEVICES is 5"]


def test_refusal_before_posting_looks_the_same():
    """A file that is no spec is refused in the same words."""
    assert drawn(SpecError(PROBLEMS[1:]))[0] == "the spec was refused (spec-invalid), 1 problem:"
    assert drawn(SpecTooLarge(9, 5))[0].startswith("the spec was refused (too-large): the body has 9 bytes")


LIMIT = {"name": "MAX_DEVICES", "value": "5", "need": "7", "unit": "devices", "source": "a setting of this server"}


def test_limit_in_the_way_is_told():
    """Its value, what was needed and who says so: the same from here and from a host."""
    there = SpecRefused(422, "over-quota", "the run needs 7 devices", limit=LIMIT)
    named = {name: value for name, value in LIMIT.items() if name != "name"}
    here = RunRefused("over-quota", "the run needs 7 devices", limit="MAX_DEVICES", **named)
    assert drawn(there) == drawn(here)
    assert drawn(here)[1] == "limit MAX_DEVICES: 5 devices, needed 7 devices (a setting of this server)"
    assert refusal.to_json(there) == refusal.to_json(here)
    assert refusal.to_json(here)["limit"] == LIMIT


def test_any_error_is_one_json_value():
    """Of the shape in which the API answers it."""
    assert refusal.to_json(Unreachable("gone")) == {"code": "unreachable", "message": "gone", "errors": []}
    assert refusal.to_json(SpecRefused(400, "spec-invalid", "bad", problems=PROBLEMS[:1]))["errors"] == [
        {"path": "/load/rate", "message": "needed by constant-arrival-rate", "allowed": "> 0 … 100000"}
    ]
    wrong = refusal.to_json(SettingsError({"MAX_DEVICES": "expected a number"}))
    assert wrong["errors"] == [{"path": "MAX_DEVICES", "message": "expected a number", "allowed": ""}]
