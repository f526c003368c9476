"""A slice of a batch as signals: names, dimensions and figures as `measure.signal` and the queries have them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.measure.counts import Counts
from engine.measure.health import Health
from engine.measure.histogram import ALPHA, NS_PER_S, Histogram
from engine.measure.signal import Count, Event, EventName, Level, Metric, Signal, Spread
from engine.measure.slice import Share, Slice

VERSION = "1"
"""Of the form of `loadtest.interval`."""

BUCKET_CHARS = 8000
"""A property is cut at 8192 characters without a word: what is longer travels in several events.
Source: Application Insights, "Telemetry data model", custom properties, largest value length."""

DETAIL_CHARS = 200

BATCHES_PER_S = 20
LONGEST_S = 300.0
"""An interval is an event per outcome of each operation, some twenty of a kilobyte, and that for every batch. So many
batches tell in a second, whatever the run's size: 1.5 GB an hour. A worker that says nothing for longer is silent."""

_NS_PER_MS = NS_PER_S / 1000
_PERCENTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99, "p999_ms": 0.999}


@dataclass(frozen=True, slots=True)
class Source:
    """Whose signals they are."""

    run_id: str
    scenario: str
    batch: str

    @property
    def common(self) -> dict[str, str]:
        """What every signal says."""
        return {"runId": self.run_id, "scenario": self.scenario}


def telling_every_s(interval_s: float, batches: int) -> float:
    """How often a batch tells, which is the run's interval unless so many batches would tell too much."""
    return min(LONGEST_S, max(interval_s, batches / BATCHES_PER_S))


def interval_events(found: Slice, of: Source, at: float, *, interval_s: float, ids: Iterator[str]) -> Iterator[Event]:
    """One event per series and outcome, or several where its buckets are too many for one; counts and sums add up."""
    for (series, outcome), share in sorted(found.shares.items()):
        said = {
            **of.common,
            "phase": series.phase,
            "operation": series.operation,
            "outcome": outcome,
            "batch": of.batch,
            "hub": series.hub,
            "alpha": str(ALPHA),
            "v": VERSION,
        }
        for buckets, figures in _pieces(share):
            properties = {**said, "id": next(ids), "buckets": buckets}
            yield Event(EventName.INTERVAL, at, properties, {**figures, "interval_s": interval_s})


def error_events(found: Slice, of: Source, at: float, *, ids: Iterator[str]) -> Iterator[Event]:
    """The interval's commonest failures."""
    for signature, count in found.commonest().items():
        said = {
            **of.common,
            "phase": signature.phase,
            "operation": signature.operation,
            "outcome": signature.outcome,
            "code": signature.code,
            "detail": signature.detail[:DETAIL_CHARS],
            "batch": of.batch,
            "id": next(ids),
        }
        yield Event(EventName.ERRORS, at, said, {"count": count})


def metrics(found: Slice, of: Source, at: float) -> Iterator[Signal]:
    """The same once more as metrics, over phases and hubs: to compare with, and for charts that need no query."""
    for (operation, outcome, code), count in sorted(found.codes.items()):
        yield Count(Metric.OPERATIONS, at, count, {**of.common, **_named(operation, outcome), "code": code})
    latencies: dict[tuple[str, str], Histogram] = {}
    for (series, outcome), share in found.shares.items():
        latencies.setdefault((series.operation, outcome), Histogram()).merge(share.latency)
    for (name, ended), latency in sorted(latencies.items()):
        if latency.count:
            yield _spread(Metric.DURATION, at, latency, {**of.common, **_named(name, ended)})
    for operation, count in sorted(found.retries.items()):
        yield Count(Metric.RETRIES, at, count, {**of.common, "operation": operation})
    if found.lag.count:
        yield _spread(Metric.LAG, at, found.lag, of.common)


def levels(of: Source, at: float, *, in_flight: int, devices: Mapping[str, int]) -> Iterator[Level]:
    """How many iterations are under way, and what the devices are doing."""
    said = {**of.common, "batch": of.batch}
    yield Level(Metric.IN_FLIGHT, at, in_flight, said)
    for state, count in sorted(devices.items()):
        yield Level(Metric.DEVICES, at, count, {**said, "state": state})


def health_event(of: Source, at: float, record: Health, *, id: str) -> Event:  # noqa: A002 - the property's name
    """How the generator was in an interval."""
    figures = {
        "lag_p99_ms": record.lag_p99_s * 1000,
        "cpu_share": record.cpu_share,
        "descriptors": record.descriptors,
        "descriptor_share": record.descriptor_share,
        "lateness_p99_ms": record.lateness_p99_s * 1000,
        "internal": record.internal,
        "ports_exhausted": record.ports_exhausted,
        "clock_jumps": record.clock_jumps,
    }
    return Event(EventName.HEALTH, at, {**of.common, "batch": of.batch, "phase": record.phase, "id": id}, figures)


def figures_of(counts: Counts, *, devices: int, duration_s: float) -> dict[str, float]:
    """What an operation came to, for the events that end a batch or a run; percentiles only where there are any."""
    found = {
        "devices": devices,
        "ok": counts.ok,
        "failed": counts.failed,
        "late": counts.late,
        "lost": counts.lost,
        "dropped": counts.dropped,
        "duration_s": round(duration_s, 3),
    }
    quantiles = {name: counts.intended.quantile(share) for name, share in _PERCENTILES.items()}
    return found | {name: value_s * 1000 for name, value_s in quantiles.items() if value_s is not None}


def _named(operation: str, outcome: str) -> dict[str, str]:
    return {"operation": operation, "outcome": outcome}


def _spread(name: Metric, at: float, found: Histogram, dimensions: Mapping[str, str]) -> Spread:
    return Spread(
        name,
        at,
        found.count,
        found.sum_ns / _NS_PER_MS,
        found.min_ns / _NS_PER_MS,
        found.max_ns / _NS_PER_MS,
        dimensions,
    )


def _pieces(share: Share) -> Iterator[tuple[str, dict[str, float]]]:
    """The share's buckets in JSON and its figures, in pieces that are short enough."""
    latency = share.latency
    if not latency.count:
        yield "", {"count": share.count}
        return
    ends = {"min_ms": latency.min_ns / _NS_PER_MS, "max_ms": latency.max_ns / _NS_PER_MS}
    sum_ms, more = latency.sum_ns / _NS_PER_MS, share.count - latency.count
    for piece in _short(latency.buckets()):
        indices, counts = zip(*piece, strict=True)
        buckets = json.dumps({"b": indices, "c": counts}, separators=(",", ":"))
        yield buckets, {"count": sum(counts) + more, "sum_ms": sum_ms, **ends}
        sum_ms, more = 0.0, 0  # whatever the first piece told of the whole is not told again


def _short(buckets: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """The buckets in runs whose JSON has at most BUCKET_CHARS characters."""
    piece: list[tuple[int, int]] = []
    chars = frame = len('{"b":[],"c":[]}')
    for index, count in buckets:
        more = len(f"{index},{count},")
        if piece and chars + more > BUCKET_CHARS:
            yield piece
            piece, chars = [], frame
        piece.append((index, count))
        chars += more
    yield piece
