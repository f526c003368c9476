"""A run's state: one blob, changed by events, and the table that says which event may come when.

    accepted ── planned ──▶ running ── batches-done ──▶ merging ── closed ──▶ finished ── resumed ──▶ running
        └───── cancel-asked, stop-asked ──▶ draining ──────┘
    given-up leads from each of the first four to finished

Events come at least once: an activity that is tried again reports again, so an event that has just had its effect is
legal and changes nothing. A report from an earlier attempt of a resumed run is refused by its attempt number.

`cancel_requested_at` is the cancel flag that every batch polls; a run that is draining for whatever reason starts
nothing new, and `stopped` says for which, where it was no person's. `finished` is written last, after the results.

A resumed run goes on with its own clock, which stood still meanwhile: `paused_s` is by how much it is behind the wall
clock's count since the run was planned.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.errors import AlreadyExists, IllegalMove, NotFound, RunRefused, StoreError
from engine.ports import Store
from engine.run.keys import RECENT, parse_recent_key, recent_key, state_key
from engine.run.record import update


class Stage(StrEnum):
    """Where a run is in its life."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    DRAINING = "draining"
    MERGING = "merging"
    FINISHED = "finished"


class Event(StrEnum):
    """What can happen to a run."""

    PLANNED = "planned"
    CANCEL_ASKED = "cancel-asked"
    STOP_ASKED = "stop-asked"
    BATCHES_DONE = "batches-done"
    CLOSED = "closed"
    GIVEN_UP = "given-up"
    RESUMED = "resumed"


MOVES: Mapping[tuple[Stage, Event], Stage] = {
    (Stage.ACCEPTED, Event.PLANNED): Stage.RUNNING,
    (Stage.ACCEPTED, Event.CANCEL_ASKED): Stage.DRAINING,
    (Stage.ACCEPTED, Event.STOP_ASKED): Stage.DRAINING,
    (Stage.ACCEPTED, Event.GIVEN_UP): Stage.FINISHED,
    (Stage.RUNNING, Event.PLANNED): Stage.RUNNING,
    (Stage.RUNNING, Event.CANCEL_ASKED): Stage.DRAINING,
    (Stage.RUNNING, Event.STOP_ASKED): Stage.DRAINING,
    (Stage.RUNNING, Event.BATCHES_DONE): Stage.MERGING,
    (Stage.RUNNING, Event.GIVEN_UP): Stage.FINISHED,
    (Stage.DRAINING, Event.PLANNED): Stage.DRAINING,
    (Stage.DRAINING, Event.CANCEL_ASKED): Stage.DRAINING,
    (Stage.DRAINING, Event.STOP_ASKED): Stage.DRAINING,
    (Stage.DRAINING, Event.BATCHES_DONE): Stage.MERGING,
    (Stage.DRAINING, Event.GIVEN_UP): Stage.FINISHED,
    (Stage.MERGING, Event.STOP_ASKED): Stage.MERGING,
    (Stage.MERGING, Event.BATCHES_DONE): Stage.MERGING,
    (Stage.MERGING, Event.CLOSED): Stage.FINISHED,
    (Stage.MERGING, Event.GIVEN_UP): Stage.FINISHED,
    (Stage.FINISHED, Event.CLOSED): Stage.FINISHED,
    (Stage.FINISHED, Event.GIVEN_UP): Stage.FINISHED,
    (Stage.FINISHED, Event.RESUMED): Stage.RUNNING,
}

LASTS_S: Mapping[Stage, float] = {
    Stage.ACCEPTED: 900.0,
    Stage.RUNNING: 900.0,
    Stage.DRAINING: 1800.0,
    Stage.MERGING: 3600.0,
}
"""How long a run may stay in a stage unless its plan knows better, which it does for running: until there is one, 15
minutes. Draining is over after `gracefulStop` and the longest lease, ten minutes each; merging may be tried for half an
hour."""


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How many batches the plan has, how many have delivered their result, how many are lost for good."""

    planned: int = 0
    done: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a run ends before its time without a person's wish: the verdict that leads to, and its reasons."""

    verdict: Literal["aborted", "failed"]
    reasons: tuple[str, ...]


