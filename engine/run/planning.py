"""The first activity of a run, and of every attempt to resume it: names held, the plan written, the run under way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.errors import IllegalMove, RunRefused
from engine.plan.batches import plan_run as share_out
from engine.plan.spec.execution import Runner
from engine.plan.spec.runner import runner_of
from engine.plan.spec.runspec import RunSpec
from engine.run import bulletin, resume, state
from engine.run.files import Outline, read_plan, read_spec, write_plan
from engine.run.means import Means, target_of
from engine.run.submission import hold
from engine.run.watch import is_watched

WATCH_EVERY_S: Final = 10.0
"""How often a run is looked at whose thresholds or autoStop may end it."""


def plan_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """What the orchestrator needs to know of the plan: counts, deadlines, who drives and whether somebody watches.

    `refused` says why not, "" where all is well: trying again would not help.
    """
    run_id, attempt = str(order["runId"]), int(order["attempt"])
    spec = read_spec(means.store, run_id)
    try:
        if attempt == 1:
            _share_out(run_id, spec, means)
        else:
            resume.take_stock(run_id, attempt, means)
    except RunRefused as refused:
        return {"refused": str(refused)}
    planned, now = read_plan(means.store, run_id), means.clock.wall()
    outline = planned.outline
    patience_s = spec.load.graceful_stop_s + means.lease_s + 60.0
    deadline_s = sum(max(planned.plan.batches[index].deadline_s for index in wave) for wave in planned.plan.waves)
    hold(run_id, spec, means, for_s=deadline_s + patience_s)
    begun = state.advance(
        means.store,
        run_id,
        state.Event.PLANNED,
        now=now,
        attempt=attempt,
        change=lambda found: replace(
            state.with_batches(found, planned=outline.batches), deadline_at=now + deadline_s + patience_s
        ),
    )
    devices = sum(batch.devices for batch in planned.plan.batches)
    bulletin.tell(means, [bulletin.run_started(begun, devices=devices, batches=outline.batches, at=now)])
    return {
        "refused": "",
        "batches": outline.batches,
        "atOnce": outline.at_once,
        "deadlineAt": now + deadline_s,
        "patienceS": patience_s,
        "batchAttempts": spec.retries.batch,
        "launches": runner_of(spec) is Runner.JOB,
        "watchEveryS": WATCH_EVERY_S if is_watched(spec) else 0.0,
    }


def stop_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run is past its deadline and drains: every batch sees it within a second."""
    stopped = state.Stopped("aborted", ("the run was past its deadline",))
    try:
        state.ask_stop(means.store, str(order["runId"]), stopped, now=means.clock.wall())
    except IllegalMove as late:
        return {"stopped": False, "why": str(late)}
    return {"stopped": True}


def _share_out(run_id: str, spec: RunSpec, means: Means) -> Outline:
    """The plan, as it is kept. Raises RunRefused."""
    target = target_of(spec, means)
    ranges = hold(run_id, spec, means)
    devices = sum(held.count for held in ranges)
    sized = spec.model_copy(update={"devices": spec.devices.model_copy(update={"count": devices})})
    plan = share_out(sized, run_id=run_id, ranges=[(held.first, held.count) for held in ranges], target=target)
    control = target.profile.control
    counters = means.counters(control) if control else None
    return write_plan(means.store, plan, zero_wall=means.clock.wall(), counters=dict(counters) if counters else None)
