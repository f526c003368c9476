"""Queries over runs that never were: every answer is known from the samples that they were told of."""

import itertools
from collections import Counter
from typing import Any

import pytest
from kql.asking import BASELINE, BEGAN, RUN, UNDER_LOAD, Ask, by, moment, ms
from kql.fiction import HUBS, Told

from engine.errors import Outcome
from engine.measure.counts import FAILED, Counts
from engine.measure.histogram import ALPHA, Histogram
from engine.measure.operation import Operation
from engine.measure.sample import Sample
from engine.measure.signal import Event, EventName

BUCKET = 1e-9
"""How far a percentile may be from the one that the code reads off the same buckets."""

QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99, "p999_ms": 0.999}


def near(row: dict[str, Any], latency: Histogram, names: tuple[str, ...] = tuple(QUANTILES)) -> bool:
    """Whether percentiles are those of the buckets; of a rank that is the last, the code knows the exact value."""
    wanted = {name: ms(latency.quantile(QUANTILES[name])) for name in names}
    slack = {name: ALPHA if value == ms(latency.max_s) else BUCKET for name, value in wanted.items()}
    return all(row[name] == pytest.approx(wanted[name], rel=slack[name]) for name in names)


def test_percentiles_are_those_of_the_results(ask: Ask, told: dict[str, Told]) -> None:
    """Count, mean, least and most are exact; percentiles are read off the same buckets as the results'."""
    rows = by(ask("03-percentiles"), "operation", "during")
    assert set(rows) == {(Operation.DPS_REGISTER, "prepare"), *((operation, "load") for operation in UNDER_LOAD)}
    for (operation, during), row in rows.items():
        latency = told[RUN].counts(operation, is_load=during == "load").intended
        assert row["answered"] == latency.count
        assert row["mean_ms"] == pytest.approx(ms(latency.avg_s))
        assert (row["min_ms"], row["max_ms"]) == pytest.approx((ms(latency.min_s), ms(latency.max_s)))
        assert near(row, latency)