CLEANS_FOR_S = 86_400.0
"""How long a clean-up may take: one that nobody ended is over then, and its devices' names are free."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """A clean-up of the run's devices. number counts them, until is when the last moment of this one is, wall seconds.

    is_asked: a person wanted it, not the spec. ended_at is None while it is under way. deleted devices have left
    nothing that a clean-up takes away, left ones may have; notes say what else is left, and why.
    """

    number: int
    until: float
    is_asked: bool = False
    ended_at: float | None = None
    deleted: int = 0
    left: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunState:
    """All that is known of a run without reading its results. Times are wall seconds.

    times holds when each stage was last entered. deadline_at is when the stage must have been left. wave is the
    one under way, wave_at since when. reasons say why the verdict is what it is, warnings what else a reader should
    know; one line each. baseline is the run that this one is compared with. started_by is who asked for it, as far as
    that is known.
    cleaning is the latest clean-up. removed_at is when somebody wanted the run deleted, which it soon is.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    run_id: str
    name: str
    created: float
    spec_digest: str
    scenario: str = ""
    target: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stage: Stage = Stage.ACCEPTED
    verdict: str | None = None
    attempt: int = 1
    cancel_requested_at: float | None = None
    stopped: Stopped | None = None
    wave: int = 0
    wave_at: float = 0.0
    paused_s: float = 0.0
    baseline: str | None = None
    started_by: str = ""
    deadline_at: float | None = None
    times: Mapping[Stage, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    batches: BatchCounts = BatchCounts()
    cleaning: Cleaning | None = None
    removed_at: float | None = None
    format: Literal[1] = 1

    @property
    def instance_id(self) -> str:
        """The id of the orchestration that carries out this attempt."""
        return self.run_id if self.attempt == 1 else f"{self.run_id}-a{self.attempt}"

    @property
    def is_live(self) -> bool:
        """Whether something may still happen by itself."""
        return self.stage is not Stage.FINISHED

    def is_cleaning(self, now: float) -> bool:
        """Whether its devices are being cleaned up; now is wall seconds."""
        return self.cleaning is not None and self.cleaning.ended_at is None and now < self.cleaning.until


_STATE = TypeAdapter(RunState)


def encode_state(state: RunState) -> bytes:
    """The state as JSON."""
    return _STATE.dump_json(state)


def decode_state(key: str, body: bytes) -> RunState:
    """The state in a body found under key. Raises StoreError when it is not exactly one of format 1."""
    try:
        return _STATE.validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        path = "/".join(str(part) for part in problem["loc"])
        raise StoreError(key, f"not a run state of format 1: /{path}: {problem['msg']}") from error


def move(state: RunState, event: Event, *, now: float) -> RunState:
    """The state after the event; now is wall seconds. Raises IllegalMove when it cannot come now."""
    stage = MOVES.get((state.stage, event))
    if stage is None:
        raise IllegalMove(state.stage, event)
    if event is Event.RESUMED and (state.removed_at is not None or state.is_cleaning(now)):
        raise IllegalMove(f"{state.stage} and being cleaned up or deleted", event)
    moved = state if stage is state.stage else _enter(state, stage, now)
    if event is Event.CANCEL_ASKED and state.cancel_requested_at is None:
        return replace(moved, cancel_requested_at=now)
    if event is Event.RESUMED:
        return replace(
            moved,
            attempt=state.attempt + 1,
            verdict=None,
            cancel_requested_at=None,
            stopped=None,
            reasons=(),
            warnings=(),
        )
    return moved


def _enter(state: RunState, stage: Stage, now: float) -> RunState:
    deadline_at = None if stage is Stage.FINISHED else now + LASTS_S[stage]
    return replace(state, stage=stage, times={**state.times, stage: now}, deadline_at=deadline_at)


def begin_cleaning(state: RunState, *, now: float, is_asked: bool) -> RunState:
    """The state with one more clean-up under way; now is wall seconds."""
    number = state.cleaning.number + 1 if state.cleaning else 1
    return replace(state, cleaning=Cleaning(number, now + CLEANS_FOR_S, is_asked))


def with_batches(state: RunState, **counts: int) -> RunState:
    """The state with other counts of batches."""
    return replace(state, batches=replace(state.batches, **counts))


def open_run(store: Store, state: RunState) -> tuple[RunState, bool]:
    """The run's state, and whether this call opened it; a run id seen before with the same spec is the same run.

    Raises RunRefused `key-reused` when the run id was seen with another spec.
    """
    key = state_key(state.run_id)
    state = _enter(state, state.stage, state.created)
    # Order matters here: a place in the list without a run is skipped, a run without a place would never be listed.
    if (held := store.read(key)) is None:
        update(store, recent_key(state.run_id, state.created), lambda body: body or b"")
        try:
            store.create(key, encode_state(state))
            return state, True
        except AlreadyExists:
            held = store.read(key)
    if held is None:
        raise NotFound(key, "deleted while it was opened")
    found = decode_state(key, held.body)
    if found.spec_digest != state.spec_digest:
        raise RunRefused("key-reused", f"run {state.run_id} was started with another spec")
    return found, False


def read_state(store: Store, run_id: str) -> RunState:
    """The run's state. Raises NotFound."""
    key = state_key(run_id)
    held = store.read(key)
    if held is None:
        raise NotFound(key, "no such run")
    return decode_state(key, held.body)


def advance(
    store: Store,
    run_id: str,
    event: Event,
    *,
    now: float,
    attempt: int | None = None,
    change: Callable[[RunState], RunState] = lambda state: state,
) -> RunState:
    """The stored state after the event, and after `change`, which adds what came with it; now is wall seconds.

    Raises IllegalMove when the table has no such move, or when attempt is given and is not the run's present one,
    and NotFound.
    """

    def moved(state: RunState) -> RunState:
        if attempt is not None and attempt != state.attempt:
            raise IllegalMove(f"in attempt {state.attempt}", f"{event} of attempt {attempt}")
        return change(move(state, event, now=now))

    return amend(store, run_id, moved)


def amend(store: Store, run_id: str, change: Callable[[RunState], RunState]) -> RunState:
    """The stored state after `change`. Raises NotFound and whatever change raises."""
    key = state_key(run_id)

    def changed(body: bytes | None) -> bytes:
        if body is None:
            raise NotFound(key, "no such run")
        return encode_state(change(decode_state(key, body)))

    return decode_state(key, update(store, key, changed))


def ask_cancel(store: Store, run_id: str, *, now: float) -> RunState:
    """The stored state with the cancel flag up; asking again changes nothing, even when the run has ended.

    Raises IllegalMove when the run was never cancelled and is past its last batch, and NotFound.
    """

    def asked(state: RunState) -> RunState:
        return state if state.cancel_requested_at is not None else move(state, Event.CANCEL_ASKED, now=now)

    return amend(store, run_id, asked)


def ask_stop(store: Store, run_id: str, stopped: Stopped, *, now: float) -> RunState:
    """The stored state after the run was asked to drain for these reasons; the first reasons stay.

    Raises IllegalMove when the run is past its last batch, and NotFound.
    """
    return advance(
        store,
        run_id,
        Event.STOP_ASKED,
        now=now,
        change=lambda found: found if found.stopped else replace(found, stopped=stopped),
    )


def list_runs(store: Store) -> Iterator[RunState]:
    """The states of all runs, newest first, each read when it is asked for."""
    for place in store.keys(RECENT):
        state = read_listed(store, place)
        if state is not None:
            yield state


def read_listed(store: Store, place: str) -> RunState | None:
    """The state of the run whose place in the list this key is, None where no run has it."""
    run_id = parse_recent_key(place)
    held = store.read(state_key(run_id))
    state = None if held is None else decode_state(state_key(run_id), held.body)
    # The place may be another than the run's: two requests opened the run, and this one's was refused.
    return state if state is not None and recent_key(run_id, state.created) == place else None


def forget_run(store: Store, state: RunState) -> None:
    """Delete the run's state and its place in the list: the last step of deleting a run."""
    store.delete(state_key(state.run_id))
    store.delete(recent_key(state.run_id, state.created))
