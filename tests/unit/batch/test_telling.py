"""A slice as signals."""

import itertools
import json
import random

from engine.batch import telling
from engine.batch.telling import BUCKET_CHARS, Source
from engine.errors import Outcome
from engine.measure.counts import Counts
from engine.measure.health import Health
from engine.measure.histogram import GAMMA, Histogram
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, series_of
from engine.measure.signal import Count, EventName, Level, Metric, Spread
from engine.measure.slice import Slice

SOURCE = Source("run-1", "cert-renewal", "7")
ISSUED = series_of(Operation.CERT_ISSUED, Phase.STEADY, "hub-1")
MANY = 20_000
DRAINED = series_of(Operation.CERT_ISSUED, Phase.DRAIN, "hub-1")


def ids():
    return (f"id-{n}" for n in itertools.count())


def sliced(*samples):
    found = Slice()
    for sample in samples:
        found.settle(sample)
    return found


def told(found):
    return list(telling.interval_events(found, SOURCE, 100.0, interval_s=10.0, ids=ids()))


def read_buckets(events):
    """The buckets of events, put together as a query does it."""
    whole = {}
    for event in events:
        read = json.loads(event.properties["buckets"])
        for index, count in zip(read["b"], read["c"], strict=True):
            whole[index] = whole.get(index, 0) + count
    return whole


def test_interval_event_says_all_a_query_groups_by():
    """Every dimension is text, every figure a number; ids tell events from their doubles."""
    (event,) = told(sliced(Sample(ISSUED, 1.0, 1.0, 1.5, Outcome.OK, device="d-1")))
    assert (event.name, event.at) == (EventName.INTERVAL, 100.0)
    buckets = event.properties["buckets"]
    assert event.properties == {
        "runId": "run-1",
        "scenario": "cert-renewal",
        "phase": "steady",
        "operation": "cert.issued",
        "outcome": "ok",
        "batch": "7",
        "hub": "hub-1",
        "alpha": "0.01",
        "v": "1",
        "id": "id-0",
        "buckets": buckets,
    }
    assert event.figures == {"count": 1, "sum_ms": 500.0, "min_ms": 500.0, "max_ms": 500.0, "interval_s": 10.0}
    ((index, count),) = read_buckets([event]).items()
    assert count == 1
    assert abs(2 * GAMMA**index / (1 + GAMMA) / 1e6 - 500.0) <= 5.0


def test_outcomes_without_latency_say_only_how_many():
    """There is no zero where nothing was measured."""
    (event,) = told(sliced(Sample(ISSUED, 1.0, None, 1.0, Outcome.DROPPED, "busy")))
    assert event.properties["buckets"] == ""
    assert event.figures == {"count": 1, "interval_s": 10.0}


def test_many_buckets_are_told_in_several_events_that_add_up():
    """No property is so long that it would be cut; every sample is in one of the events, the sum in all together."""
    draw, found = random.Random(5), Slice()
    for _ in range(MANY):
        found.settle(Sample(ISSUED, 0.0, 0.0, 10 ** draw.uniform(-6, 5), Outcome.OK))
    events = told(found)
    assert len(events) > 1
    assert all(len(event.properties["buckets"]) <= BUCKET_CHARS for event in events)
    assert len({event.properties["id"] for event in events}) == len(events)
    latency = found.shares[ISSUED, Outcome.OK].latency
    assert read_buckets(events) == dict(latency.buckets())
    assert sum(event.figures["count"] for event in events) == MANY
    assert sum(event.figures["sum_ms"] for event in events) == latency.sum_ns / 1e6
    assert {event.figures["max_ms"] for event in events} == {latency.max_ns / 1e6}


