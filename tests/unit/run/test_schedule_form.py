"""What may be put as a schedule."""

import json
from typing import Any

import pytest

from engine.errors import Problem
from engine.run.schedule_form import read_form
from engine.run.schedules import Overlap, Wish

NOW = 1_700_000_000.0
CRON = {"spec": {}, "cron": "0 30 2 * * *"}


def problems(given: dict[str, Any], kept: float | None = None) -> list[Problem]:
    """What is wrong with a document."""
    wish, found = read_form(given, now=NOW, kept=kept)
    assert (wish is None) == bool(found)
    return found


def test_smallest_schedule_has_defaults() -> None:
    """UTC, no overlap, enabled."""
    assert read_form(CRON, now=NOW, kept=None) == (Wish({}, cron="0 30 2 * * *"), [])


def test_every_field_is_taken() -> None:
    """The spec as it is, whatever is in it."""
    given = {**CRON, "spec": {"x": 1}, "timeZone": "Europe/Berlin", "overlap": "allow", "enabled": False}
    wish = Wish({"x": 1}, "0 30 2 * * *", time_zone="Europe/Berlin", overlap=Overlap.ALLOW, enabled=False)
    assert read_form(given, now=NOW, kept=None) == (wish, [])


@pytest.mark.parametrize(
    "text", ["2023-11-14T23:13:21+01:00", "2023-11-14T22:13:21Z", "2023-11-14t22:13:21.000000000z"]
)
def test_moment_is_rfc_3339_with_a_zone(text: str) -> None:
    """A second from now, in three ways; null stands for what is left out."""
    wish, found = read_form({"spec": {}, "at": text, "cron": None}, now=NOW, kept=None)
    assert (wish, found) == (Wish({}, at=NOW + 1.0), [])


@pytest.mark.parametrize(
    "at",
    [
        "2023-11-14T22:13:20Z",
        "2033-12-14T00:00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01",
        "2024-13-01T00:00:00Z",
        "2024-W01-1T00:00:00Z",
        "20240101T000000Z",
        "tomorrow",
        1_800_000_000,
    ],
)
def test_moment_that_is_past_far_or_unclear_is_refused(at: object) -> None:
    """Now is past; farther than ten years; without a zone; not RFC 3339."""
    assert [problem.path for problem in problems({"spec": {}, "at": at})] == ["/at"]


def test_moment_that_the_schedule_has_may_be_past() -> None:
    """Putting the same again is harmless, also after it has fired."""
    assert problems({"spec": {}, "at": "2023-11-14T22:13:00Z"}, kept=NOW - 20.0) == []
    assert problems({"spec": {}, "at": "2023-11-14T22:13:00Z"}, kept=NOW - 21.0) != []


@pytest.mark.parametrize("cron", ["0 30 2 * *", "* * * * * *", "{found}", "0 " * 400, 5])
def test_cron_that_is_no_ncrontab_is_refused(cron: object) -> None:
    """Also one of many thousand fields, and one that looks like a template."""
    (problem,) = problems({"spec": {}, "cron": cron})
    assert problem.path == "/cron"
    assert problem.allowed


def test_either_cron_or_moment_is_needed() -> None:
    """None of them, or both, is a problem."""
    assert [problem.path for problem in problems({"spec": {}})] == ["/cron"]
    assert [problem.path for problem in problems({**CRON, "at": "2023-11-14T22:13:21Z"})] == ["/at"]


def test_every_problem_is_told_at_once() -> None:
    """By path, unknown fields with what was meant."""
    given = {"spec": [], "timezone": "UTC", "timeZone": "Mars", "overlap": "wait", "enabled": 1}
    found = problems(given)
    assert [problem.path for problem in found] == ["/cron", "/enabled", "/overlap", "/spec", "/timeZone", "/timezone"]
    assert "timeZone" in found[-1].message
    assert "skip | allow" in found[2].allowed
    assert json.dumps([problem.message for problem in found])


def test_spec_is_needed() -> None:
    """There is nothing to start without one."""
    assert [problem.path for problem in problems({"cron": "0 30 2 * * *"})] == ["/spec"]
