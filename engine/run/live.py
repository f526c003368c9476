"""How a run is doing, from its state and its batches' progress, read when somebody asks."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.batch.progress import Progress, ProgressUnreadable
from engine.device.catalog import SCENARIOS
from engine.errors import BLAMES, NotFound, Outcome
from engine.measure.counts import Counts
from engine.measure.evaluation import judge_threshold
from engine.measure.operation import Operation, Phase
from engine.measure.tally import Tally
from engine.measure.timeline import Timeline
from engine.measure.verdict import Verdict
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor
from engine.report.units import instant
from engine.run import cleanup, keys, record
from engine.run.files import Planned, read_plan, read_spec
from engine.run.means import Means, RunClock
from engine.run.reading import read_all
from engine.run.state import RunState, Stage

STALLED_S = 20.0
"""A batch that has begun and has said nothing for so long is named."""

SHOWN_FAILURES = 20
_WHOLE_S = 1e9
"""A window that holds any load whole."""

_ORDER = (Phase.PREPARE, Phase.RAMP, Phase.STEADY, Phase.DRAIN)


@dataclass(slots=True)
class View:
    """All batches' progress, put together."""

    tally: Tally = field(default_factory=Tally)
    devices: Counter[str] = field(default_factory=Counter)
    phases: list[Phase] = field(default_factory=list)
    generator: dict[str, float] = field(default_factory=dict)
    load_start: float | None = None
    load_end: float | None = None
    store_failures: int = 0
    waiting: int = 0
    stalled: list[int] = field(default_factory=list)

    def add(self, batch: int, progress: Progress, *, now: float, is_live: bool) -> None:
        """Count one batch in."""
        self.tally.merge(progress.tally)
        self.devices.update(progress.devices)
        self.phases.append(progress.phase)
        for name, value in progress.generator.items():
            self.generator[name] = max(value, self.generator.get(name, 0.0))
        self.store_failures += progress.store_failures
        if progress.load_start is not None:
            self.load_start = min(progress.load_start, math.inf if self.load_start is None else self.load_start)
        if progress.load_end is not None:
            self.load_end = max(progress.load_end, 0.0 if self.load_end is None else self.load_end)
        if is_live and progress.phase is not Phase.DRAIN and now - progress.at > STALLED_S:
            self.stalled.append(batch)


def look(run_id: str, state: RunState, means: Means) -> dict[str, Any]:
    """The live view as JSON values; see product page, section 6, `GET /api/runs/{id}`."""
    body: dict[str, Any] = {
        "runId": run_id,
        "name": state.name,
        "scenario": state.scenario,
        "target": state.target,
        "labels": dict(state.labels),
        "state": state.stage,
        "verdict": state.verdict,
        "reasons": list(state.reasons),
        "warnings": list(state.warnings),
        "attempt": state.attempt,
        "created": instant(state.created),
        "startedBy": state.started_by,
        "baseline": state.baseline,
        "cancelRequestedAt": instant(state.cancel_requested_at),
        "cleanup": cleanup.figures(state, means),
        "links": links(run_id),
    }
    try:
        planned, spec = read_plan(means.store, run_id), read_spec(means.store, run_id)
    except NotFound:
        return {**body, "phase": None, "progress": 0.0, "batches": {"planned": 0}}
    clock = RunClock.at(means.clock, planned.zero_wall + state.paused_s)
    view = gather(run_id, planned, means, now=clock.now(), is_live=state.is_live)
    return {**body, **_told(view, planned, spec, now=clock.now(), state=state)}


def links(run_id: str) -> dict[str, str]:
    """Where the rest of a run is found."""
    base = f"/api/runs/{run_id}"
    return {
        "self": base,
        "cancel": f"{base}/cancel",
        "resume": f"{base}/resume",
        "results": f"{base}/results",
        "report": f"{base}/report",
        "intervals": f"{base}/intervals",
        "compare": f"{base}/compare",
    }


def gather(run_id: str, planned: Planned, means: Means, *, now: float, is_live: bool) -> View:
    """Every batch's latest progress; one that cannot be read counts as waiting."""
    view = View()
    wanted = [keys.progress_key(run_id, batch.index) for batch in planned.plan.batches]
    for batch, key, held in zip(planned.plan.batches, wanted, read_all(means.store, wanted), strict=True):
        fenced = record.unfenced(key, held)
        try:
            progress = Progress.decode(fenced.body) if fenced and fenced.body else None
        except ProgressUnreadable:
            progress = None
        if progress is None:
            view.waiting += 1
        else:
            view.add(batch.index, progress, now=now, is_live=is_live)
    return view


