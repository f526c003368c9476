import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Outcome
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.report.compare import compare, differences, relative, samples_needed
from engine.report.results import RunResult
from engine.report.side import Side

ISSUED = Series(Operation.CERT_ISSUED, Phase.STEADY)
CONNECT = Series(Operation.HUB_CONNECT, Phase.STEADY)
REGISTER = Series(Operation.DPS_REGISTER, Phase.PREPARE)


def timeline(*tooks_s: float, series: Series = ISSUED, outcome: Outcome = Outcome.OK) -> Timeline:
    """One start per second, each taking as long as given, from two milliseconds after it was due; half of it TLS."""
    found = Timeline(10)
    for at, took_s in enumerate(tooks_s):
        found.begin(series, float(at))
        parts = (("tls", took_s / 2),)
        found.settle(Sample(series, float(at), at + 0.002, at + 0.002 + took_s, outcome, parts=parts))
    return found


def side(took: Timeline, run_id: str = "new", **changes: Any) -> Side:
    """A run that passed, with ten seconds of load."""
    found = Side(
        run_id=run_id,
        name="nightly",
        scenario="cert-renewal",
        target="local",
        spec={"scenario": "cert-renewal"},
        created_at=1_767_225_600.0,
        verdict="passed",
        main=Operation.CERT_ISSUED,
        devices=10,
        percentiles=(50.0, 95.0),
        measured=Measured(took, {Phase.STEADY: 10.0}),
        total=took.total(),
    )
    return replace(found, **changes)


def issued(new: Timeline, old: Timeline, **changes: Any) -> dict[str, Any]:
    """What became of cert.issued."""
    found: dict[str, Any] = compare(side(new, **changes), side(old, "old"))["operations"]["cert.issued"]
    return found


def test_compare_has_both_sides_and_the_change_of_every_number() -> None:
    """Three renewals of 0.3 s after two of 0.2 s: counts, rates, both latencies and parts."""
    found = issued(timeline(0.3, 0.3, 0.3), timeline(0.2, 0.2))
    assert found["due"] == found["ok"] == {"run": 3, "to": 2, "change": 0.5}
    assert found["failed"] == {"run": 0, "to": 0, "change": 0.0}
    assert found["ratePerSecond"] == {"run": 0.3, "to": 0.2, "change": 0.5}
    assert found["latencyMs"]["intended"]["avg"] == {"run": 302.0, "to": 202.0, "change": 0.49505}
    assert found["latencyMs"]["actual"]["p95"] == {"run": 300.0, "to": 200.0, "change": 0.5}
    assert found["parts"]["tls"]["max"] == {"run": 150.0, "to": 100.0, "change": 0.5}
    assert set(found["latencyMs"]["intended"]) == {"count", "p50", "p95", "avg", "min", "max"}
    assert {"late", "lost", "dropped", "failRate"} <= set(found)


def test_compare_takes_the_percentiles_of_the_run_itself() -> None:
    """The baseline's spec may have asked for others."""
    found = compare(side(timeline(0.1), percentiles=(75.0,)), side(timeline(0.1), "old"))
    assert "p75" in found["operations"]["cert.issued"]["latencyMs"]["intended"]
    assert "p50" not in found["operations"]["cert.issued"]["latencyMs"]["intended"]


def test_compare_says_where_an_operation_is_missing() -> None:
    """Its numbers are none on that side, and there is no change: 0 would be a claim."""
    both = timeline(0.1)
    both.merge(timeline(0.1, series=CONNECT))
    for new, old, where in ((both, timeline(0.1), "only in run new"), (timeline(0.1), both, "only in run old")):
        found = compare(side(new), side(old, "old"))["operations"]["hub.connect"]
        assert found["notes"] == [where]
        assert {found["due"]["run"], found["due"]["to"]} == {1, None}
        assert (found["due"]["change"], found["latencyMs"]["intended"]["p50"]["change"]) == (None, None)
        assert {found["parts"]["tls"]["avg"]["run"], found["parts"]["tls"]["avg"]["to"]} == {50.0, None}


def test_compare_says_where_an_operation_was_only_prepared() -> None:
    """Set-up on one side, load on the other: not the same thing."""
    loaded = timeline(*[0.1] * 300, series=replace_phase(REGISTER))
    prepared = timeline(*[0.1] * 300, series=REGISTER)
    note = "in run {} it occurred only in prepare, in run {} under load"
    found = compare(side(prepared), side(loaded, "old"))["operations"]["dps.register"]
    assert found["notes"] == [note.format("new", "old")]
    found = compare(side(loaded), side(prepared, "old"))["operations"]["dps.register"]
    assert found["notes"] == [note.format("old", "new")]


def replace_phase(series: Series) -> Series:
    """The same under load."""
    return Series(series.operation, Phase.STEADY, series.hub)


@pytest.mark.parametrize(
    ("percentile", "samples"), [(50.0, 20), (90.0, 100), (95.0, 200), (99.0, 1000), (99.9, 10_000), (100.0, None)]
)
def test_samples_needed_put_ten_beyond_the_percentile(percentile: float, samples: int | None) -> None:
    """The rarer what a percentile shows, the more samples it takes; the largest is one sample for ever."""
    assert samples_needed(percentile) == samples


