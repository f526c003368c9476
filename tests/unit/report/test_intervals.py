import csv
import io
from collections.abc import Callable

from engine.measure.timeline import Timeline
from engine.report.intervals import timeline_csv
from engine.report.results import RunResult


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_timeline_csv_of_a_troubled_run(troubled: RunResult, golden: Callable[[str, str], None]) -> None:
    """The CSV of a run in which everything went wrong once."""
    golden("troubled.csv", timeline_csv(troubled.timeline))


def test_timeline_csv_balances(troubled: RunResult) -> None:
    """Over all lines started is what ended, and the last line of each series leaves nothing in flight."""
    rows = _rows(timeline_csv(troubled.timeline))
    ended = ("ok", "failed", "late", "lost", "cancelled")
    assert sum(int(row["started"]) for row in rows) == sum(int(row[name]) for row in rows for name in ended)
    assert sum(int(row["due"]) for row in rows) == sum(int(row["started"]) + int(row["dropped"]) for row in rows)
    last = {(row["phase"], row["operation"], row["hub"]): row["in_flight"] for row in rows}
    assert set(last.values()) == {"0"}


def test_timeline_csv_has_the_asked_percentiles(calm: RunResult) -> None:
    """Columns are named after the percentiles; values are milliseconds."""
    text = timeline_csv(calm.timeline, (50.0, 99.9))
    rows = _rows(text)
    assert {name for name in rows[0] if name.endswith("_ms")} == {
        f"{kind}{name}_ms" for kind in ("", "actual_") for name in ("p50", "p99.9", "avg", "max")
    }
    assert (rows[0]["start_s"], rows[0]["end_s"], rows[0]["p50_ms"]) == ("0", "5", "40.000")
    assert text.endswith("\r\n")


def test_timeline_csv_of_nothing_is_its_heading() -> None:
    """A run that measured nothing has a table without lines."""
    assert _rows(timeline_csv(Timeline(10))) == []
