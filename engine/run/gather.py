"""What the batches of a run have left so far, put together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any

from engine.batch.checkpoint import Archived, Checkpoint, CheckpointUnreadable
from engine.device.catalog import SCENARIOS
from engine.measure.encoding import NotATally
from engine.measure.operation import Phase
from engine.measure.timeline import Timeline
from engine.plan.batches import Batch
from engine.plan.spec.runspec import RunSpec
from engine.report.heat import Heat
from engine.run import keys, record
from engine.run.claims import Claims
from engine.run.files import Planned
from engine.run.means import Means
from engine.run.outcome import BatchOutcome, OutcomeUnreadable
from engine.run.reading import read_all
from engine.run.state import RunState

LOST = "lost"
UNFINISHED = "unfinished"
NOT_STARTED = "not-started"

_AT_ONCE = 100
"""Results and pieces held in memory at a time."""


class PieceMissing(Exception):
    """A part of a batch's timeline that should be in the store, and is not or cannot be read."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The plan's batches in order, each with its outcome; the merged timeline; how long each phase took.

    The outcomes keep their totals only: all their windows are in the timeline, and a little of each batch's in heat.
    """

    outcomes: tuple[BatchOutcome, ...]
    timeline: Timeline
    durations_s: Mapping[Phase, float]
    heat: Heat


def gather(found: RunState, planned: Planned, spec: RunSpec, means: Means, *, missing: str) -> Gathered:
    """Every batch's result; of one without, what its last checkpoint kept, under the word for missing ones.

    What a batch had not finished in an earlier attempt of the run is no result in this one.
    """
    run_id = found.run_id
    merged = Timeline(spec.results.interval_s, spec.results.failure_samples)
    heat = Heat(SCENARIOS[spec.scenario].main, merged.interval_s)
    outcomes = []
    for left in _outcomes(found, planned.plan.batches, spec, means, missing=missing):
        try:
            whole = _whole(run_id, left, means)
            outcome = replace(left, timeline=Timeline(merged.interval_s, merged.samples_kept), past=left.total)
        except PieceMissing as gone:
            outcome = _none(planned.plan.batches[left.batch], spec, LOST, str(gone))
            whole = outcome.timeline
        merged.merge(whole)
        heat.add(f"batch {outcome.batch}", whole, outcome.total)
        outcomes.append(outcome)
    spent_s = {outcome.batch: outcome.durations_s for outcome in outcomes}
    return Gathered(tuple(outcomes), merged, durations(planned.plan.waves, spent_s), heat)


def _outcomes(
    found: RunState, batches: Sequence[Batch], spec: RunSpec, means: Means, *, missing: str
) -> Iterator[BatchOutcome]:
    for some in batched(batches, _AT_ONCE, strict=False):
        wanted = [keys.result_key(found.run_id, batch.index) for batch in some]
        for batch, key, held in zip(some, wanted, read_all(means.store, wanted), strict=True):
            fenced = record.unfenced(key, held)
            try:
                outcome = BatchOutcome.decode(fenced.body) if fenced and fenced.body else None
            except OutcomeUnreadable as broken:
                yield _none(batch, spec, LOST, str(broken))
                continue
            if outcome is not None and (outcome.is_whole or outcome.attempt == found.attempt):
                yield outcome
            else:
                yield _left(found, batch, spec, means, missing=missing)


def _left(found: RunState, batch: Batch, spec: RunSpec, means: Means, *, missing: str) -> BatchOutcome:
    """What a batch without a result has left."""
    kept = record.read_fenced(means.store, keys.checkpoint_key(found.run_id, batch.index))
    claims = Claims(means.store, means.clock, means.lease_s, attempt=found.attempt)
    is_taken = claims.standing(found.run_id, batch.index).attempt == found.attempt
    stop, why = (missing, "it left no result") if is_taken else (NOT_STARTED, "nobody took it")
    if kept is None or not kept.body:
        return _none(batch, spec, stop, f"{why} and no checkpoint" if is_taken else why)
    try:
        checkpoint = Checkpoint.decode(kept.body)
    except CheckpointUnreadable as broken:
        return _none(batch, spec, LOST, str(broken))
    return BatchOutcome(
        batch=batch.index,
        holder="",
        token=kept.token,
        stop=stop,
        timeline=checkpoint.timeline,
        handed=checkpoint.handed,
        detail=f"{why}; its last checkpoint is counted",
        archived=checkpoint.archived,
        past=checkpoint.past,
    )


def _whole(run_id: str, outcome: BatchOutcome, means: Means) -> Timeline:
    """All windows of the batch, archived ones included. Raises PieceMissing."""
    if not outcome.archived:
        return outcome.timeline
    whole = Timeline(outcome.timeline.interval_s, outcome.timeline.samples_kept)
    whole.merge(outcome.timeline)
    for some in batched(_piece_keys(run_id, outcome.batch, outcome.archived), _AT_ONCE, strict=False):
        for key, held in zip(some, read_all(means.store, some), strict=True):
            if held is None:
                raise PieceMissing(f"{key} is gone")
            try:
                whole.merge(Timeline.decode(held.body))
            except NotATally as broken:
                raise PieceMissing(f"{key}: {broken}") from broken
    return whole


def _piece_keys(run_id: str, batch: int, archived: Sequence[Archived]) -> Iterator[str]:
    for found in archived:
        for number in range(found.count):
            yield keys.piece_key(run_id, batch, found.token, number)


def _none(batch: Batch, spec: RunSpec, stop: str, detail: str) -> BatchOutcome:
    nothing = Timeline(spec.results.interval_s, spec.results.failure_samples)
    return BatchOutcome(batch=batch.index, holder="", token=0, stop=stop, timeline=nothing, detail=detail)


def durations(waves: Sequence[Sequence[int]], spent_s: Mapping[int, Mapping[Phase, float]]) -> dict[Phase, float]:
    """Per phase the longest of a wave's batches, over all waves: they follow each other. spent_s is by batch."""
    return {phase: sum(max(spent_s[index].get(phase, 0.0) for index in wave) for wave in waves) for phase in Phase}


def difference(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What was counted between two readings of counters, which may be nested once."""
    found: dict[str, Any] = {}
    for name, value in after.items():
        if isinstance(value, Mapping):
            found[name] = difference(value, before.get(name) or {})
        elif isinstance(value, int) and not isinstance(value, bool):
            found[name] = value - int(before.get(name) or 0)
    return found
