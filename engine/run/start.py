"""When the load of a wave begins: one blob per wave and attempt, one moment in it, and that never changes.

Without a rendezvous the wave begins when its first batch arrives. With one, every batch says that it is ready and
asks again until there is a moment: LEAD_S after the last of them, or after the deadline for those that came by then.
A batch that comes later, or again after its process died, measures from the same moment.

A wave that had begun in an earlier attempt of the run goes on where it stopped: its schedule's zero is put so far into
the past that it stands there when the batches have arrived, and the windows of the results move with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.batch.home import Beginning
from engine.errors import StoreError
from engine.ports import Store
from engine.run.keys import start_key
from engine.run.record import update

LEAD_S = 0.5
"""How far ahead a rendezvous is set: time for every batch that waits to ask once more, and hear of it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch of a wave, ready to begin in an attempt of its run. batches_in_wave are those that this attempt has still
    to drive; rendezvous says whether they wait for each other, deadline for how long (run time)."""

    run_id: str
    attempt: int
    wave: int
    batch: int
    batches_in_wave: int
    deadline: float
    rendezvous: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a wave stood when an attempt ended: how its load had begun, and how many seconds of it had gone by."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    origin: float
    start: float
    elapsed_s: float


def arrive(store: Store, arrival: Arrival, now: float, *, before: Stretch | None = None) -> Beginning | None:
    """When the wave's load begins, None while it waits for others: ask again. Everything is run time, seconds.

    before is where the wave stood in the attempt before this one. The windows of later waves are those of the first.
    Harmless when repeated. Once there is an answer, it is the answer for ever.
    """
    key = start_key(arrival.run_id, arrival.wave, arrival.attempt)
    first = _first_of_all(store, arrival) if before is None and arrival.wave else None

    def change(found: _Start) -> _Start:
        if found.start is not None:
            return found
        if not arrival.rendezvous:
            return _begun(found, now, before=before, first=first)
        arrived = tuple(sorted({*found.arrived, arrival.batch}))
        complete = len(arrived) >= arrival.batches_in_wave or now >= arrival.deadline
        found = replace(found, arrived=arrived)
        return _begun(found, now + LEAD_S, before=before, first=first) if complete else found

    return _change(store, key, change).beginning


def read(store: Store, run_id: str, wave: int, attempt: int) -> Beginning | None:
    """When the wave's load began in that attempt, None while it has not."""
    key = start_key(run_id, wave, attempt)
    held = store.read(key)
    return _decode(key, held.body if held else None).beginning


def arrived(store: Store, run_id: str, wave: int, attempt: int) -> tuple[int, ...]:
    """The batches that were ready when the wave began, sorted; none where nobody waited for others."""
    key = start_key(run_id, wave, attempt)
    held = store.read(key)
    return _decode(key, held.body if held else None).arrived


@dataclass(frozen=True, slots=True)
class _Start:
    """Who has arrived, sorted, and when the load begins once that is settled."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    arrived: tuple[int, ...] = ()
    origin: float | None = None
    start: float | None = None
    format: Literal[2] = 2

    @property
    def beginning(self) -> Beginning | None:
        return None if self.origin is None or self.start is None else Beginning(self.origin, self.start)


_START = TypeAdapter(_Start)


def _first_of_all(store: Store, arrival: Arrival) -> Beginning | None:
    """How the first wave began, in the latest attempt that drove it."""
    attempts = range(arrival.attempt, 0, -1)
    return next((found for each in attempts if (found := read(store, arrival.run_id, 0, each))), None)


def _begun(found: _Start, at: float, *, before: Stretch | None, first: Beginning | None) -> _Start:
    if before is not None:
        start = at - before.elapsed_s
        return replace(found, origin=before.origin + (start - before.start), start=start)
    return replace(found, origin=at if first is None else first.origin, start=at)


def _change(store: Store, key: str, change: Callable[[_Start], _Start]) -> _Start:
    body = update(store, key, lambda held: _START.dump_json(change(_decode(key, held))))
    return _decode(key, body)


def _decode(key: str, body: bytes | None) -> _Start:
    if body is None:
        return _Start()
    try:
        return _START.validate_json(body)
    except ValidationError as error:
        raise StoreError(key, f"not a start of format 2, {error.error_count()} problems") from error
