"""What the words of the command line may say."""

import argparse

import pytest

from engine.cli import values
from engine.cli.errors import WrongUsage

NOON = 1_767_268_800.0
"""2026-01-01T12:00:00Z."""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", "2026-01-01T10:00:00.000Z"),
        ("7d", "2025-12-25T12:00:00.000Z"),
        ("2026-01-01T10:00:00+01:00", "2026-01-01T10:00:00+01:00"),
        ("2026-01-01", "2026-01-01T00:00:00+00:00"),
    ],
)
def test_since_is_a_time_back_or_a_moment(text, moment):
    """A moment without a zone is one in UTC, as for the API."""
    assert values.since(text, NOON) == moment


@pytest.mark.parametrize("text", ["yesterday", "99999999d", f"{10**20}d", "2026-13-01"])
def test_since_that_is_neither_is_wrong_usage(text):
    """The sentence says what would have been right."""
    with pytest.raises(WrongUsage, match="--since: expected a time such as 2h or 7d"):
        values.since(text, NOON)


@pytest.mark.parametrize("text", ["", "../x", "RUN-1", "abc", "a" * 65, "run 1"])
def test_what_cannot_be_a_run_id_is_none(text):
    """A path of the API is not asked for by way of an id."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected a run id"):
        values.run_id(text)


def test_run_id_and_name_stay_as_given():
    """They go into a path."""
    assert values.run_id("20260101-120000-ab12cd") == "20260101-120000-ab12cd"
    assert values.schedule_name("a") == "a"


@pytest.mark.parametrize("text", ["", "Nightly", "a/b", "a" * 41])
def test_what_cannot_be_a_schedules_name_is_none(text):
    """As the API would say."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected a schedule's name"):
        values.schedule_name(text)
