"""A result as JSON: summary.json and the answer of GET /results. Key names are stable; a change raises SCHEMA_VERSION.

Durations are milliseconds where a name ends in Ms, seconds where it ends in S. The numbers of an operation are those
of its `phases`: ramp, steady and drain, or prepare when it occurred only there; `byPhase` has each phase apart.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from engine.errors import BLAMES
from engine.measure.counts import Counts
from engine.measure.evaluation import Judged, spent_s
from engine.measure.health import CPU_LIMIT, DESCRIPTOR_LIMIT, LAG_LIMIT_S, Worst
from engine.measure.histogram import NS_PER_S
from engine.measure.operation import Operation, Phase
from engine.report.beside import compare_counts
from engine.report.compare import compare
from engine.report.figures import latency, rounded
from engine.report.results import BatchFacts, RunResult
from engine.report.rows import in_order
from engine.report.storm import storm_of
from engine.report.units import instant

SCHEMA_VERSION = 1


def summary(result: RunResult) -> dict[str, Any]:
    """The result as a JSON value without NaN or Infinity."""
    facts, judgement, total = result.facts, result.judgement, result.total
    storm = storm_of(result)
    return {
        "schemaVersion": SCHEMA_VERSION,
        "runId": facts.run_id,
        "name": facts.name,
        "labels": dict(facts.labels),
        "scenario": facts.scenario,
        "target": facts.target,
        "state": facts.state,
        "partial": facts.is_partial,
        "verdict": judgement.verdict,
        "exitCode": judgement.exit_code,
        "reasons": [{"verdict": reason.verdict, "text": reason.text} for reason in judgement.reasons],
        "warnings": list(judgement.warnings),
        "thresholds": [_threshold(judged) for judged in judgement.thresholds],
        "mainOperation": facts.main,
        "operations": {operation: _operation(result, operation) for operation in total.operations()},
        **({} if storm is None else {"storm": storm.figures()}),
        **({} if facts.search is None else {"search": dict(facts.search)}),
        **({} if facts.baseline is None else {"comparison": compare(result.side(), facts.baseline)}),
        "failures": failures(result),
        "conservation": {"holds": not judgement.mismatches, "mismatches": list(judgement.mismatches)},
        "batches": [_batch(result, batch) for batch in facts.batches],
        "generator": _generator(result),
        "emulator": [row.figures() for row in compare_counts(total, facts.emulator or {})],
        "telemetry": None if facts.telemetry is None else facts.telemetry.figures(),
        "devices": facts.devices,
        "hubs": list(facts.hubs),
        "attempts": facts.attempts,
        "startedBy": facts.started_by,
        "createdAt": instant(facts.created_at),
        "startedAt": instant(facts.started_at),
        "endedAt": instant(facts.ended_at),
        "durationsS": {phase: facts.durations_s[phase] for phase in Phase if phase in facts.durations_s},
        "randomSeed": facts.random_seed,
        "version": facts.version,
        "spec": dict(facts.spec),
    }


def failures(result: RunResult) -> list[dict[str, Any]]:
    """Failures by operation, outcome and code over all phases, the most frequent first."""
    total = result.total
    grouped = [
        {
            "operation": operation,
            "outcome": outcome,
            "code": code,
            "blame": BLAMES[outcome],
            "count": found.count,
            "firstSeenS": round(found.first_ns / NS_PER_S, 3),
            "lastSeenS": round(found.last_ns / NS_PER_S, 3),
            "samples": [
                {"atS": round(at_ns / NS_PER_S, 3), "device": device, "detail": detail}
                for at_ns, device, detail in found.samples
            ],
        }
        for operation in total.operations()
        for (outcome, code), found in sorted(total.select(operation).failures.items())
    ]
    return sorted(grouped, key=lambda group: -group["count"])


def _operation(result: RunResult, operation: Operation) -> dict[str, Any]:
    facts, total = result.facts, result.total
    numbers = partial(_numbers, operation, percentiles=facts.percentiles)
    phases, spent = result.phases(operation), result.spent_s(operation)
    seen = [series for series in total.series if series.operation is operation]
    hubs = sorted({series.hub for series in seen if series.hub and series.phase in phases})
    return {
        "phases": [phase for phase in Phase if phase in phases],
        **numbers(result.counts(operation), spent_s=spent),
        "byPhase": {
            phase: numbers(total.select(operation, {phase}), spent_s=spent_s({phase}, facts.durations_s))
            for phase in Phase
            if any(series.phase is phase for series in seen)
        },
        "byHub": {hub: numbers(result.counts(operation, hub), spent_s=spent) for hub in hubs},
    }


def _numbers(operation: Operation, counts: Counts, *, spent_s: float, percentiles: Sequence[float]) -> dict[str, Any]:
    codes: dict[str, dict[str, int]] = {}
    for (outcome, code), many in sorted(counts.codes.items()):
        codes.setdefault(outcome, {})[code] = many
    return {
        **_tallied(counts),
        "retries": counts.retries,
        "unmatched": counts.unmatched,
        "failRate": rounded(counts.fail_rate, 6),
        "ratePerSecond": rounded(counts.rate(spent_s), 6),
        "latencyMs": {
            "intended": latency(counts.intended, percentiles),
            "actual": latency(counts.actual, percentiles),
        },
        "failedAfterMs": latency(counts.failed_after, percentiles),
        "parts": {part: latency(histogram, percentiles) for part, histogram in in_order(operation, counts.parts)},
        "outcomes": dict(sorted(counts.outcomes.items())),
        "codes": codes,
        "drops": dict(sorted(counts.drops.items())),
    }


def _tallied(counts: Counts) -> dict[str, int]:
    return {
        "due": counts.due,
        "started": counts.started,
        "ok": counts.ok,
        "failed": counts.failed,
        "late": counts.late,
        "lost": counts.lost,
        "cancelled": counts.cancelled,
        "dropped": counts.dropped,
        "inFlight": counts.in_flight,
        "overdue": counts.overdue,
    }


def _threshold(judged: Judged) -> dict[str, Any]:
    threshold = judged.threshold
    return {
        "metric": str(threshold.metric),
        "expr": str(threshold.expr),
        "windowS": threshold.window_s,
        "delayS": threshold.delay_s,
        "abortOnFail": threshold.abort_on_fail,
        "ok": None if judged.is_skipped else judged.is_ok,
        "value": rounded(judged.value, 6),
        "baseline": rounded(judged.baseline, 6),
        "limit": rounded(judged.limit, 6),
        "worstWindowS": None if judged.window is None else list(judged.window),
        "text": judged.text,
    }


def _batch(result: RunResult, batch: BatchFacts) -> dict[str, Any]:
    fitness = result.judgement.fitness.get(batch.name)
    total = batch.total
    return {
        "name": batch.name,
        "status": batch.status,
        "holder": batch.holder,
        "token": batch.token,
        "devices": batch.devices,
        "health": None if fitness is None else fitness.figures(),
        "operations": {} if total is None else {name: _tallied(total.select(name)) for name in total.operations()},
    }


def _generator(result: RunResult) -> dict[str, Any]:
    fitness = result.judgement.fitness.values()
    worst = Worst()
    for fit in fitness:
        worst = worst.merge(fit.worst)
    return {
        "fit": not any(fit.reasons for fit in fitness),
        "judged": sum(fit.judged for fit in fitness),
        "over": sum(fit.over for fit in fitness),
        "worst": worst.figures(),
        "limits": {"lagP99Ms": LAG_LIMIT_S * 1000, "cpuShare": CPU_LIMIT, "descriptorShare": DESCRIPTOR_LIMIT},
        "reasons": [reason for fit in fitness for reason in fit.reasons],
    }
