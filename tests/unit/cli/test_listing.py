"""Runs and schedules as tables."""

from io import StringIO

import pytest
from rich.console import Console

from engine.cli import listing
from engine.report.units import NOTHING

NOW = 1_767_268_800.0
"""2026-01-01T12:00:00Z."""
RUN = {
    "runId": "run-1",
    "name": "nightly [x]",
    "scenario": "provision",
    "target": "env",
    "labels": {"team": "iot", "ring": "a\x1b[2J"},
    "state": "finished",
    "verdict": "failed",
    "created": "2026-01-01T11:57:00.000Z",
    "startedBy": "",
}
SCHEDULE = {
    "name": "nightly",
    "spec": {"scenario": "provision", "target": "env", "devices": {"count": 5}},
    "cron": "0 30 2 * * *",
    "timeZone": "Europe/Berlin",
    "overlap": "skip",
    "enabled": True,
    "next": ["2026-01-02T02:30:00+01:00", "2026-01-03T02:30:00+01:00"],
    "last": {"firing": "2026-01-01T02:30:00+01:00", "became": "started", "runId": "nightly-20260101-0130"},
    "lately": [{"firing": "2026-01-01T02:30:00+01:00", "became": "skipped", "why": "run x goes on"}],
}


def drawn(found, **options):
    """The lines of it on a terminal of 200 columns."""
    console = Console(width=200, record=True, file=StringIO(), **options)
    console.print(found)
    return [" ".join(line.split()) for line in console.export_text(styles=bool(options)).splitlines()]


def test_run_is_a_row():
    """What it is, how it went, how long ago; nothing in it moves the cursor or is markup."""
    assert drawn(listing.runs([RUN], now=NOW)) == [
        "run name scenario target state verdict accepted by labels",
        f"run-1 nightly [x] provision env finished failed 3 min ago {NOTHING} team=iot ring=a [2J",
    ]


def test_run_without_a_verdict_has_a_dash():
    """It goes on."""
    [_, row] = drawn(listing.runs([{**RUN, "verdict": None, "labels": {}, "startedBy": "schedule nightly"}], now=NOW))
    assert row == f"run-1 nightly [x] provision env finished {NOTHING} 3 min ago schedule nightly"


@pytest.mark.parametrize(
    ("word", "style"), [("passed", "bold green"), ("cancelled", "bold yellow"), ("aborted", "bold red"), (None, "")]
)
def test_verdict_has_its_colour(word, style):
    """Green, yellow where a person wanted it so, red."""
    assert listing.verdict(word).style == style


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-01-01T12:00:00.500Z", "just now"),
        ("2026-01-01T11:59:48.000Z", "12 s ago"),
        ("2026-01-01T11:00:01.000Z", "59 min ago"),
        ("2026-01-01T09:00:00.000Z", "3 h ago"),
        ("2025-12-30T12:00:00.000Z", "2 d ago"),
        (None, NOTHING),
        ("some day", "some day"),
    ],
)
def test_moment_is_told_by_how_long_ago_it_was(moment, told):
    """In its largest unit; a clock that is ahead of ours is no riddle."""
    assert listing.ago(moment, NOW) == told


def test_schedule_is_a_row():
    """When it fires, when next, and what became of the last."""
    [_, row] = drawn(listing.schedules([SCHEDULE]))
    assert row == (
        "nightly provision 0 30 2 * * * Europe/Berlin 2026-01-02T02:30:00+01:00 "
        "2026-01-01T02:30:00+01:00 started nightly-20260101-0130"
    )


def test_schedule_that_is_spent_or_disabled_says_so():
    """Nothing comes next, for different reasons."""
    spent = {**SCHEDULE, "cron": None, "at": "2026-01-01T02:30:00+01:00", "next": [], "last": None}
    rows = drawn(listing.schedules([spent, {**spent, "enabled": False}]))[1:]
    assert rows == [
        f"nightly provision once at 2026-01-01T02:30:00+01:00 {NOTHING} {NOTHING}",
        f"nightly provision once at 2026-01-01T02:30:00+01:00 disabled {NOTHING}",
    ]


def test_one_schedule_is_told_in_lines():
    """What, when, next and lately."""
    assert drawn(listing.schedule(SCHEDULE)) == [
        "schedule nightly: 0 30 2 * * * Europe/Berlin, overlap skip",
        "starts provision on env with 5 devices",
        "next: 2026-01-02T02:30:00+01:00, 2026-01-03T02:30:00+01:00",
        "lately: 2026-01-01T02:30:00+01:00 skipped run x goes on",
    ]
    assert drawn(listing.schedule({**SCHEDULE, "enabled": False, "next": []}))[0].endswith("overlap skip, disabled")
