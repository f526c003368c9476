"""The stand-in for a workspace: percentilew by hand, and what becomes of an envelope."""

from typing import Any

import pytest
from kql.envelopes import envelope
from kql.fiction import Told
from kql.rows import milliseconds, rows_of
from kql.workspace import Workspace

from engine.measure.signal import Count, Level, Metric, Spread
from engine.protocol.envelope import read_envelope

TABLE = "let t = datatable(ms: real, n: long, k: string)[{rows}]; t | summarize found = percentilew(ms, n, {at}) by k"


@pytest.mark.parametrize(
    ("rows", "at", "found"),
    [
        ("1.0, 1, 'a', 2.0, 1, 'a', 3.0, 1, 'a', 4.0, 1, 'a'", "50", 2.0),
        ("1.0, 1, 'a', 2.0, 1, 'a', 3.0, 1, 'a', 4.0, 1, 'a'", "75", 3.0),
        ("1.0, 1, 'a', 2.0, 1, 'a', 3.0, 1, 'a', 4.0, 1, 'a'", "76", 4.0),
        ("4.0, 1, 'a', 1.0, 97, 'a', 2.0, 2, 'a'", "97", 1.0),
        ("4.0, 1, 'a', 1.0, 97, 'a', 2.0, 2, 'a'", "98", 2.0),
        ("4.0, 1, 'a', 1.0, 97, 'a', 2.0, 2, 'a'", "99.9", 4.0),
        ("7.5, 3, 'a'", "1", 7.5),
    ],
)
def test_percentilew_is_the_nearest_rank_by_weight(rows: str, at: str, found: float) -> None:
    """The smallest value up to which the weights reach the share of the whole, worked out by hand."""
    assert Workspace().ask(TABLE.format(rows=rows, at=at)) == [{"k": "a", "found": found}]


def test_percentilew_is_of_each_group() -> None:
    """Groups do not mix."""
    rows = Workspace().ask(TABLE.format(rows="1.0, 9, 'a', 2.0, 1, 'a', 5.0, 1, 'b'", at="90"))
    assert {row["k"]: row["found"] for row in rows} == {"a": 1.0, "b": 5.0}


@pytest.mark.parametrize(
    ("signal", "figures"),
    [
        (Count(Metric.OPERATIONS, 0.0, 7, {"runId": "r"}), {"Sum": 7.0, "Min": None, "Max": None, "ItemCount": 1}),
        (Level(Metric.IN_FLIGHT, 0.0, 3.0, {"runId": "r"}), {"Sum": 3.0, "Min": None, "Max": None, "ItemCount": 1}),
        (
            Spread(Metric.DURATION, 0.0, 4, 10.0, 1.0, 4.0, {"runId": "r"}),
            {"Sum": 10.0, "Min": 1.0, "Max": 4.0, "ItemCount": 4},
        ),
    ],
)
def test_metric_is_a_row_of_its_figures(signal: Any, figures: dict[str, Any]) -> None:
    """A histogram's row counts its measurements, every other row is one."""
    [(table, row)] = rows_of(envelope(signal, "w"))
    assert table == "AppMetrics"
    assert {name: row[name] for name in figures} == figures
    assert (row["Name"], row["Properties"], row["AppRoleInstance"]) == (signal.name, {"runId": "r"}, "w")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0.00:00:01.500", 1500.0),
        ("1.02:03:04.005", 93_784_005.0),
        ("00:00:00.0421234", 42.1234),
        ("00:01:00", 60_000.0),
    ],
)
def test_duration_is_read_to_the_tick(text: str, found: float) -> None:
    """Days, hours, minutes, seconds and what follows the point."""
    assert milliseconds(text) == pytest.approx(found)


def test_envelopes_of_fiction_are_what_the_service_takes(told: dict[str, Told]) -> None:
    """Each passes the reader that the capture endpoint uses."""
    assert all(read_envelope(item).run_id == run_id for run_id, run in told.items() for item in run.envelopes())
