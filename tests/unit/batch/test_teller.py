"""What whole batches in virtual time tell, and whether it adds up to what they say at their end."""

import itertools
import json
from collections import Counter

import pytest

from doubles.telemetry import KeptTelemetry
from engine.batch.teller import CLOSE_WITHIN_S, END_WITHIN_S, Holding, Teller
from engine.batch.telling import Source
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import ClaimLost
from engine.measure.histogram import Histogram
from engine.measure.operation import Operation
from engine.measure.signal import Count, Delivery, EventName, Level, Metric, Span
from engine.ports import Traffic
from unit.batch.rig import assert_sound, make_stage

ZERO_WALL = 1_000_000.0
SOME = {"options": Options(faults=Faults({Fault.LOST: 0.1, Fault.THROTTLED: 0.2, Fault.SERVER: 0.1}))}


def told_stage(**changes):
    """A batch whose telemetry is kept."""
    stage, kept = make_stage(**{**SOME, **changes}), KeptTelemetry()
    source, holding = Source("run-1", "cert-renewal", "0"), Holding("holder-1", 3, 1, 5)
    stage.teller = Teller(kept, source, holding, zero_wall=ZERO_WALL, interval_s=10.0)
    return stage, kept


def test_what_is_told_adds_up_to_what_the_batch_says():
    """Every outcome of every operation, hub and phase, every latency, every retry; events and metrics alike."""
    stage, kept = told_stage(duration_s=120.0)
    done = stage.run()
    assert_sound(done)
    by_series, by_metric, buckets = Counter(), Counter(), Counter()
    for event in kept.events(EventName.INTERVAL):
        said = event.properties
        key = (said["operation"], said["phase"], said["hub"], said["outcome"])
        by_series[key] += event.figures["count"]
        if said["buckets"] and said["operation"] == "cert.issued" and said["outcome"] in ("ok", "late"):
            read = json.loads(said["buckets"])
            buckets.update(dict(zip(read["b"], read["c"], strict=True)))
    expected = {
        (series.operation, series.phase, series.hub, outcome): count
        for series, counts in done.total.series.items()
        for outcome, count in counts.outcomes.items()
        if count
    }
    assert by_series == expected
    issued = done.total.select(Operation.CERT_ISSUED)
    assert issued.failed
    assert buckets == dict(issued.intended.buckets())
    coded = Counter()
    for one in kept.told:
        if isinstance(one, Count) and one.name is Metric.OPERATIONS:
            said = one.dimensions
            by_metric[said["operation"], said["outcome"]] += one.value
            coded[said["operation"], said["outcome"], said["code"]] += one.value
    totals = {operation: done.total.select(operation) for operation in done.total.operations()}
    assert by_metric == {(name, outcome): n for name, one in totals.items() for outcome, n in one.outcomes.items() if n}
    failed = {(name, *code): n for name, one in totals.items() for code, n in one.codes.items() if code[1]}
    busy = {(name, "dropped", reason): n for name, one in totals.items() for reason, n in one.drops.items()}
    assert {key: n for key, n in coded.items() if key[2]} == failed | busy
    assert failed


def test_retries_are_told():
    """Every further attempt, by its operation."""
    options = Options(faults=Faults({Fault.DPS_THROTTLED: 0.5}))
    stage, kept = told_stage(scenario="provision", executor="once", stored=False, size=10, options=options)
    done = stage.run()
    retried = Counter()
    for one in kept.told:
        if isinstance(one, Count) and one.name is Metric.RETRIES:
            retried[one.dimensions["operation"]] += one.value
    assert retried == {
        operation: counts.retries
        for operation in done.total.operations()
        if (counts := done.total.select(operation)).retries
    }
    assert retried


def test_intervals_follow_each_other_without_a_gap():
    """Their lengths add up to the batch's, and each is told when it is over."""
    stage, kept = told_stage(duration_s=60.0)
    stage.run()
    events = kept.events(EventName.INTERVAL)
    lengths = {event.at: event.figures["interval_s"] for event in events}
    ends = sorted({event.at for event in kept.events(EventName.HEALTH)} | lengths.keys())
    begun, ended = kept.events(EventName.BATCH)
    assert len(ends) >= 6
    assert begun.at == ZERO_WALL
    assert ends[-1] == ended.at
    for before, at in itertools.pairwise([begun.at, *ends]):
        assert lengths.get(at, at - before) == pytest.approx(at - before)


