"""Two runs beside each other: `GET /api/runs/{id}/compare`, and the report's section on the baseline.

Every number is `{"run", "to", "change"}`: of the run, of the one it is compared with, and by which share of the latter
the former is more (0.12: 12 % more) or less (negative). There is no change where a side has no number, nor from 0 to
something; from 0 to 0 it is 0. Numbers are those of summary.json: of ramp, steady and drain, or of prepare.

A percentile says little where few samples lie beyond it: with fewer than BEYOND expected there, on either side, it is
named as uncertain, with the reason among the doubts. That is a rule of thumb and no test: samples of one run resemble
each other more than chance would have it, so also a difference between many of them may be another the next night.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.measure.operation import Operation, Phase
from engine.plan.document import pointer
from engine.report.figures import latency, percentile_name, rounded
from engine.report.rows import in_order
from engine.report.side import Side
from engine.report.units import count, duration, instant

COMPARISON_VERSION = 1

BEYOND = 10
"""How many samples should lie beyond a percentile: p95 wants 200 in all, p99 1,000."""

ALIKE = 0.05
"""Loads whose lengths differ by no more than this share have counts that can be compared."""

_COUNTS = ("due", "ok", "failed", "late", "lost", "dropped")


def compare(run: Side, to: Side) -> dict[str, Any]:
    """The comparison as a JSON value; percentiles are those that the run's own spec asks for."""
    seen = {*run.total.operations(), *to.total.operations()}
    return {
        "schemaVersion": COMPARISON_VERSION,
        "partial": run.is_partial or to.is_partial,
        "mainOperation": run.main,
        "run": _told(run),
        "to": _told(to),
        "notes": list(_notes(run, to)),
        "specs": list(differences(run.spec, to.spec)),
        "operations": {operation: _operation(operation, run, to) for operation in Operation if operation in seen},
    }


def differences(run: Any, to: Any, at: Sequence[str | int] = ()) -> Iterator[dict[str, Any]]:
    """What two JSON values do not have in common, by JSON pointer; a side that has nothing there is left out.

    Objects are looked into, lists are not.
    """
    if not (isinstance(run, Mapping) and isinstance(to, Mapping)):
        if run != to:
            yield {"path": pointer(at), "run": run, "to": to}
        return
    for name in sorted({*run, *to}):
        if name in run and name in to:
            yield from differences(run[name], to[name], (*at, name))
        else:
            held = {side: document[name] for side, document in (("run", run), ("to", to)) if name in document}
            yield {"path": pointer((*at, name)), **held}


def samples_needed(percentile: float) -> int | None:
    """How many samples put BEYOND of them over a percentile; None for 100, which is one sample whatever happens."""
    return None if percentile >= 100 else math.ceil(round(BEYOND / (1 - percentile / 100), 6))


def relative(run: float | None, to: float | None) -> float | None:
    """By which share of `to` the other number is more; None where that means nothing."""
    if run is None or to is None:
        return None
    if not to:
        return None if run else 0.0
    return rounded((run - to) / to, 6)


def _told(side: Side) -> dict[str, Any]:
    return {
        "runId": side.run_id,
        "name": side.name,
        "scenario": side.scenario,
        "target": side.target,
        "verdict": side.verdict,
        "partial": side.is_partial,
        "devices": side.devices,
        "loadS": side.load_s,
        "createdAt": instant(side.created_at),
    }


def _notes(run: Side, to: Side) -> Iterator[str]:
    """What a reader must know before believing any number."""
    for side in (run, to):
        if side.is_partial:
            yield f"run {side.run_id} goes on: its numbers are those so far"
        elif side.verdict != "passed":
            yield f"run {side.run_id} has the verdict {side.verdict}"
    yield from unlike(run, to)
    if run.devices != to.devices:
        yield f"run {run.run_id} has {count(run.devices)} devices, run {to.run_id} {count(to.devices)}"
    is_known = not (run.is_partial or to.is_partial)
    if is_known and abs(run.load_s - to.load_s) > ALIKE * max(run.load_s, to.load_s):
        lengths = f"run {run.run_id} has {duration(run.load_s)} of load, run {to.run_id} {duration(to.load_s)}"
        yield f"{lengths}: counts differ for that alone, rates and latencies need not"


def unlike(run: Side, to: Side) -> Iterator[str]:
    """The differences that make a comparison doubtful: another scenario, another target."""
    for what, ours, theirs in (("scenario", run.scenario, to.scenario), ("target", run.target, to.target)):
        if ours != theirs:
            yield f"run {run.run_id} is of {what} {ours}, run {to.run_id} of {theirs}"


def _operation(operation: Operation, run: Side, to: Side) -> dict[str, Any]:
    percentiles = run.percentiles
    figures = [_figures(side, operation, percentiles) for side in (run, to)]
    samples = [side.counts(operation).intended.count for side in (run, to)]
    wanted = {percentile_name(percentile): samples_needed(percentile) for percentile in percentiles}
    uncertain = {name: many for name, many in wanted.items() if many is None or min(samples) < many}
    return {
        **_beside(*figures),
        "uncertain": list(uncertain) if all(samples) else [],
        "doubts": list(_doubts(uncertain, samples)) if all(samples) else [],
        "notes": list(_where(operation, run, to)),
    }


def _figures(side: Side, operation: Operation, percentiles: Sequence[float]) -> dict[str, Any] | None:
    """One side's numbers, None where the operation did not occur."""
    if operation not in side.total.operations():
        return None
    counts = side.counts(operation)
    return {
        **{name: getattr(counts, name) for name in _COUNTS},
        "ratePerSecond": rounded(counts.rate(side.spent_s(operation)), 6),
        "failRate": rounded(counts.fail_rate, 6),
        "latencyMs": {
            "intended": latency(counts.intended, percentiles),
            "actual": latency(counts.actual, percentiles),
        },
        "parts": {part: latency(found, percentiles) for part, found in in_order(operation, counts.parts)},
    }


def _beside(run: Any, to: Any) -> dict[str, Any]:
    """Two trees of numbers as one of pairs; what a side lacks is None."""
    if not (isinstance(run, Mapping) or isinstance(to, Mapping)):
        return {"run": run, "to": to, "change": relative(run, to)}
    ours, theirs = run or {}, to or {}
    return {name: _beside(ours.get(name), theirs.get(name)) for name in {**ours, **theirs}}


def _where(operation: Operation, run: Side, to: Side) -> Iterator[str]:
    for side, other in ((run, to), (to, run)):
        if operation not in side.total.operations():
            yield f"only in run {other.run_id}"
            return
    if run.phases(operation) != to.phases(operation):
        early, late = (run, to) if Phase.PREPARE in run.phases(operation) else (to, run)
        yield f"in run {early.run_id} it occurred only in prepare, in run {late.run_id} under load"


def _doubts(uncertain: Mapping[str, int | None], samples: Sequence[int]) -> Iterator[str]:
    alone = [name for name, many in uncertain.items() if many is None]
    few = [f"{name} wants {count(many)}" for name, many in uncertain.items() if many is not None]
    if few:
        yield f"too few samples to rely on, {count(samples[0])} and {count(samples[1])}: {', '.join(few)}"
    for name in alone:
        yield f"{name} is a single sample, however many there are"
