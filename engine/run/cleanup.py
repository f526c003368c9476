"""The activities of a clean-up: (order, means) → a short receipt. Each may be called again after it did its work.

Theory of operation. A clean-up takes away what a run's devices left: what the device registry holds of them, their
registrations where a service API may be asked, and their state. The names are the run's as long as that goes on, and
every part takes its own before it touches anything: devices that another run has by now are left alone. The names stay
used up, so no later device is mistaken for one that is gone. What the services refuse is counted as left, and so is
what an activity failed to do; asking again does the rest.

Batches of the registry's scenarios delete their own devices where the spec says `delete`, because that is measured as a
part of the run: what they say they deleted is not asked for again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from engine.batch.done import Stop
from engine.device.catalog import SCENARIOS
from engine.errors import Outcome, RunRefused, SettingsError
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.tally import Tally, merge
from engine.plan.batches import Batch
from engine.plan.spec.execution import Cleanup
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTRY
from engine.report.figures import latency
from engine.report.units import instant
from engine.run import keys, pool, record, state
from engine.run.files import read_plan, read_spec
from engine.run.home import DeviceState, Span
from engine.run.means import Means, target_of
from engine.run.outcome import BatchOutcome, OutcomeUnreadable
from engine.run.release import let_go
from engine.run.state import RunState
from engine.run.undo import steps_of, undo, what_stays

DOCUMENT: Final = "cleanup.json"

PART_DEVICES: Final = 20_000
PART_BATCHES: Final = 100
"""How much a part is at most: what a service's quota lets through in half an hour, and what one answer may list."""

PARTS_AT_ONCE: Final = 4
"""Parts that only delete state go side by side; those that ask services do not, for they would share the quota."""

_ENDED: Final = frozenset({Stop.SCHEDULE, Stop.CANCELLED, Stop.LIMIT})
"""Ends after which a batch still cleans up."""


