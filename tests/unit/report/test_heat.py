"""Batches over time, in few numbers."""

import itertools
from typing import Any

import pytest

from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.report.heat import COLUMNS, ROWS, Heat

ISSUED = Operation.CERT_ISSUED
STEADY = Series(ISSUED, Phase.STEADY)


def batch(*samples: tuple[float, float, Outcome], series: Series = STEADY) -> Timeline:
    """A timeline of windows of 10 s: samples are when one ended, how long it took, and how it ended."""
    timeline = Timeline(10)
    for ended, took, outcome in samples:
        timeline.begin(series, ended - took)
        timeline.settle(Sample(series, ended - took, ended - took, ended, outcome))
    return timeline


def heated(*batches: Timeline) -> Heat:
    """These batches, named by their place."""
    heat = Heat(ISSUED, 10.0)
    for place, timeline in enumerate(batches):
        heat.add(f"batch {place}", timeline, timeline.total())
    return heat


def figures(*batches: Timeline) -> dict[str, Any]:
    """These batches, as JSON has them."""
    return heated(*batches).figures()


def test_heat_has_a_value_per_batch_and_column() -> None:
    """What ended, what of it went wrong, and how long the rest took; nothing where nothing ended."""
    first = batch((5.0, 1.0, Outcome.OK), (25.0, 2.0, Outcome.SERVER), (26.0, 3.0, Outcome.LATE))
    found = figures(first, batch((35.0, 1.0, Outcome.LOST)))
    assert found["columnsS"] == [0, 10, 20, 30]
    assert found["columnS"] == 10
    none = None
    assert found["batches"] == [
        {"name": "batch 0", "p95": [1000, none, 3000, none], "failed": [0, none, 2, none], "ended": [1, none, 2, none]},
        {"name": "batch 1", "p95": [none] * 4, "failed": [none, none, none, 1], "ended": [none, none, none, 1]},
    ]


def test_heat_is_of_the_main_operation_under_load() -> None:
    """Neither other operations nor prepare are in it."""
    timeline = batch((5.0, 1.0, Outcome.OK))
    timeline.merge(batch((-5.0, 1.0, Outcome.OK), series=Series(ISSUED, Phase.PREPARE)))
    timeline.merge(batch((5.0, 1.0, Outcome.OK), series=Series(Operation.ITERATION, Phase.STEADY)))
    assert figures(timeline)["batches"][0]["ended"] == [1]


def test_heat_has_no_column_in_which_things_only_began() -> None:
    """A start counts where it ended."""
    assert figures(batch((25.0, 20.0, Outcome.OK)))["columnsS"] == [20]


def test_heat_merges_phases_and_hubs_of_a_column() -> None:
    """The percentile is of all of them together."""
    timeline = batch((5.0, 1.0, Outcome.OK))
    timeline.merge(batch((6.0, 3.0, Outcome.OK), series=Series(ISSUED, Phase.RAMP, "hub-a.example")))
    assert figures(timeline)["batches"][0] == {"name": "batch 0", "p95": [3000.0], "failed": [0], "ended": [2]}


@pytest.mark.parametrize("windows", [COLUMNS, COLUMNS + 1, 10 * COLUMNS + 7])
def test_heat_has_few_columns_however_long_the_run(windows: int) -> None:
    """Neighbours are merged, and nothing is lost."""
    timeline = batch(*((10.0 * n + 5, 1.0, Outcome.OK) for n in range(windows)))
    found = figures(timeline)
    assert len(found["columnsS"]) <= COLUMNS
    assert sum(found["batches"][0]["ended"]) == windows
    assert set(found["batches"][0]["p95"]) == {1000.0}
    assert found["columnsS"][1] - found["columnsS"][0] == found["columnS"]


def test_heat_is_the_same_in_whatever_order_batches_reach_further() -> None:
    """A batch is drawn alike whether the columns were wide when it came or became so later."""
    short, long = batch((5.0, 1.0, Outcome.OK), (15.0, 3.0, Outcome.OK)), batch(
        (5.0, 1.0, Outcome.OK), (1995.0, 1.0, Outcome.OK)
    )
    early, late = figures(short, long), figures(long, short)
    assert early["columnsS"] == late["columnsS"]
    assert [one["p95"] for one in early["batches"]] == [one["p95"] for one in reversed(late["batches"])]
    assert early["batches"][0]["ended"][0] == 2


def test_heat_of_many_batches_keeps_those_with_failures_then_the_slowest() -> None:
    """In the order of the plan, and it says how many are left out."""
    failing = {ROWS + 3: 2, 7: 1}
    slow = {ROWS + 5: 9.0}
    batches = []
    for n in range(ROWS + 10):
        good, bad = (5.0, slow.get(n, 1.0), Outcome.OK), (6.0, 1.0, Outcome.SERVER)
        batches.append(batch(good, *itertools.repeat(bad, failing.get(n, 0))))
    found = figures(*batches)
    names = [one["name"] for one in found["batches"]]
    assert found["leftOut"] == 10
    assert names == sorted(names, key=lambda name: int(name.split()[1]))
    assert len(names) == ROWS
    assert {f"batch {n}" for n in (*failing, *slow)} <= set(names)
    assert f"batch {ROWS + 9}" not in names


def test_heat_of_many_batches_keeps_no_more_than_it_shows() -> None:
    """Memory does not grow with the plan: what falls out is let go of."""
    heat = heated(*(batch((5.0, 1.0 + n / 100, Outcome.OK)) for n in range(2 * ROWS)))
    assert len(heat._rows) == ROWS
    assert heat.seen == 2 * ROWS


def test_heat_of_nothing_is_empty() -> None:
    """A run that measured nothing has no columns."""
    assert figures() == {"columnsS": [], "columnS": 10, "leftOut": 0, "batches": []}
    assert figures(Timeline(10))["batches"] == [{"name": "batch 0", "p95": [], "failed": [], "ended": []}]
