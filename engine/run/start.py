"""When the load of a wave begins: one blob per wave, one moment in it, and that never changes.

Without a rendezvous the wave begins when its first batch arrives. With one, every batch says that it is ready and
asks again until there is a moment: LEAD_S after the last of them, or after the deadline for those that came by then.
A batch that comes later, or again after its process died, measures from the same moment.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.errors import StoreError
from engine.ports import Store
from engine.run.keys import start_key
from engine.run.record import update

LEAD_S = 0.5
"""How far ahead a rendezvous is set: time for every batch that waits to ask once more, and hear of it."""


def arrive(
    store: Store,
    run_id: str,
    wave: int,
    batch: int,
    *,
    batches_in_wave: int,
    now_wall: float,
    deadline_wall: float,
    rendezvous: bool,
) -> float | None:
    """The wall seconds at which the wave's load begins, None while it waits for others: ask again.

    Harmless when repeated. Once there is an answer, it is the answer for ever.
    """

    def change(start: _Start) -> _Start:
        if start.at is not None:
            return start
        if not rendezvous:
            return replace(start, at=now_wall)
        arrived = tuple(sorted({*start.arrived, batch}))
        complete = len(arrived) >= batches_in_wave or now_wall >= deadline_wall
        return replace(start, arrived=arrived, at=now_wall + LEAD_S if complete else None)

    return _change(store, start_key(run_id, wave), change).at


def read(store: Store, run_id: str, wave: int) -> float | None:
    """The wall seconds at which the wave's load began, None while it has not."""
    key = start_key(run_id, wave)
    held = store.read(key)
    return _decode(key, held.body if held else None).at


@dataclass(frozen=True, slots=True)
class _Start:
    """Who has arrived, sorted, and when the load begins once that is settled."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    arrived: tuple[int, ...] = ()
    at: float | None = None
    format: Literal[1] = 1


_START = TypeAdapter(_Start)


def _change(store: Store, key: str, change: Callable[[_Start], _Start]) -> _Start:
    body = update(store, key, lambda held: _START.dump_json(change(_decode(key, held))))
    return _decode(key, body)


def _decode(key: str, body: bytes | None) -> _Start:
    if body is None:
        return _Start()
    try:
        return _START.validate_json(body)
    except ValidationError as error:
        raise StoreError(key, f"not a start of format 1, {error.error_count()} problems") from error