def test_metrics_count_what_the_events_count():
    """Over phases and hubs, by code; durations with exact count, sum, least and most."""
    found = sliced(
        Sample(ISSUED, 1.0, 1.0, 1.5, Outcome.OK),
        Sample(DRAINED, 1.0, 1.0, 3.0, Outcome.OK),
        Sample(ISSUED, 1.0, 1.0, 1.1, Outcome.THROTTLED, "429002"),
        Sample(ISSUED, 1.0, 1.0, 1.1, Outcome.THROTTLED, "429003"),
    )
    found.retries[Operation.CERT_ISSUED] = 2
    signals = list(telling.metrics(found, SOURCE, 100.0))
    counts = {tuple(one.dimensions.items())[2:]: one.value for one in signals if isinstance(one, Count)}
    issued = ("operation", "cert.issued")
    assert counts == {
        (issued, ("outcome", "ok"), ("code", "")): 2,
        (issued, ("outcome", "throttled"), ("code", "429002")): 1,
        (issued, ("outcome", "throttled"), ("code", "429003")): 1,
        (issued,): 2,
    }
    spreads = {one.dimensions["outcome"]: one for one in signals if isinstance(one, Spread)}
    assert spreads["ok"].name is Metric.DURATION
    assert (spreads["ok"].count, spreads["ok"].sum, spreads["ok"].min, spreads["ok"].max) == (2, 2500.0, 500.0, 2000.0)
    assert spreads["throttled"].count == 2
    assert all(one.dimensions["runId"] == "run-1" for one in signals)


def test_errors_are_told_by_signature_and_cut():
    """A long detail is no reason to lose the event."""
    failed = Sample(ISSUED, 1.0, 1.0, 1.1, Outcome.SERVER, "500", "x" * 999)
    (event,) = telling.error_events(sliced(failed, failed), SOURCE, 100.0, ids=ids())
    assert (event.name, event.figures) == (EventName.ERRORS, {"count": 2})
    assert event.properties["detail"] == "x" * telling.DETAIL_CHARS
    assert event.properties["code"] == "500"


def test_levels_are_told_per_state():
    """One gauge for what is in flight, one per state of devices."""
    found = list(telling.levels(SOURCE, 100.0, in_flight=3, devices={"connected": 5, "renewing": 2}))
    assert [(one.name, one.value, one.dimensions.get("state")) for one in found] == [
        (Metric.IN_FLIGHT, 3, None),
        (Metric.DEVICES, 5, "connected"),
        (Metric.DEVICES, 2, "renewing"),
    ]
    assert all(isinstance(one, Level) and one.dimensions["batch"] == "7" for one in found)


def test_health_is_told_in_the_units_of_its_names():
    """Milliseconds where it says so, shares from 0 to 1."""
    record = Health(3, Phase.STEADY, lag_p99_s=0.25, cpu_share=0.5, descriptors=10, descriptor_limit=100, internal=1)
    event = telling.health_event(SOURCE, 100.0, record, id="id-1")
    assert event.figures["lag_p99_ms"] == 250.0
    assert event.figures["descriptor_share"] == 0.1
    assert event.figures["internal"] == 1
    assert event.properties["phase"] == "steady"


def test_figures_of_nothing_have_no_percentiles():
    """What was never measured is left out, never 0 ms."""
    assert telling.figures_of(Counts(), devices=3, duration_s=1.0) == {
        "devices": 3,
        "ok": 0,
        "failed": 0,
        "late": 0,
        "lost": 0,
        "dropped": 0,
        "duration_s": 1.0,
    }


def test_figures_have_the_percentiles_of_the_results():
    """In milliseconds, from the same histogram."""
    counts = Counts()
    counts.intended = Histogram()
    for value_s in (0.1, 0.2, 0.3):
        counts.intended.record(value_s)
    found = telling.figures_of(counts, devices=3, duration_s=1.0)
    assert found["p50_ms"] == counts.intended.quantile(0.5) * 1000
    assert found["p999_ms"] == 300.0


def test_large_runs_tell_less_often():
    """The events of a second do not grow with the run, until that would make a worker seem silent."""
    assert [telling.telling_every_s(10.0, batches) for batches in (1, 200, 400, 100_000)] == [10.0, 10.0, 20.0, 300.0]
    assert telling.telling_every_s(60.0, 400) == 60.0
