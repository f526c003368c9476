"""Series over time."""

import itertools
import json
import random
from dataclasses import replace

import pytest

from engine.errors import Outcome
from engine.measure.counts import Counts
from engine.measure.health import Health
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.report.charts import COLUMNS, charts, grid_of
from engine.report.heat import Heat
from engine.report.results import BatchFacts, RunResult, conclude
from engine.report.summary import summary

ISSUED = Operation.CERT_ISSUED


def busy(windows: int, *, seed: int = 7) -> Timeline:
    """Starts of two phases over two hubs in so many windows of 5 s, some of which go wrong."""
    chance, timeline = random.Random(seed), Timeline(5)
    for n in range(windows * 3):
        series = Series(ISSUED, Phase.RAMP if n % 2 else Phase.STEADY, f"hub-{n % 3 % 2}.example")
        due = chance.uniform(-5.0, windows * 5.0 - 10)
        outcome = chance.choice([Outcome.OK, Outcome.OK, Outcome.LATE, Outcome.SERVER, Outcome.LOST, Outcome.DROPPED])
        began = None if outcome is Outcome.DROPPED else due + chance.random()
        timeline.due(series, due)
        if began is not None:
            timeline.start(series, began)
        timeline.settle(Sample(series, due, began, (began or due) + chance.lognormvariate(0.0, 1.0), outcome))
    return timeline


def of(calm: RunResult, timeline: Timeline) -> RunResult:
    """A run that measured this."""
    return conclude(replace(calm.facts, main=ISSUED), timeline)


def test_charts_say_what_they_are_of(troubled: RunResult) -> None:
    """The run, its verdict, and how long a column is."""
    found = charts(troubled)
    assert {name: found[name] for name in ("runId", "name", "scenario", "state", "partial", "verdict")} == {
        "runId": "nightly-7", "name": "nightly | renewal", "scenario": "cert-renewal", "state": "finished",
        "partial": False, "verdict": "error",
    }  # fmt: skip
    assert (found["mainOperation"], found["intervalS"], found["t"]) == ("cert.issued", 10, [-20, -10, 0, 10, 20, 30])


def test_charts_have_one_value_per_column(troubled: RunResult) -> None:
    """Every list of every operation, and of health, is as long as the times."""
    found = charts(troubled)
    lists = [found["health"], *found["operations"].values()]
    lists += [numbers[kind] for numbers in found["operations"].values() for kind in ("intended", "actual", "outcomes")]
    lengths = {len(values) for group in lists for values in group.values() if isinstance(values, list)}
    assert lengths == {len(found["t"])}


def test_charts_are_json_without_nan(troubled: RunResult) -> None:
    """Any reader can read them."""
    assert json.loads(json.dumps(charts(troubled), allow_nan=False)) == charts(troubled)


@pytest.mark.parametrize("windows", [40, COLUMNS + 1, 3 * COLUMNS + 11])
def test_charts_add_up_to_the_summary(calm: RunResult, windows: int) -> None:
    """However many windows are merged into a column: counts over all columns are those of the run."""
    result = of(calm, busy(windows))
    numbers, total = charts(result)["operations"][ISSUED], summary(result)["operations"][ISSUED]
    for name in ("due", "ok", "failed", "late", "lost", "dropped"):
        assert sum(numbers[name]) == total[name], name
    assert {name: sum(values) for name, values in numbers["outcomes"].items()} == total["outcomes"]
    assert numbers["inFlight"][-1] == 0
    assert max(value for value in numbers["intended"]["max"] if value) == total["latencyMs"]["intended"]["max"]


@pytest.mark.parametrize("windows", [40, 3 * COLUMNS + 11])
def test_charts_read_percentiles_off_merged_histograms(calm: RunResult, windows: int) -> None:
    """Of a column: all its windows, both phases and both hubs together, and no mean of percentiles."""
    timeline = busy(windows)
    result = of(calm, timeline)
    found, grid = charts(result), grid_of(result)
    for place, column in enumerate(grid.columns):
        merged = Counts()
        for index in range(column * grid.width, (column + 1) * grid.width):
            if index in timeline.windows:
                merged.merge(timeline.windows[index].select(ISSUED))
        for kind, histogram in (("intended", merged.intended), ("actual", merged.actual)):
            for name, q in (("p50", 0.5), ("p95", 0.95), ("p999", 0.999)):
                wanted = histogram.quantile(q)
                assert found["operations"][ISSUED][kind][name][place] == (wanted and round(wanted * 1000, 3))


@pytest.mark.parametrize(("windows", "width"), [(COLUMNS - 1, 1), (COLUMNS, 2), (2 * COLUMNS, 3), (5 * COLUMNS, 6)])
def test_charts_have_few_columns_however_long_the_run(calm: RunResult, windows: int, width: int) -> None:
    """Neighbours are merged, as few as it takes; run time 0 stays a border."""
    timeline = Timeline(5)
    series = Series(ISSUED, Phase.STEADY)
    for index in range(-1, windows):
        timeline.begin(series, index * 5.0)
    found = charts(of(calm, timeline))
    assert len(found["t"]) <= COLUMNS
    assert found["intervalS"] == 5 * width
    assert 0 in found["t"]
    assert {round(after - before, 3) for before, after in itertools.pairwise(found["t"])} == {5 * width}


