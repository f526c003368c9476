import json
from collections.abc import Callable
from dataclasses import replace

from engine.measure.tally import Tally
from engine.measure.timeline import Timeline
from engine.report.change import (
    change_headings,
    change_rows,
    comparison_lines,
    headline,
    main_change,
    operation_notes,
    spec_changes,
)
from engine.report.compare import compare
from engine.report.render import report_markdown
from engine.report.results import RunResult
from engine.report.summary import summary
from engine.report.units import NOTHING


def compared(run: RunResult, to: RunResult) -> RunResult:
    """The run, with the other one as its baseline."""
    return replace(run, facts=replace(run.facts, baseline=to.side()))


def test_report_of_a_run_with_a_baseline(
    troubled: RunResult, calm: RunResult, golden: Callable[[str, str], None]
) -> None:
    """The section on the baseline stands after the thresholds, with everything from outside escaped."""
    report = report_markdown(compared(troubled, calm))
    section = report[report.index("## Compared with") : report.index("## Do the sums agree?")]
    golden("compared.md", section)


def test_summary_of_a_run_with_a_baseline_has_the_same_comparison(troubled: RunResult, calm: RunResult) -> None:
    """The document that the API answers with; without a baseline there is none."""
    assert summary(compared(troubled, calm))["comparison"] == compare(troubled.side(), calm.side())
    assert "comparison" not in summary(troubled)
    assert "## Compared with" not in report_markdown(troubled)


def test_rows_leave_out_what_is_nothing_on_both_sides(calm: RunResult) -> None:
    """A calm run shows what was due, what was ok, how fast; no failures."""
    found = compare(calm.side(), replace(calm.side(), run_id="churn-0"))
    assert change_headings(found) == ("operation", "number", "churn-1", "churn-0", "change")
    assert change_rows(found) == [
        ("hub.connect", "due", "10", "10", "0 %"),
        ("", "ok", "10", "10", "0 %"),
        ("", "rate/s", "1.00", "1.00", "0 %"),
        ("", "p50 ms ?", "40.0", "40.0", "0 %"),
        ("", "p99.9 ms ?", "40.0", "40.0", "0 %"),
    ]


def test_rows_show_what_failed_on_one_side(troubled: RunResult, calm: RunResult) -> None:
    """Failures, drops and the share of both appear as soon as one side has any; missing numbers are dashes."""
    found = compare(calm.side(), troubled.side())
    rows = [row[1:] for row in change_rows(found)]
    assert ("lost", NOTHING, "1", NOTHING) in rows
    assert ("dropped", NOTHING, "2", NOTHING) in rows
    assert any(row[0] == "failed of started" for row in rows)
    assert ("tls avg ms", NOTHING, "200", NOTHING) in rows


def test_comparison_of_nothing_is_a_headline(calm: RunResult) -> None:
    """No table without a number, and no list without an entry."""
    empty = replace(calm, timeline=Timeline(5), total=Tally())
    lines = list(comparison_lines(compared(empty, replace(empty, facts=replace(empty.facts, run_id="churn-0")))))
    told = "Run churn-1 beside run churn-0: churn, passed, created 2026-01-01T00:00:00.000Z."
    assert lines == ["## Compared with churn-0", "", told]


def test_headline_says_what_is_beside_what(calm: RunResult) -> None:
    """Name, verdict and age of the other run; a run that goes on is compared so far."""
    found = compare(calm.side(), replace(calm.side(), run_id="churn-0", verdict=None, is_partial=True))
    told = "churn, not judged yet, created 2026-01-01T00:00:00.000Z"
    assert headline(found) == f"Run churn-1 beside run churn-0 so far: {told}"


def test_spec_changes_are_short(calm: RunResult) -> None:
    """A long value is cut, a missing one named as such."""
    one = replace(calm.side(), spec={"cases": ["001"] * 50})
    other = replace(calm.side(), run_id="old", spec={"load": {"rate": 5}})
    cut, missing = spec_changes(compare(one, other))
    assert cut == f"spec /cases is {json.dumps(['001'] * 50)[:60]}…, in run old not used"
    assert missing == 'spec /load is not used, in run old {"rate": 5}'


def test_main_change_is_one_line(troubled: RunResult, calm: RunResult) -> None:
    """Rate and percentiles of the main operation, or that there is none."""
    assert main_change(compare(calm.side(), calm.side())) == (
        "hub.connect rate/s 1.00 after 1.00 (0 %), p50 ms ? 40.0 after 40.0 (0 %)"
    )
    other = replace(calm.side(), main=troubled.facts.main)
    assert main_change(compare(other, other)) == "cert.issued was measured in neither run"


def test_operation_notes_name_their_operation(troubled: RunResult, calm: RunResult) -> None:
    """One line each."""
    notes = operation_notes(compare(troubled.side(), calm.side()))
    assert "state.save: only in run nightly-7" in notes