def _told(view: View, planned: Planned, spec: RunSpec, *, now: float, state: RunState) -> dict[str, Any]:
    main = view.tally.select(SCENARIOS[spec.scenario].main)
    elapsed = _elapsed(view, spec, now=now, state=state)
    share, eta = _progress(view, planned, spec, now=now, state=state)
    return {
        "phase": None if not view.phases else min(view.phases, key=_ORDER.index),
        "progress": round(share, 4),
        "etaSeconds": eta,
        "elapsedSeconds": round(elapsed, 1),
        "devices": {"total": sum(batch.devices for batch in planned.plan.batches), **view.devices},
        "operations": {operation: _operation(view.tally, operation, elapsed) for operation in view.tally.operations()},
        **_so_far(view.tally, spec, elapsed, state),
        "throttledShare": round((main.outcomes[Outcome.THROTTLED] / main.started) if main.started else 0.0, 4),
        "failures": list(_failures(view.tally)),
        "generator": view.generator,
        "storeFailures": view.store_failures,
        "batches": {
            "planned": len(planned.plan.batches),
            "waiting": view.waiting,
            "running": len(view.phases) if state.stage in (Stage.RUNNING, Stage.DRAINING) else 0,
            "stalled": view.stalled,
            "wave": state.wave,
            "waves": planned.outline.waves,
        },
    }


def _so_far(tally: Tally, spec: RunSpec, elapsed_s: float, state: RunState) -> dict[str, Any]:
    """The verdict that the run would get now, and what speaks against it.

    Only thresholds on the whole load are judged here: windows, delays and a baseline are for the watch, and the end.
    """
    if state.verdict is not None:
        return {"verdictSoFar": state.verdict, "broken": []}
    timeline = Timeline(_WHOLE_S)
    timeline.add(0, tally)
    whole = [t for t in spec.judged_by() if t.window_s is None and not t.delay_s and not t.expr.times_baseline]
    judged = [judge_threshold(t, timeline, durations_s={Phase.STEADY: elapsed_s}) for t in whole]
    broken = [found.text for found in judged if found.value is not None and not found.is_ok]
    verdict = Verdict.FAILED if broken else Verdict.PASSED
    if state.cancel_requested_at is not None:
        verdict = Verdict.CANCELLED
    elif state.stopped is not None:
        verdict, broken = Verdict(state.stopped.verdict), [*state.stopped.reasons, *broken]
    return {"verdictSoFar": verdict, "broken": broken}


def _elapsed(view: View, spec: RunSpec, *, now: float, state: RunState) -> float:
    """Seconds of load so far; `once` is over when its last batch is."""
    if view.load_start is None:
        return 0.0
    goes_on = state.is_live and spec.load.executor is Executor.ONCE
    end = now if view.load_end is None or goes_on else view.load_end
    return max(0.0, min(now, end) - view.load_start)


def _progress(
    view: View, planned: Planned, spec: RunSpec, *, now: float, state: RunState
) -> tuple[float, float | None]:
    """Share done, and seconds to go where that can be told: by time where the load has an end, else by devices.

    Of a rate search nobody knows: it is not done until it ends.
    """
    if state.stage is Stage.FINISHED:
        return 1.0, 0.0
    if view.load_start is None or (view.load_end is None and spec.load.executor is Executor.RATE_SEARCH):
        return 0.0, None
    if view.load_end is not None and spec.load.executor is not Executor.ONCE:
        whole = max(view.load_end - view.load_start, 1e-9)
        left = max(0.0, view.load_end - now)
        return min(1.0, 1.0 - left / whole), round(left, 1)
    devices = sum(batch.devices for batch in planned.plan.batches)
    counts = view.tally.select(Operation.ITERATION)
    share = (counts.ended + counts.dropped) / devices
    rate = counts.ended / max(now - view.load_start, 1e-9)
    return share, round((devices - counts.ended) / rate, 1) if rate else None


def _operation(tally: Tally, operation: Operation, elapsed_s: float) -> dict[str, Any]:
    load = tally.select(operation, _ORDER[1:])
    counts = load if load.due else tally.select(operation)
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
        "retries": counts.retries,
        "phase": "load" if load.due else "prepare",
        "ratePerSecond": round(counts.ended / elapsed_s, 3) if elapsed_s and load.due else None,
        **_percentiles(counts),
    }


def _percentiles(counts: Counts) -> Mapping[str, float | None]:
    found = {name: counts.intended.quantile(q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return {name: None if value is None else round(value * 1000, 3) for name, value in found.items()}


def _failures(tally: Tally) -> Iterable[dict[str, Any]]:
    """The most frequent failures first."""
    found = [
        {
            "operation": operation,
            "outcome": outcome,
            "code": code,
            "blame": BLAMES[outcome],
            "count": failures.count,
        }
        for operation in tally.operations()
        for (outcome, code), failures in tally.select(operation).failures.items()
    ]
    return sorted(found, key=lambda one: (-int(str(one["count"])), str(one["operation"])))[:SHOWN_FAILURES]