def test_compare_doubts_percentiles_of_few_samples() -> None:
    """The side with fewer decides; what each percentile wants is told."""
    many, few = timeline(*[0.1] * 200), timeline(*[0.1] * 199)
    found = issued(many, many, percentiles=(50.0, 95.0, 99.0, 100.0))
    assert found["uncertain"] == ["p99", "p100"]
    assert found["doubts"] == [
        "too few samples to rely on, 200 and 200: p99 wants 1,000",
        "p100 is a single sample, however many there are",
    ]
    for new, old, told in ((many, few, "200 and 199"), (few, many, "199 and 200")):
        found = issued(new, old)
        assert found["uncertain"] == ["p95"]
        assert found["doubts"] == [f"too few samples to rely on, {told}: p95 wants 200"]
    assert issued(many, many)["doubts"] == []


def test_compare_does_not_doubt_percentiles_that_are_not_there() -> None:
    """Nothing was answered on one side: there is no percentile to rely on or not."""
    found = issued(timeline(0.1), timeline(0.1, outcome=Outcome.LOST))
    assert (found["uncertain"], found["doubts"]) == ([], [])
    assert found["latencyMs"]["intended"]["p50"] == {"run": 102.0, "to": None, "change": None}


@pytest.mark.parametrize(
    ("run", "to", "change"),
    [(1.2, 1.0, 0.2), (0.5, 1.0, -0.5), (0.0, 2.0, -1.0), (0.0, 0.0, 0.0), (1.0, 0.0, None), (None, 1.0, None),
     (1.0, None, None), (None, None, None)],
)  # fmt: skip
def test_relative_is_none_where_it_means_nothing(run: float | None, to: float | None, change: float | None) -> None:
    """From nothing to something there is no share."""
    assert relative(run, to) == change


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_relative_leads_back(run: float, to: float) -> None:
    """The other number and the change make the number again, within six places of a share."""
    change = relative(run, to)
    assert change is not None
    assert to * (1 + change) == pytest.approx(run, rel=1e-4, abs=to * 1e-6)


def test_compare_notes_what_makes_it_doubtful() -> None:
    """Another verdict, scenario, target, fleet or length of load."""
    other = side(
        timeline(0.1),
        "old",
        verdict="failed",
        scenario="provision",
        target="staging",
        devices=2000,
        measured=Measured(timeline(0.1), {Phase.STEADY: 60.0, Phase.DRAIN: 5.0}),
    )
    assert compare(side(timeline(0.1)), other)["notes"] == [
        "run old has the verdict failed",
        "run new is of scenario cert-renewal, run old of provision",
        "run new is of target local, run old of staging",
        "run new has 10 devices, run old 2,000",
        "run new has 10s of load, run old 1m: counts differ for that alone, rates and latencies need not",
    ]
    assert compare(side(timeline(0.1)), side(timeline(0.1), "old"))["notes"] == []


def test_compare_of_a_run_that_goes_on_is_partial() -> None:
    """Either side may; how long its load is nobody knows yet, so nothing is said of that."""
    going_on = side(timeline(0.1), is_partial=True, verdict=None, measured=Measured(timeline(0.1), {}))
    for found in (compare(going_on, side(timeline(0.1), "old")), compare(side(timeline(0.1), "old"), going_on)):
        assert found["partial"] is True
        assert found["notes"] == ["run new goes on: its numbers are those so far"]
    assert compare(side(timeline(0.1)), side(timeline(0.1), "old"))["partial"] is False


def test_differences_are_named_by_pointer() -> None:
    """Objects are looked into, lists and other values are not; what one side lacks is left out there."""
    run = {"load": {"rate": 5, "a/b": 1}, "cases": ["001"], "same": {"x": [1]}, "target": "local"}
    to = {"load": {"rate": 6, "stages": []}, "cases": ["002"], "same": {"x": [1]}, "target": {}}
    assert list(differences(run, to)) == [
        {"path": "/cases", "run": ["001"], "to": ["002"]},
        {"path": "/load/a~1b", "run": 1},
        {"path": "/load/rate", "run": 5, "to": 6},
        {"path": "/load/stages", "to": []},
        {"path": "/target", "run": "local", "to": {}},
    ]
    assert list(differences(run, run)) == []


def test_compare_is_json(troubled: RunResult, calm: RunResult) -> None:
    """Without NaN or Infinity, whatever is compared."""
    found = compare(troubled.side(), calm.side())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert next(iter(found["operations"])) == "dps.register"
    assert (found["run"]["verdict"], found["to"]["verdict"]) == ("error", "passed")
    assert found["to"]["createdAt"] == "2026-01-01T00:00:00.000Z"


def test_compare_with_itself_finds_no_change(troubled: RunResult) -> None:
    """Every change is 0, or there is no number."""
    found = compare(troubled.side(), troubled.side())
    assert found["specs"] == []
    changes = set()
    waiting: list[Any] = [found["operations"]]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            changes |= {one["change"]} if "change" in one else set()
            waiting += one.values()
    assert changes == {0.0, None}
