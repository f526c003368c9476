"""What is told of runs and schedules themselves: a run begins and ends, a schedule fires.

Whoever carries an activity out again tells it again, under the same id.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from engine.batch.telling import figures_of
from engine.device.catalog import SCENARIOS
from engine.measure.signal import Event, EventName
from engine.plan.spec.scenario import Scenario
from engine.report.results import RunResult
from engine.run.means import Means
from engine.run.schedules import Firing, Schedule
from engine.run.state import RunState

WITHIN_S: Final = 5.0
"""How long an activity waits until what it told is sent: a run is not to begin late because nobody takes that."""

REASON_CHARS: Final = 200

BY_SCHEDULE: Final = "schedule:"
"""What `startedBy` begins with where a schedule did it."""


def tell(means: Means, events: Sequence[Event]) -> None:
    """The events are sent, or were not to be, after a while."""
    if means.telemetry is not None and events:
        outbox = means.telemetry()
        outbox.tell(events)
        outbox.close(WITHIN_S)


def run_started(found: RunState, *, devices: int, batches: int, at: float) -> Event:
    """An attempt of a run begins."""
    return _run(found, "started", at, {}, {"devices": devices, "batches": batches})


def run_finished(found: RunState, result: RunResult) -> Event:
    """A run was judged."""
    facts, judgement = result.facts, result.judgement
    spent_s = result.spent_s(facts.main)
    figures = figures_of(result.counts(facts.main), devices=facts.devices, duration_s=spent_s)
    said = {"exitCode": str(judgement.exit_code)}
    return _run(found, "finished", facts.ended_at or 0.0, said, {**figures, "batches": len(facts.batches)})


def run_given_up(found: RunState, exit_code: int, *, at: float) -> Event:
    """A run ended without a judgement."""
    return _run(found, "finished", at, {"exitCode": str(exit_code)}, {})


def fired(held: Schedule, firing: Firing) -> Event:
    """What became of a firing of a schedule."""
    run_id = held.run_id(firing.at)
    said = {
        "runId": firing.run_id,
        "scenario": "",
        "schedule": held.name,
        "status": firing.became,
        "reason": firing.why[:REASON_CHARS],
        "id": f"{run_id}/fired",
    }
    return Event(EventName.FIRING, firing.at, said, {})


def _run(found: RunState, status: str, at: float, facts: Mapping[str, str], figures: Mapping[str, float]) -> Event:
    by, is_scheduled, schedule = found.started_by.partition(BY_SCHEDULE)
    said = {
        "runId": found.run_id,
        "scenario": found.scenario,
        "status": status,
        "name": found.name,
        "target": found.target,
        "mainOperation": SCENARIOS[Scenario(found.scenario)].main,
        "state": found.stage,
        "verdict": found.verdict or "",
        "startedBy": found.started_by,
        "schedule": schedule if is_scheduled and not by else "",
        "planHash": found.spec_digest[:16],
        "reason": (found.reasons or ("",))[0][:REASON_CHARS],
        "attempt": str(found.attempt),
        "id": f"{found.run_id}/a{found.attempt}/{status}",
        **facts,
    }
    return Event(EventName.RUN, at, said, figures)