def test_charts_carry_what_is_in_flight_over_columns(calm: RunResult) -> None:
    """A start that takes three windows is in flight in those between, in which nothing happens."""
    timeline, series = Timeline(5), Series(ISSUED, Phase.STEADY)
    timeline.begin(series, 1.0)
    timeline.settle(Sample(series, 1.0, 1.0, 16.0, Outcome.OK))
    numbers = charts(of(calm, timeline))["operations"][ISSUED]
    assert numbers["inFlight"] == [1, 1, 1, 0]
    assert numbers["due"] == [1, 0, 0, 0]
    assert numbers["ratePerSecond"] == [0, 0, 0, 0.2]
    assert numbers["intended"]["p50"] == [None, None, None, 15000.0]


def test_charts_count_what_was_cancelled_as_no_longer_in_flight(calm: RunResult) -> None:
    """The run's end takes it, and it is in no rate."""
    timeline, series = Timeline(5), Series(ISSUED, Phase.STEADY)
    timeline.begin(series, 1.0)
    timeline.settle(Sample(series, 1.0, 1.0, 6.0, Outcome.CANCELLED))
    numbers = charts(of(calm, timeline))["operations"][ISSUED]
    assert (numbers["inFlight"], numbers["ratePerSecond"]) == ([1, 0], [0, 0])
    assert numbers["outcomes"] == {"cancelled": [0, 1]}


def test_charts_show_the_worst_batch_of_a_column(calm: RunResult) -> None:
    """Each figure for itself; nothing where no batch told anything."""
    quick = Health(0, Phase.STEADY, lag_p99_s=0.01, cpu_share=0.9, descriptors=5, descriptor_limit=10)
    slow = Health(0, Phase.STEADY, lag_p99_s=0.2, cpu_share=0.1, lateness_p99_s=0.3)
    batches = [BatchFacts("batch 0", "finished", health=(quick,)), BatchFacts("batch 1", "finished", health=(slow,))]
    health = charts(conclude(replace(calm.facts, batches=batches), calm.timeline))["health"]
    assert health == {
        "lagP99Ms": [200.0, None], "cpuShare": [0.9, None], "descriptorShare": [0.5, None],
        "latenessP99Ms": [300.0, None],
    }  # fmt: skip


def test_charts_lay_phases_one_after_the_other(troubled: RunResult) -> None:
    """Prepare ends where the load begins."""
    assert charts(troubled)["phases"] == [
        {"phase": "prepare", "fromS": -12, "toS": 0},
        {"phase": "ramp", "fromS": 0, "toS": 5},
        {"phase": "steady", "fromS": 5, "toS": 30},
        {"phase": "drain", "fromS": 30, "toS": 34},
    ]


def test_charts_of_waves_lay_phases_where_they_were(calm: RunResult) -> None:
    """A later wave prepares while the run goes on: then phases overlap, each where something of it was due."""
    timeline = Timeline(5)
    for phase, at in ((Phase.PREPARE, -3.0), (Phase.STEADY, 1.0), (Phase.PREPARE, 11.0), (Phase.STEADY, 21.0)):
        timeline.begin(Series(Operation.HUB_CONNECT, phase), at)
    facts = replace(calm.facts, durations_s={Phase.PREPARE: 8.0, Phase.STEADY: 10.0})
    assert charts(conclude(facts, timeline))["phases"] == [
        {"phase": "prepare", "fromS": -5, "toS": 15},
        {"phase": "steady", "fromS": 0, "toS": 25},
    ]


def test_charts_have_parts_in_order(troubled: RunResult) -> None:
    """As an operation goes through them, with the summary's numbers."""
    parts = charts(troubled)["parts"]
    assert {operation: list(found) for operation, found in parts.items()} == {
        "dps.register": ["tcp", "assigned"],
        "hub.connect": ["tcp", "tls"],
    }
    told = summary(troubled)["operations"]["hub.connect"]["parts"]["tls"]
    assert parts["hub.connect"]["tls"] == {name: told[name] for name in ("p50", "p95", "p99", "max", "count")}


def test_charts_have_the_hubs_of_the_summary(troubled: RunResult) -> None:
    """The same counts and percentiles, by hub first."""
    found, told = charts(troubled)["hubs"], summary(troubled)["operations"]
    assert list(found) == ["hub-a.example", "hub-b.example"]
    for hub, operations in found.items():
        for operation, numbers in operations.items():
            by_hub = told[operation]["byHub"][hub]
            assert numbers["intended"].items() <= by_hub["latencyMs"]["intended"].items()
            assert {name: numbers[name] for name in ("due", "ok", "failed", "ratePerSecond")}.items() <= by_hub.items()


def test_charts_of_a_run_that_measured_nothing(calm: RunResult) -> None:
    """Empty, and still of the same shape."""
    found = charts(conclude(calm.facts, Timeline(5)))
    assert (found["t"], found["operations"], found["health"]["cpuShare"]) == ([], {}, [])
    assert found["heat"]["batches"] == []


def test_charts_hold_the_heat(calm: RunResult) -> None:
    """As it was gathered."""
    heat = Heat(calm.facts.main, 5.0)
    heat.add("batch 0", calm.timeline, calm.total)
    found = charts(replace(calm, facts=replace(calm.facts, heat=heat)))
    assert found["heat"] == heat.figures()
    assert sum(found["heat"]["batches"][0]["ended"]) == 10
