"""The documents of a run that are written once: what was asked, and its plan with the moment its clock starts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.errors import AlreadyExists, NotFound, SpecError, StoreError
from engine.plan.batches import RunPlan
from engine.plan.spec.runspec import RunSpec
from engine.ports import Store
from engine.run import keys

FILE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Submission:
    """What was asked and when, unix seconds. A body that leaves seed and date open means the same with these again."""

    spec: RunSpec
    created: float


@dataclass(frozen=True, slots=True)
class Planned:
    """zero_wall is the unix time at which the run's clock shows 0; counters is what the emulator had counted then."""

    plan: RunPlan
    zero_wall: float
    counters: dict[str, Any] | None = None


def write_submission(store: Store, run_id: str, asked: Submission) -> Submission:
    """Keep what was asked; of several writers of one run id the first wins, and everybody gets what was kept."""
    spec = asked.spec.model_dump(mode="json", by_alias=True)
    _create(store, keys.spec_key(run_id), {"createdAt": asked.created, "spec": spec})
    return _read_submission(store, run_id)


def find_submission(store: Store, run_id: str) -> Submission | None:
    """What was asked under the run id, None if nothing was. Raises StoreError when it cannot be read."""
    try:
        return _read_submission(store, run_id)
    except NotFound:
        return None


def read_spec(store: Store, run_id: str) -> RunSpec:
    """The run's spec. Raises NotFound, and StoreError when it cannot be read."""
    return _read_submission(store, run_id).spec


def write_plan(store: Store, run_id: str, planned: Planned) -> Planned:
    """Keep the plan; an activity that is tried again gets the plan of its first try."""
    plan = json.loads(planned.plan.to_json())
    body = {"zeroWall": planned.zero_wall, "counters": planned.counters, "plan": plan}
    _create(store, keys.plan_key(run_id), body)
    return read_plan(store, run_id)


def read_plan(store: Store, run_id: str) -> Planned:
    """The run's plan. Raises NotFound, and StoreError when it cannot be read."""
    return _read(store, keys.plan_key(run_id), _planned)


def _read_submission(store: Store, run_id: str) -> Submission:
    return _read(store, keys.spec_key(run_id), _submission)


def _submission(found: dict[str, Any]) -> Submission:
    return Submission(RunSpec.model_validate_json(json.dumps(found["spec"])), float(found["createdAt"]))


def _planned(found: dict[str, Any]) -> Planned:
    return Planned(RunPlan.from_json(json.dumps(found["plan"])), float(found["zeroWall"]), found["counters"])


def _create(store: Store, key: str, document: dict[str, Any]) -> None:
    try:
        store.create(key, json.dumps({"version": FILE_VERSION, **document}).encode())
    except AlreadyExists:
        return


def _read[Document](store: Store, key: str, parse: Callable[[dict[str, Any]], Document]) -> Document:
    held = store.read(key)
    if held is None:
        raise NotFound(key)
    try:
        found = json.loads(held.body)
        if found["version"] != FILE_VERSION:
            raise StoreError(key, f"version {found['version']!r}, expected {FILE_VERSION}")
        return parse(found)
    except (KeyError, TypeError, ValueError, SpecError) as broken:
        raise StoreError(key, f"not a document of version {FILE_VERSION}") from broken