def plan_cleaning(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The names are the run's; into which parts its batches fall. `left` are devices that cannot be cleaned up at all,
    and `refused` says why not. A clean-up that is over has no parts."""
    run_id = str(order["runId"])
    found = state.read_state(means.store, run_id)
    if not found.is_cleaning(means.clock.wall()):
        return {"refused": "", "left": 0, "parts": [], "atOnce": 1}
    spec, batches = read_spec(means.store, run_id), read_plan(means.store, run_id).plan.batches
    try:
        take_names(found, spec, batches, means)
        steps = steps_of(spec, target_of(spec, means))
    except RunRefused as refused:
        return {"refused": str(refused), "left": _size(batches), "parts": [], "atOnce": 1}
    return {"refused": "", "left": 0, "parts": list(_parts(batches)), "atOnce": 1 if steps else PARTS_AT_ONCE}


def clean_part(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The part's devices have left nothing, but for those that are counted as left; `why` is what kept the first."""
    run_id, first, count = str(order["runId"]), int(order["first"]), int(order["count"])
    found = state.read_state(means.store, run_id)
    if found.cleaning is None or not found.is_cleaning(means.clock.wall()):
        return {"deleted": 0, "left": 0, "why": ""}
    spec = read_spec(means.store, run_id)
    batches = read_plan(means.store, run_id).plan.batches[first : first + count]
    try:
        take_names(found, spec, batches, means)
    except RunRefused as refused:
        return {"deleted": 0, "left": _size(batches), "why": str(refused)}
    tally = _forget(spec, batches, means)
    undone, left, why = _undo(found, spec, batches, means)
    tally.merge(undone)
    body = tally.encode()
    record.update(means.store, keys.cleaning_key(run_id, found.cleaning.number, first), lambda _held: body)
    return {"deleted": _size(batches) - left, "left": left, "why": why}


def end_cleaning(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The names are free, and the run's state says what came of it."""
    run_id = str(order["runId"])
    found, now = state.read_state(means.store, run_id), means.clock.wall()
    if found.cleaning is None or not found.is_cleaning(now):
        return {"cleaned": False}
    spec, left = read_spec(means.store, run_id), int(order["left"])
    notes = (*_stays(spec, means), *([str(order["why"])] if order["why"] else []))
    ended = replace(found.cleaning, ended_at=now, deleted=int(order["deleted"]), left=left, notes=notes)
    _write(found.run_id, ended, means)
    let_go(run_id, spec, means, keeps_all=spec.scenario in REGISTRY and left > 0)
    state.amend(means.store, run_id, partial(_with, ended))
    return {"cleaned": True}


def take_names(found: RunState, spec: RunSpec, batches: Sequence[Batch], means: Means) -> None:
    """The batches' device names are the run's for as long as a clean-up may take. Raises RunRefused `overlap`."""
    now = means.clock.wall()
    until = now + state.CLEANS_FOR_S if found.cleaning is None else max(found.cleaning.until, now)
    key = keys.counter_key(means.counter_prefix, spec.devices.prefix)
    ranges = [pool.Range(held.first, held.count) for batch in batches for held in batch.ranges]
    pool.retake(means.store, key, found.run_id, ranges, until=until, now=now)


def figures(found: RunState, means: Means) -> dict[str, Any] | None:
    """The run's latest clean-up as JSON values, with what it measured once it has ended; None where there was none."""
    cleaning = found.cleaning
    if cleaning is None:
        return None
    held = means.results.read(_document_key(found.run_id)) if cleaning.ended_at is not None else None
    measured = json.loads(held.body) if held else {}
    return {**_told(cleaning), "isOver": not found.is_cleaning(means.clock.wall()), **measured}


def _undo(found: RunState, spec: RunSpec, batches: Sequence[Batch], means: Means) -> tuple[Tally, int, str]:
    """What it measured to undo what is at the services, how many devices are left there, and why."""
    is_asked = found.cleaning is not None and found.cleaning.is_asked
    undone = spec.cleanup is Cleanup.DELETE and bool(SCENARIOS[spec.scenario].cleanup) and not is_asked
    indexes = [
        batch.device_index(own)
        for batch in batches
        if not (undone and _has_cleaned_up(found.run_id, batch, means))
        for own in range(batch.devices)
    ]
    try:
        target = target_of(spec, means)
        steps = steps_of(spec, target)
        tally = undo(spec, target, indexes, steps=steps, means=means) if indexes and steps else None
    except RunRefused as refused:
        return Tally(), len(indexes), str(refused)
    except SettingsError as wrong:  # names only: a setting's text may hold a secret
        return Tally(), len(indexes), f"settings are missing or wrong: {', '.join(wrong.problems)}"
    if tally is None:
        return Tally(), 0, ""
    done = tally.select(Operation.ITERATION)
    left, kinds = len(indexes) - done.ok, [f"{outcome} {code}".rstrip() for outcome, code in done.failures]
    return tally, left, f"the services did not do it: {', '.join(kinds) or 'not in time'}" if left else ""


def _has_cleaned_up(run_id: str, batch: Batch, means: Means) -> bool:
    """Whether the batch deleted its own devices, all of them, when its load was over."""
    held = record.read_fenced(means.store, keys.result_key(run_id, batch.index))
    try:
        outcome = BatchOutcome.decode(held.body) if held and held.body else None
    except OutcomeUnreadable:
        return False
    return outcome is not None and outcome.stop in _ENDED and outcome.uncleaned == 0


def _forget(spec: RunSpec, batches: Sequence[Batch], means: Means) -> Tally:
    """What deleting the devices' state measured, blob by blob. Raises StoreUnavailable."""
    devices = DeviceState(means.store, means.data_prefix, spec.devices.prefix, means.wrapping_key)
    spans = [Span(held.first, held.count) for batch in batches for held in batch.ranges]
    series, tally = Series(Operation.STATE_DELETE, Phase.DRAIN), Tally(0)
    for key in devices.blobs(spans):
        began = means.clock.now()
        devices.forget(key, spans)
        tally.begin(series)
        tally.settle(Sample(series, began, began, means.clock.now(), Outcome.OK))
    return tally


def _stays(spec: RunSpec, means: Means) -> tuple[str, ...]:
    target = means.targets.get(spec.target)
    return () if target is None else what_stays(spec, target)


def _write(run_id: str, ended: state.Cleaning, means: Means) -> None:
    """Keep for people to read what the clean-up came to, and what it measured."""
    prefix = keys.cleaning_prefix(run_id, ended.number)
    parts = (held.body for key in means.store.keys(prefix) if (held := means.store.read(key)))
    tally = merge(Tally.decode(body) for body in parts)
    operations = {
        operation: {"due": found.due, "ok": found.ok, "retries": found.retries, **latency(found.intended, (50, 95, 99))}
        for operation in tally.operations()
        for found in (tally.select(operation),)
    }
    body = json.dumps({**_told(ended), "operations": operations}).encode()
    record.update(means.results, _document_key(run_id), lambda _held: body)


def _told(cleaning: state.Cleaning) -> dict[str, Any]:
    return {
        "number": cleaning.number,
        "endedAt": instant(cleaning.ended_at),
        "deleted": cleaning.deleted,
        "left": cleaning.left,
        "notes": list(cleaning.notes),
    }


def _with(ended: state.Cleaning, found: RunState) -> RunState:
    """The state with the clean-up ended, and a warning where devices are left."""
    why = ended.notes[-1] if ended.left and ended.notes else ""
    line = f"clean-up: {ended.left} devices may have left something: {why}"
    return replace(found, cleaning=ended, warnings=(*found.warnings, *([line] if ended.left else [])))


def _parts(batches: Sequence[Batch]) -> Iterator[dict[str, Any]]:
    """The batches in parts of their order, none larger than it may be, but none without a batch."""
    first, devices = 0, 0
    for at, batch in enumerate(batches):
        if at > first and (devices + batch.devices > PART_DEVICES or at - first >= PART_BATCHES):
            yield {"first": first, "count": at - first, "devices": devices}
            first, devices = at, 0
        devices += batch.devices
    if batches:
        yield {"first": first, "count": len(batches) - first, "devices": devices}


def _size(batches: Sequence[Batch]) -> int:
    return sum(batch.devices for batch in batches)


def _document_key(run_id: str) -> str:
    return f"{run_id}/{DOCUMENT}"
