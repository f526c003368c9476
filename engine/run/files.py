"""The documents of a run that are written once: its spec, and its plan with the moment its clock starts."""

import json
from dataclasses import dataclass
from typing import Any

from engine.errors import AlreadyExists, NotFound, StoreError
from engine.plan.batches import RunPlan
from engine.plan.spec.runspec import RunSpec
from engine.ports import Store
from engine.run import keys

FILE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Planned:
    """zero_wall is the unix time at which the run's clock shows 0; counters is what the emulator had counted then."""

    plan: RunPlan
    zero_wall: float
    counters: dict[str, Any] | None = None


def write_spec(store: Store, run_id: str, spec: RunSpec) -> None:
    """Keep the spec; of several writers of one run the first wins, and all wrote the same."""
    _create(store, keys.spec_key(run_id), json.dumps(spec.model_dump(mode="json", by_alias=True)).encode())


def read_spec(store: Store, run_id: str) -> RunSpec:
    """The run's spec. Raises NotFound."""
    return RunSpec.model_validate_json(_read(store, keys.spec_key(run_id)))


def write_plan(store: Store, run_id: str, planned: Planned) -> Planned:
    """Keep the plan; an activity that is tried again gets the plan of its first try."""
    body = {
        "version": FILE_VERSION,
        "zeroWall": planned.zero_wall,
        "counters": planned.counters,
        "plan": json.loads(planned.plan.to_json()),
    }
    _create(store, keys.plan_key(run_id), json.dumps(body).encode())
    return read_plan(store, run_id)


def read_plan(store: Store, run_id: str) -> Planned:
    """The run's plan. Raises NotFound."""
    key = keys.plan_key(run_id)
    body = json.loads(_read(store, key))
    if body["version"] != FILE_VERSION:
        raise StoreError(key, f"plan version {body['version']!r}, expected {FILE_VERSION}")
    return Planned(RunPlan.from_json(json.dumps(body["plan"])), body["zeroWall"], body["counters"])


def _create(store: Store, key: str, body: bytes) -> None:
    try:
        store.create(key, body)
    except AlreadyExists:
        return


def _read(store: Store, key: str) -> bytes:
    held = store.read(key)
    if held is None:
        raise NotFound(key)
    return held.body
