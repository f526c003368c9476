"""A run's items, sorted out and counted."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from doubles.envelopes import event, line, metric, span
from engine.cli.telemetry import Sifted, counted, rendered
from engine.protocol.envelope import Table

ITEMS = [
    event("loadtest.run", status="started"),
    *[event("loadtest.interval")] * 3,
    metric("loadtest.operations"),
    span("hub.connect"),
    span("cert.issued"),
]


def document(*items):
    """The items, a JSON text a line."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def test_items_of_other_runs_are_left_out():
    """So are those of none, and a line that is torn."""
    sifted = Sifted("r-1")
    lines = document(event("a"), event("b", "r-2"), line("no run"), span("c")).splitlines()
    for one in [*lines, b'{"name": "x"', b""]:
        sifted.take(one)
    assert sifted.lines == [lines[0], lines[3]]
    assert not sifted.is_ended


def test_end_of_a_run_is_its_own():
    """Only the event that says finished, and only of this run."""
    sifted = Sifted("r-1")
    for one in (event("loadtest.run", status="started"), event("loadtest.batch", status="finished")):
        sifted.take(document(one))
    sifted.take(document(event("loadtest.run", "r-2", status="finished")))
    assert not sifted.is_ended
    sifted.take(document(event("loadtest.run", status="finished")))
    assert sifted.is_ended


def test_items_are_counted_by_table_and_name():
    """Tables in their order, those without items not at all."""
    found = counted(document(*ITEMS))
    assert list(found) == [Table.EVENTS, Table.METRICS, Table.DEPENDENCIES]
    assert found[Table.EVENTS] == {"loadtest.interval": 3, "loadtest.run": 1}


def test_items_are_shown_with_the_most_frequent_first():
    """One row per table; items without a name are only counted."""
    console = Console(width=100, record=True, file=StringIO())
    console.print(rendered(document(*ITEMS, line("text")), Path("out/r-1/telemetry.jsonl")))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert " ".join(lines[0]) == "what Application Insights would get: 8 items, in out/r-1/telemetry.jsonl"
    assert [" ".join(line) for line in lines[1:]] == [
        "AppEvents loadtest.interval 3, loadtest.run 1",
        "AppMetrics loadtest.operations 1",
        "AppTraces 1",
        "AppDependencies cert.issued 1, hub.connect 1",
    ]
