"""What the batches of a run have left so far, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.batch.checkpoint import Checkpoint, CheckpointUnreadable
from engine.measure.operation import Phase
from engine.measure.timeline import Timeline
from engine.plan.batches import Batch
from engine.plan.spec.runspec import RunSpec
from engine.run import keys, record
from engine.run.files import Planned
from engine.run.means import Means
from engine.run.outcome import BatchOutcome, OutcomeUnreadable

LOST = "lost"
UNFINISHED = "unfinished"
NOT_STARTED = "not-started"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The plan's batches in order, each with its outcome; the merged timeline; how long each phase took."""

    outcomes: tuple[BatchOutcome, ...]
    timeline: Timeline
    durations_s: Mapping[Phase, float]


def gather(run_id: str, planned: Planned, spec: RunSpec, means: Means, *, missing: str) -> Gathered:
    """Every batch's result; of one without, what its last checkpoint kept, under the word for missing ones."""
    outcomes = tuple(_outcome(run_id, batch, spec, means, missing=missing) for batch in planned.plan.batches)
    merged = Timeline(spec.results.interval_s, spec.results.failure_samples)
    for outcome in outcomes:
        merged.merge(outcome.timeline)
    return Gathered(outcomes, merged, _durations(planned.plan.waves, outcomes))


def _outcome(run_id: str, batch: Batch, spec: RunSpec, means: Means, *, missing: str) -> BatchOutcome:
    fenced = record.read_fenced(means.store, keys.result_key(run_id, batch.index))
    if fenced is not None and fenced.body:
        try:
            return BatchOutcome.decode(fenced.body)
        except OutcomeUnreadable as broken:
            return _none(batch, spec, LOST, str(broken))
    kept = record.read_fenced(means.store, keys.checkpoint_key(run_id, batch.index))
    if kept is None or not kept.body:
        if means.store.read(keys.claim_key(run_id, batch.index)) is None:
            return _none(batch, spec, NOT_STARTED, "nobody took it")
        return _none(batch, spec, missing, "it left no result and no checkpoint")
    try:
        checkpoint = Checkpoint.decode(kept.body)
    except CheckpointUnreadable as broken:
        return _none(batch, spec, LOST, str(broken))
    return BatchOutcome(
        batch=batch.index,
        holder="",
        token=kept.token,
        stop=missing,
        timeline=checkpoint.timeline,
        handed=checkpoint.handed,
        detail="it left no result; its last checkpoint is counted",
    )


def _none(batch: Batch, spec: RunSpec, stop: str, detail: str) -> BatchOutcome:
    nothing = Timeline(spec.results.interval_s, spec.results.failure_samples)
    return BatchOutcome(batch=batch.index, holder="", token=0, stop=stop, timeline=nothing, detail=detail)


def _durations(waves: Sequence[Sequence[int]], outcomes: Sequence[BatchOutcome]) -> dict[Phase, float]:
    """Per phase the longest of a wave's batches, over all waves: they follow each other."""
    return {
        phase: sum(max(outcomes[index].durations_s.get(phase, 0.0) for index in wave) for wave in waves)
        for phase in Phase
    }


def difference(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What was counted between two readings of counters, which may be nested once."""
    found: dict[str, Any] = {}
    for name, value in after.items():
        if isinstance(value, Mapping):
            found[name] = difference(value, before.get(name) or {})
        elif isinstance(value, int) and not isinstance(value, bool):
            found[name] = value - int(before.get(name) or 0)
    return found
