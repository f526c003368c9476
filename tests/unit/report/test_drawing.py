"""Bars and maps, as shares and paths."""

import re
from typing import Any

import pytest

from engine.measure.counts import Counts
from engine.report.drawing import LEVELS, at, composition, heat_map, knee_curve, level_of, stretches
from engine.report.results import RunResult
from engine.report.rows import part_rows


def heat(*batches: dict[str, Any], columns: int = 2, left_out: int = 0) -> dict[str, Any]:
    """Figures of a heat map with columns of 10 s."""
    return {
        "columnsS": [10 * n for n in range(columns)],
        "columnS": 10,
        "leftOut": left_out,
        "batches": [{"name": f"batch {n}", **one} for n, one in enumerate(batches)],
    }


def share(text: str) -> float:
    """The number in a percentage."""
    return float(text.removesuffix("%"))


def test_composition_is_everything_that_was_due(troubled: RunResult) -> None:
    """27 due: the pieces follow each other, fill the bar, and leave out what did not happen."""
    found = composition(troubled.counts(troubled.facts.main))
    assert {piece.name: piece.many for piece in found} == {
        "ok": "18", "late": "1", "failed": "4", "lost": "1", "dropped": "2", "cancelled": "1",
    }  # fmt: skip
    ends = [share(piece.from_percent) + share(piece.width_percent) for piece in found]
    assert [0.0, *ends[:-1]] == pytest.approx([share(piece.from_percent) for piece in found], abs=0.01)
    assert ends[-1] == pytest.approx(100, abs=0.01)


def test_composition_of_nothing_is_none() -> None:
    """There is no bar where nothing was due."""
    assert composition(Counts()) == []


def test_stretches_are_against_the_longest(troubled: RunResult) -> None:
    """tls took 200 ms of a connect, tcp 10 ms; what the table says of them comes along."""
    tcp, tls = stretches(troubled)["hub.connect"]
    assert (tcp.p95_percent, tls.p95_percent, tls.p50_percent) == ("5%", "100%", "100%")
    assert [tcp.cells, tls.cells] == part_rows(troubled, troubled.total.operations()[1])
    assert set(stretches(troubled)) == {"dps.register", "hub.connect"}


def test_heat_map_shades_what_took_longer() -> None:
    """Every cell is in the path of its shade, and none where nothing ended."""
    found = heat_map(
        heat(
            {"p95": [10.0, None], "failed": [0, None], "ended": [3, None]},
            {"p95": [10.0, 1000.0], "failed": [0, 0], "ended": [3, 3]},
        )
    )
    assert found is not None
    assert found.shades[0].path == "M0 0h1v1h-1zM0 1h1v1h-1z"
    assert found.shades[-1].path == "M1 1h1v1h-1z"
    assert [shade.meaning for shade in (found.shades[0], found.shades[-1])] == ["19.3 ms", "1,000 ms"]
    assert (found.names, found.columns, found.silent) == (["batch 0", "batch 1"], 2, "")


def test_heat_map_marks_failures() -> None:
    """Some in a corner, half or more crossed out; a cell in which nothing was answered has a shade of its own."""
    found = heat_map(heat({"p95": [10.0, None], "failed": [1, 2], "ended": [3, 2]}))
    assert found is not None
    assert re.findall(r"M[\d.]+ [\d.]+", found.failing) == ["M0.66 0"]
    assert found.failed.startswith("M1.2 0.2l")
    assert found.silent == "M1 0h1v1h-1z"


def test_heat_map_of_equals_has_one_shade() -> None:
    """Where nothing is slower than anything else there is nothing to tell apart."""
    found = heat_map(heat({"p95": [10.0, 10.0], "failed": [0, 0], "ended": [1, 1]}))
    assert found is not None
    assert [shade.path.count("M") for shade in found.shades] == [2]


def test_heat_map_of_nothing_is_none() -> None:
    """A run in which nothing ended has no map."""
    assert heat_map(heat(columns=0)) is None


@pytest.mark.parametrize(("batches", "density"), [(24, "sparse"), (25, "dense"), (80, "dense"), (81, "packed")])
def test_heat_map_rows_are_lower_the_more_there_are(batches: int, density: str) -> None:
    """So that the map of hundreds of batches fits a screen or two."""
    found = heat_map(heat(*({"p95": [1.0], "failed": [0], "ended": [1]} for _ in range(batches)), columns=1))
    assert found is not None
    assert found.density == density


def test_heat_map_has_few_ticks() -> None:
    """Times under it, each at its place."""
    found = heat_map(heat({"p95": [1.0] * 60, "failed": [0] * 60, "ended": [1] * 60}, columns=60))
    assert found is not None
    assert [tick for tick, _ in found.ticks] == ["0s", "1m40s", "3m20s", "5m", "6m40s", "8m20s"]
    assert [place for _, place in found.ticks][:4] == ["0%", "16.667%", "33.333%", "50%"]


@pytest.mark.parametrize(("value", "level"), [(1.0, 1), (9.9, 4), (10.1, 4), (99.0, LEVELS), (100.0, LEVELS)])
def test_level_of_a_value_grows_by_factors(value: float, level: int) -> None:
    """Between 1 and 100 the middle is 10."""
    assert level_of(value, 1.0, 100.0) == level


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0s"), (-5.0, "-5s"), (90.0, "1m30s")])
def test_at_says_run_time(seconds: float, text: str) -> None:
    """Before the load it is negative."""
    assert at(seconds) == text


def test_knee_curve_rises_with_the_rate() -> None:
    """Points in the order of their rates, those without a value left out, and whether each held."""
    curve = [
        {"rate": 10.0, "beginS": 0.0, "value": 0.0, "held": True},
        {"rate": 30.0, "beginS": 10.0, "value": 0.5, "held": False},
        {"rate": 40.0, "beginS": 15.0, "value": None, "held": False},
        {"rate": 20.0, "beginS": 20.0, "value": 0.25, "held": True},
    ]
    found = knee_curve({"curve": curve}, width=200, height=100)
    assert found is not None
    assert found.path == "M0.0 100.0L100.0 50.0L200.0 0.0"
    assert [dot.is_held for dot in found.dots] == [True, True, False]
    assert found.dots[2].label == "rate 30.0: 0.500, did not hold"
    assert (found.lowest, found.widest, found.highest) == ("10.0", "30.0", "0.500")


@pytest.mark.parametrize(
    "search", [None, {"curve": []}, {"curve": [{"rate": 1.0, "beginS": 0.0, "value": 0.0, "held": True}]}]
)
def test_knee_curve_takes_two_points(search: dict[str, Any] | None) -> None:
    """One point is no curve."""
    assert knee_curve(search) is None


def test_knee_curve_of_values_that_are_all_nothing_is_flat() -> None:
    """No division by the highest of them, nor by the width of rates that are all the same."""
    point = {"rate": 5.0, "beginS": 0.0, "value": 0.0, "held": True}
    found = knee_curve({"curve": [point, point]}, width=200, height=100)
    assert found is not None
    assert found.path == "M0.0 100.0L0.0 100.0"
