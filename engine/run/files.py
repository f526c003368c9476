"""The documents of a run that are written once: what was asked, its plan, and what a later attempt found left of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from engine.errors import AlreadyExists, NotFound, SpecError, StoreError
from engine.plan.batches import Batch, RunPlan
from engine.plan.spec.execution import Runner
from engine.plan.spec.runner import run_by
from engine.plan.spec.runspec import RunSpec
from engine.ports import Store
from engine.run import keys
from engine.run.start import Stretch

FILE_VERSION = 1

PIECE: Final = 100
"""How many batches a piece of a plan holds: whoever drives one of them reads no more than these."""

_BATCHES = TypeAdapter(list[Batch])


@dataclass(frozen=True, slots=True)
class Submission:
    """What was asked and when, unix seconds. A body that leaves seed and date open means the same with these again.

    runner is what the run's batches run in, chosen when it was accepted, where the spec may leave that open.
    """

    spec: RunSpec
    created: float
    runner: Runner = Runner.AUTO

    @property
    def settled(self) -> RunSpec:
        """The spec as it is carried out."""
        return self.spec if self.runner is Runner.AUTO else run_by(self.spec, self.runner)


@dataclass(frozen=True, slots=True)
class Outline:
    """A plan without its batches, which may be many: how many there are, and how many run at the same time.

    zero_wall is the unix time at which the run's clock shows 0; counters is what the emulator had counted then.
    """

    batches: int
    at_once: int
    devices: int
    zero_wall: float
    counters: dict[str, Any] | None = None

    @property
    def waves(self) -> int:
        """How many waves there are."""
        return -(-self.batches // self.at_once)

    def wave(self, number: int) -> range:
        """The batches of a wave."""
        return range(number * self.at_once, min((number + 1) * self.at_once, self.batches))


@dataclass(frozen=True, slots=True)
class Planned:
    """A whole plan, and its outline."""

    plan: RunPlan
    outline: Outline

    @property
    def zero_wall(self) -> float:
        """See Outline."""
        return self.outline.zero_wall

    @property
    def counters(self) -> dict[str, Any] | None:
        """See Outline."""
        return self.outline.counters


def write_submission(store: Store, run_id: str, asked: Submission) -> Submission:
    """Keep what was asked; of several writers of one run id the first wins, and everybody gets what was kept."""
    spec = asked.spec.model_dump(mode="json", by_alias=True)
    _create(store, keys.spec_key(run_id), {"createdAt": asked.created, "spec": spec, "runner": asked.runner})
    return _read_submission(store, run_id)


def find_submission(store: Store, run_id: str) -> Submission | None:
    """What was asked under the run id, None if nothing was. Raises StoreError when it cannot be read."""
    try:
        return _read_submission(store, run_id)
    except NotFound:
        return None


def read_spec(store: Store, run_id: str) -> RunSpec:
    """The run's spec as it is carried out. Raises NotFound, and StoreError when it cannot be read."""
    return _read_submission(store, run_id).settled


def write_plan(store: Store, plan: RunPlan, *, zero_wall: float, counters: dict[str, Any] | None = None) -> Outline:
    """Keep the plan; an activity that is tried again gets the plan of its first try.

    Order matters here: the pieces first, so that whoever finds an outline finds them all.
    """
    for piece, first in enumerate(range(0, len(plan.batches), PIECE)):
        batches = [batch.model_dump(mode="json") for batch in plan.batches[first : first + PIECE]]
        _create(store, keys.plan_piece_key(plan.run_id, piece), {"batches": batches})
    outline = {
        "batches": len(plan.batches),
        "atOnce": len(plan.waves[0]),
        "devices": sum(batch.devices for batch in plan.batches),
        "zeroWall": zero_wall,
        "counters": counters,
    }
    _create(store, keys.plan_key(plan.run_id), outline)
    return read_outline(store, plan.run_id)


def read_outline(store: Store, run_id: str) -> Outline:
    """The run's plan without its batches. Raises NotFound, and StoreError when it cannot be read."""
    return _read(store, keys.plan_key(run_id), _outline)


def read_batch(store: Store, run_id: str, number: int) -> Batch:
    """One batch of the run's plan. Raises NotFound, and StoreError when it cannot be read."""
    return _read(store, keys.plan_piece_key(run_id, number // PIECE), _batches)[number % PIECE]


def read_plan(store: Store, run_id: str) -> Planned:
    """The run's whole plan. Raises NotFound, and StoreError when it cannot be read."""
    outline = read_outline(store, run_id)
    pieces = [keys.plan_piece_key(run_id, piece) for piece in range(-(-outline.batches // PIECE))]
    batches = tuple(batch for key in pieces for batch in _read(store, key, _batches))
    waves = tuple(tuple(outline.wave(number)) for number in range(outline.waves))
    return Planned(RunPlan(run_id=run_id, batches=batches, waves=waves), outline)


@dataclass(frozen=True, slots=True)
class Left:
    """What an attempt finds left of a wave: how many batches, and where its load stood if it had begun."""

    batches: int
    stretch: Stretch | None


def write_left(store: Store, run_id: str, attempt: int, left: Mapping[int, Left]) -> None:
    """Keep what an attempt found left to do, by wave; what was kept first stays."""
    waves = {
        str(wave): {"batches": found.batches, "stretch": asdict(found.stretch) if found.stretch else None}
        for wave, found in left.items()
    }
    _create(store, keys.attempt_key(run_id, attempt), {"waves": waves})


def read_left(store: Store, run_id: str, attempt: int) -> dict[int, Left]:
    """What an attempt after the first found left to do, by wave. Raises NotFound, and StoreError."""
    return _read(store, keys.attempt_key(run_id, attempt), _left)


def _read_submission(store: Store, run_id: str) -> Submission:
    return _read(store, keys.spec_key(run_id), _submission)


def _submission(found: dict[str, Any]) -> Submission:
    spec = RunSpec.model_validate_json(json.dumps(found["spec"]))
    return Submission(spec, float(found["createdAt"]), Runner(found["runner"]))


def _outline(found: dict[str, Any]) -> Outline:
    return Outline(
        batches=int(found["batches"]),
        at_once=int(found["atOnce"]),
        devices=int(found["devices"]),
        zero_wall=float(found["zeroWall"]),
        counters=found["counters"],
    )


def _batches(found: dict[str, Any]) -> list[Batch]:
    return _BATCHES.validate_json(json.dumps(found["batches"]))


def _left(found: dict[str, Any]) -> dict[int, Left]:
    return {
        int(wave): Left(int(each["batches"]), Stretch(**each["stretch"]) if each["stretch"] else None)
        for wave, each in found["waves"].items()
    }


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
