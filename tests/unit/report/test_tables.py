"""What a report tells in rows."""

from dataclasses import replace

from engine.errors import Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.threshold import parse_threshold
from engine.measure.timeline import Timeline
from engine.report.results import BatchFacts, RunResult, conclude
from engine.report.storm import Storm
from engine.report.tables import (
    FAILED,
    HELD,
    MOST_ROWS,
    SKIPPED,
    batches_table,
    drops_table,
    emulator_table,
    failure_groups,
    failures_table,
    hubs_table,
    main_table,
    operations_table,
    parts_table,
    storm_table,
    thresholds_table,
)


def test_tables_have_as_many_cells_as_headings(troubled: RunResult) -> None:
    """Every row of every table fits its heading."""
    tables = (batches_table, drops_table, emulator_table, failures_table, hubs_table, main_table, operations_table)
    for make in (*tables, parts_table, thresholds_table):
        told = make(troubled)
        assert {len(row) for row in told.rows} == {len(told.headings)}, make.__name__


def test_main_operation_has_both_latencies(troubled: RunResult) -> None:
    """From when it was due, and from when it began; what has no latency stands beside them."""
    told = main_table(troubled)
    assert [row[:2] for row in told.rows] == [("intended: due to end", "19"), ("actual: begin to end", "19")]
    assert [dict(zip(told.headings, row, strict=True))["lost"] for row in told.rows] == ["1", "1"]


def test_storm_has_a_time_per_share() -> None:
    """And none for a share that was never connected."""
    told = storm_table(Storm({50: 0.5, 100: None}, lost=0))
    assert (told.headings, told.rows) == (("devices connected", "50 %", "100 %"), [("after ms", "500", "\u2013")])


def test_batches_show_their_worst_interval(troubled: RunResult) -> None:
    """Nothing where a batch left nothing."""
    rows = batches_table(troubled).rows
    assert rows[0] == ("batch 0", "finished", "worker_1", "1", "10", "19", "18", "12.0", "41.0 %", "11.7 %")
    assert set(rows[2][5:]) == {"\u2013"}


def test_failures_come_by_count_with_their_samples(troubled: RunResult) -> None:
    """Devices and what they were told, as it is: escaping is the page's."""
    first = failure_groups(troubled)[0]
    assert first.row == ("cert.issued", "throttled", "429002", "service", "2", "7.0", "8.0")
    assert first.samples == ["device-5: too many | requests, <slow> *down*", "device-6"]
    assert failures_table(troubled).rows[0] == (*first.row, "; ".join(first.samples))


def test_drops_of_a_failed_step_are_nobodys_yet(troubled: RunResult) -> None:
    """Whoever failed the step is to blame; for the rest the harness is."""
    assert [row[1:3] for row in drops_table(troubled).rows] == [
        (DropReason.BUSY, "harness"),
        (DropReason.STEP_FAILED, "whoever failed the step"),
    ]


def test_thresholds_say_what_became_of_them(calm: RunResult) -> None:
    """Held, failed or skipped, over what, and what was found."""
    thresholds = [
        parse_threshold("hub.connect", "p(95)<1000"),
        parse_threshold("hub.connect", "count<5", window_s=10, delay_s=5),
        parse_threshold("hub.connect", "p(95)<2*baseline"),
    ]
    rows = thresholds_table(conclude(calm.facts, calm.timeline, thresholds=thresholds)).rows
    assert [row[2] for row in rows] == [HELD, FAILED, SKIPPED]
    assert [row[1] for row in rows] == ["whole run", "every 10s after 5s", "whole run"]
    assert rows[2][3] == "there is no baseline"


def test_long_tables_say_how_much_they_leave_out(calm: RunResult) -> None:
    """Hundreds of batches and kinds of failure do not drown the rest."""
    timeline, series = Timeline(5), Series(Operation.HUB_CONNECT, Phase.STEADY)
    for n in range(MOST_ROWS + 3):
        timeline.begin(series, 0.0)
        timeline.settle(Sample(series, 0.0, 0.0, 1.0, Outcome.SERVER, code=f"5{n:03}"))
    facts = replace(calm.facts, batches=[BatchFacts(f"batch {n}", "finished") for n in range(MOST_ROWS + 1000)])
    result = conclude(facts, timeline)
    assert (failures_table(result).left_out, batches_table(result).left_out) == (3, 1000)
    assert (len(failures_table(result).rows), len(batches_table(result).rows)) == (MOST_ROWS, MOST_ROWS)


def test_one_hub_is_no_table(calm: RunResult) -> None:
    """Its numbers are those of the run."""
    assert hubs_table(calm).rows == []


def test_no_emulator_is_no_table(calm: RunResult) -> None:
    """There is nothing to stand beside."""
    assert emulator_table(calm).rows == []
