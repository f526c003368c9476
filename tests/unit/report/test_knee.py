"""What only a search's report says."""

from dataclasses import replace
from typing import Any

import pytest

from engine.report.knee import knee_lines, knee_warnings
from engine.report.render import report_markdown
from engine.report.results import RunResult
from engine.report.summary import summary

CURVE = [
    {"rate": 10.0, "beginS": 0.0, "endS": 60.0, "starts": 8, "dropped": 0, "value": 0.0, "held": True},
    {"rate": 15.0, "beginS": 60.0, "endS": 120.0, "starts": 11, "dropped": 0, "value": None, "held": True},
    {"rate": 22.5, "beginS": 120.0, "endS": 180.0, "starts": 200, "dropped": 30, "value": 0.25, "held": False},
]


def found(held: float | None = 15.0, failed: float | None = 22.5, limited: str | None = "service") -> dict[str, Any]:
    """What a search found."""
    return {
        "unitS": 60.0,
        "stopWhen": "cert.issued:throttled share>0.05",
        "knee": {"held": held, "failed": failed, "limitedBy": limited},
        "curve": CURVE,
    }


def result_of(calm: RunResult, search: dict[str, Any] | None) -> RunResult:
    """A run that searched."""
    return replace(calm, facts=replace(calm.facts, search=search, spec={"load": {"timeUnit": "1m"}}))


def test_knee_is_told_with_its_curve(calm: RunResult) -> None:
    """Both sides of it, why the search ended, and a row per rate."""
    lines = list(knee_lines(result_of(calm, found())))
    assert lines[0] == "## The knee"
    assert lines[2].startswith("Highest rate that held: 15.0 per 1m; lowest that did not: 22.5 per 1m. Between the two")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + len(CURVE)
    assert rows[0].count("|") == rows[-1].count("|")
    assert ["yes" in row for row in rows[2:]] == [True, True, False]
    assert "throttled share" in rows[0]


@pytest.mark.parametrize(
    ("limited", "text"),
    [
        ("harness", "Limited by the harness"),
        ("time", "The run ended before the search did."),
        (None, "The search goes on."),
    ],
)
def test_knee_says_what_ended_the_search(calm: RunResult, limited: str | None, text: str) -> None:
    """A rate that was not offered is never called a knee."""
    line = list(knee_lines(result_of(calm, found(None, None, limited))))[2]
    assert "Highest rate that held: none; lowest that did not: none." in line
    assert text in line
    assert "knee of the service" not in line


def test_knee_is_no_part_of_other_runs(calm: RunResult) -> None:
    """Neither of the report nor of the summary."""
    assert list(knee_lines(calm)) == []
    assert "search" not in summary(calm)
    assert "The knee" not in report_markdown(calm)


def test_knee_is_in_report_and_summary(calm: RunResult) -> None:
    """As it was found."""
    result = result_of(calm, found())
    assert summary(result)["search"] == found()
    assert "## The knee" in report_markdown(result)


def test_search_that_the_harness_limited_is_a_warning() -> None:
    """With the share of starts that was not offered; nothing else is worth one."""
    assert knee_warnings(found(limited="harness")) == [
        "the rate search was limited by the harness: 15.0 % of the starts at its last rate were dropped"
    ]
    for search in (
        None,
        found(),
        found(limited="time"),
        found(limited=None),
        {**found(limited="harness"), "curve": []},
    ):
        assert knee_warnings(search) == []