def test_batch_says_when_it_begins_and_how_it_ends():
    """The figures are those of the results, over the phases that they are taken over."""
    stage, kept = told_stage()
    done = stage.run()
    begun, ended = kept.events(EventName.BATCH)
    facts = {"batch": "0", "holder": "holder-1", "token": "3", "attempt": "1", "runId": "run-1"}
    assert begun.properties.items() >= {**facts, "status": "started"}.items()
    assert ended.properties.items() >= {**facts, "status": "finished", "stop": "schedule"}.items()
    issued = done.total.select(Operation.CERT_ISSUED)
    assert (ended.figures["ok"], ended.figures["failed"]) == (issued.ok, issued.failed)
    assert ended.figures["p99_ms"] == issued.intended.quantile(0.99) * 1000
    assert kept.told.index(ended) == len(kept.told) - 1


def test_done_says_what_became_of_it():
    """The end of the batch waits for that, once, for a bounded time."""
    stage, kept = told_stage()
    done = stage.run()
    assert done.telemetry == Delivery(sent=len(kept.told))
    assert kept.closed[0] == END_WITHIN_S


def test_batch_without_a_teller_has_nothing_to_say():
    """None is not nothing sent."""
    assert make_stage().run().telemetry is None


def test_whoever_loses_the_batch_closes_what_it_told():
    """Nothing is left running, and nothing more is told."""
    stage, kept = told_stage()
    stage.at(25.0, lambda: setattr(stage.home, "trouble", ClaimLost("batch 0", "somebody")))
    with pytest.raises(ClaimLost):
        stage.run()
    assert kept.closed == [CLOSE_WITHIN_S]
    assert kept.events(EventName.INTERVAL)


def test_health_is_told_once_per_record():
    """Also the last, which is closed with the batch."""
    stage, kept = told_stage()
    done = stage.run()
    assert [event.properties["phase"] for event in kept.events(EventName.HEALTH)] == [one.phase for one in done.health]


def test_levels_are_those_of_the_moment():
    """Devices by what they do are all devices."""
    stage, kept = told_stage()
    stage.run()
    by_time = Counter()
    for one in kept.told:
        if isinstance(one, Level) and one.name is Metric.DEVICES:
            by_time[one.at] += one.value
    assert set(by_time.values()) == {5}


def test_exemplars_are_few():
    """A handful of iterations an interval, whatever the load."""
    stage, kept = told_stage(duration_s=60.0, size=40)
    stage.run()
    roots = [one for one in kept.told if isinstance(one, Span) and one.parent_id is None]
    intervals = len({event.at for event in kept.events(EventName.INTERVAL)})
    assert 0 < len(roots) <= 5 * intervals
    assert all(root.properties["loadtest.device"].startswith("d-") for root in roots)


def test_bytes_are_told_as_increases():
    """What crossed the wire since the last time, by direction; nothing where nothing did."""
    kept = KeptTelemetry()
    teller = Teller(kept, Source("run-1", "x", "0"), Holding("h", 1, 1, 5), zero_wall=0.0, interval_s=10.0)
    teller.begin(0.0)
    for now, traffic in ((10.0, Traffic(100, 50)), (20.0, Traffic(100, 80))):
        teller.tell(now, in_flight=0, devices={}, health=(), traffic=traffic)
    found = [one for one in kept.told if isinstance(one, Count) and one.name is Metric.BYTES]
    assert [(one.at, one.dimensions["direction"], one.value) for one in found] == [
        (10.0, "sent", 100),
        (10.0, "received", 50),
        (20.0, "received", 30),
    ]


def test_ids_of_events_never_come_twice():
    """Not within a batch, and not from two holders of one."""
    ids = []
    for token in (1, 2):
        stage, kept = told_stage()
        source, holding = Source("run-1", "cert-renewal", "0"), Holding("holder", token, 1, 5)
        stage.teller = Teller(kept, source, holding, zero_wall=ZERO_WALL, interval_s=10.0)
        stage.run()
        ids += [one.properties["id"] for name in EventName for one in kept.events(name)]
    assert len(set(ids)) == len(ids)


def test_latencies_of_buckets_are_within_the_histograms_error():
    """What a query makes of a bucket is what the histogram itself would say."""
    found = Histogram()
    found.record(0.123)
    ((index, _),) = found.buckets()
    gamma = 1.01 / 0.99
    assert abs(2 * gamma**index / (1 + gamma) / 1e6 - 123.0) <= 1.23