def test_percentiles_are_within_one_percent_of_the_sorted_samples(ask: Ask, told: dict[str, Told]) -> None:
    """Against the durations themselves, not against any buckets."""
    row = by(ask("03-percentiles"), "operation")[Operation.CERT_ISSUED]
    ended = [
        sample.ended - sample.due
        for samples in told[RUN].samples.values()
        for sample in samples
        if sample.series.operation is Operation.CERT_ISSUED and sample.outcome in (Outcome.OK, Outcome.LATE)
    ]
    for name, share in QUANTILES.items():
        exact = sorted(ended)[-(-len(ended) * round(share * 1000) // 1000) - 1]
        assert row[name] == pytest.approx(exact * 1000, rel=ALPHA)


def test_percentiles_over_time_have_a_point_per_interval(ask: Ask, told: dict[str, Told]) -> None:
    """Each point holds the answers of its interval, and all together are those of the run."""
    rows = ask("04-percentiles-over-time", chosen="'cert.issued'")
    assert [row["at"] for row in rows] == [moment(BEGAN[RUN] + 10.0 * n) for n in range(2, 7)]
    assert sum(row["measured"] for row in rows) == told[RUN].counts(Operation.CERT_ISSUED).intended.count
    assert all(row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in rows)
    everything = ask("04-percentiles-over-time")
    assert {row["operation"] for row in everything} == {*UNDER_LOAD, Operation.DPS_REGISTER}


def test_percentiles_over_time_of_one_wide_step_are_those_of_the_run(ask: Ask, told: dict[str, Told]) -> None:
    """A step that holds the run gives its percentiles."""
    [row] = ask("04-percentiles-over-time", chosen="'hub.connect'", step="1h")
    assert near(row, told[RUN].counts(Operation.HUB_CONNECT).intended, ("p50_ms", "p95_ms"))


def test_throughput_adds_up_to_the_outcomes(ask: Ask, told: dict[str, Told]) -> None:
    """Ends by outcome over all steps are the results' counts; per second they are a tenth per step of ten seconds."""
    rows = ask("05-throughput")
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        found[row["operation"], row["outcome"]] += row["ended"]
        assert row["per_s"] == pytest.approx(row["ended"] / 10.0)
    wanted: Counter[tuple[str, str]] = Counter()
    for operation in (*UNDER_LOAD, Operation.DPS_REGISTER):
        counts = told[RUN].counts(operation, is_load=operation is not Operation.DPS_REGISTER)
        wanted.update({(operation, outcome): count for outcome, count in counts.outcomes.items()})
    assert found == wanted
    assert {row["operation"] for row in ask("05-throughput", chosen="'cert.issued'")} == {"cert.issued"}


def test_failures_are_counted_by_code_with_the_commonest_words(ask: Ask, told: dict[str, Told]) -> None:
    """Every outcome but ok, by the service's code, and the detail that was seen most often with it."""
    rows = by(ask("06-failures"), "operation", "outcome", "code")
    for operation in UNDER_LOAD:
        samples = [sample for sample in measured(told[RUN]) if sample.series.operation == operation]
        wanted = Counter((one.outcome, one.code) for one in samples if one.outcome is not Outcome.OK)
        assert {key[1:]: row["failures"] for key, row in rows.items() if key[0] == operation} == wanted
        for (outcome, code), count in wanted.items():
            row = rows[operation, outcome, code]
            assert row["share_percent"] == pytest.approx(100.0 * count / len(samples))
            said = words(told[RUN], operation=operation, outcome=outcome, code=code)
            assert row["commonest_count"] == (max(said.values()) if said else None)
            assert row["commonest_count"] is None or said[row["commonest"]] == row["commonest_count"]
    failures = [row["failures"] for row in ask("06-failures")]
    assert failures == sorted(failures, reverse=True)


def words(run: Told, **of: str) -> Counter[str]:
    """How often each detail of such failures was told: an interval tells its ten commonest only."""
    found: Counter[str] = Counter()
    for signal, _ in run.signals:
        if isinstance(signal, Event) and signal.name is EventName.ERRORS and of.items() <= signal.properties.items():
            found[signal.properties["detail"]] += int(signal.figures["count"])
    return found


def measured(run: Told) -> list[Sample]:
    """All samples of a run."""
    return list(itertools.chain.from_iterable(run.samples.values()))


def test_throttling_is_a_share_of_what_was_answered(ask: Ask, told: dict[str, Told]) -> None:
    """Throttled answers add up to the results'; iterations are left out, as they repeat their steps."""
    rows = ask("07-throttling", step="1h")
    issued = told[RUN].counts(Operation.CERT_ISSUED)
    row = by(rows, "operation")[Operation.CERT_ISSUED]
    assert row["throttled"] == issued.outcomes[Outcome.THROTTLED] > 0
    assert row["throttled_percent"] == pytest.approx(100.0 * issued.outcomes[Outcome.THROTTLED] / issued.ended)
    assert Operation.ITERATION not in by(rows, "operation")


def test_renewals_are_told_phase_by_phase_in_order(ask: Ask, told: dict[str, Told]) -> None:
    """Phases in the run's order, in each the four stages; over all phases the counts are the results'."""
    rows = ask("08-renewals")
    stages = ("cert.request", "cert.accepted", "cert.issued", "cert.verified")
    assert [(row["phase"], row["operation"]) for row in rows] == [
        (phase, stage) for phase in ("ramp", "steady", "drain") for stage in stages
    ]
    issued = [row for row in rows if row["operation"] == "cert.issued"]
    counts = told[RUN].counts(Operation.CERT_ISSUED)
    for name in ("ok", "late", "lost", "failed"):
        assert sum(row[name] for row in issued) == getattr(counts, name)
    assert all(row["success_percent"] == pytest.approx(100.0 * row["ok"] / row["started"]) for row in rows)


def test_hubs_have_numbers_of_their_own(ask: Ask, told: dict[str, Told]) -> None:
    """Per hub the counts, the failure rate and the percentiles of the results."""
    rows = by(ask("09-hubs"), "operation", "hub")
    assert set(rows) == {(operation, hub) for operation in UNDER_LOAD if operation != "iteration" for hub in HUBS}
    for (operation, hub), row in rows.items():
        counts = told[RUN].counts(operation, hub=hub)
        fits(row, counts)
        assert near(row, counts.intended, ("p50_ms", "p95_ms"))


def fits(row: dict[str, Any], counts: Counts) -> None:
    """Assert that a row's counts are those of the results; started leaves out what was cancelled."""
    started = counts.ok + counts.late + counts.lost + sum(counts.outcomes[outcome] for outcome in FAILED)
    assert (row["ok"], row["late"], row["lost"], row["failed"]) == (counts.ok, counts.late, counts.lost, counts.failed)
    assert row["started"] == started
    assert row["fail_percent"] == pytest.approx(100.0 * (started - counts.ok) / started)


def test_completeness_finds_nothing_amiss(ask: Ask, told: dict[str, Told]) -> None:
    """Events and metrics agree, and so does the result on the main operation."""
    rows = by(ask("14-completeness"), "operation")
    assert {row["delta"] for row in rows.values()} == {0}
    assert {row["repeated_items"] for row in rows.values()} == {0}
    issued = told[RUN].counts(Operation.CERT_ISSUED)
    main = rows[Operation.CERT_ISSUED]
    assert main["in_events"] == issued.outcomes.total()
    assert (main["in_result"], main["not_arrived"]) == (issued.ended + issued.dropped, 0)
    assert {row["in_result"] for operation, row in rows.items() if operation != Operation.CERT_ISSUED} == {None}


def test_comparison_has_both_sides_and_the_change(ask: Ask, told: dict[str, Told]) -> None:
    """Percentiles of either run, and by how many per cent the later is slower."""
    rows = by(ask("15-compare"), "operation")
    assert set(rows) == set(UNDER_LOAD)
    for operation, row in rows.items():
        now, before = told[RUN].counts(operation).intended, told[BASELINE].counts(operation).intended
        assert near(row, now, ("p50_ms",))
        assert row["baseline_p50_ms"] == pytest.approx(ms(before.quantile(0.5)), rel=BUCKET)
        change = row["p50_ms"] / row["baseline_p50_ms"] - 1
        assert row["p50_change_percent"] == pytest.approx(100.0 * change)


def test_comparison_with_a_run_that_is_not_there_has_one_side(ask: Ask) -> None:
    """The other side stays empty."""
    rows = ask("15-compare", baseline="'nobody'")
    assert len(rows) == len(UNDER_LOAD)
    assert {row["baseline_started"] for row in rows} == {None}
