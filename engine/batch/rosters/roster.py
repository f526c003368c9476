"""Who starts when, who waits, and what is dropped.

Theory of operation. A roster hands out calls: `Go` for a device that starts now, `Drop` for a start that was due and
never will. Every point of the schedule is handed out exactly once, as one or the other, or is still outstanding: that
is what a checkpoint keeps, and what makes `due = started + dropped` a check and not a definition.

Closed executors belong to their devices. `Once` starts each device once. `Pacing` gives every device a grid of its own:
a point that comes while the device is busy waits for it, points that pass meanwhile are dropped as `busy`. `MaxRate`
has no grid: a device starts again as soon as it is free, or has rested where its iteration failed.
`Arrivals`, the open executor, belongs to nobody: a point takes the device that has been free longest, and never waits.
`RateSearch` hands out arrivals at one rate after the other.

Devices are numbered 0 … size-1 within the batch. Times are seconds since the load's start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.measure.operation import DropReason


@dataclass(frozen=True, slots=True)
class Go:
    """The device starts; point is its place in the schedule. due None is now: it was not due before it begins."""

    device: int
    point: int
    due: float | None


@dataclass(frozen=True, slots=True)
class Drop:
    """The start is lost."""

    point: int
    due: float
    reason: DropReason


type Call = Go | Drop


@dataclass(frozen=True, slots=True)
class Shape:
    """What every roster needs to know: devices, which of them are not ready, how many may be busy at a time, and the
    state to go on from, None at the beginning. rests: a device of an open executor rests as long as it was told to."""

    size: int
    unprovisioned: frozenset[int] = frozenset()
    max_in_flight: int = 10_000_000
    state: Mapping[str, Any] | None = None
    rests: bool = False


class Roster(Protocol):
    """Hands out calls; told when a device is free again."""

    def next_due(self) -> float:
        """When to ask again; infinity when only a free device can bring something."""

    def calls(self, now: float) -> list[Call]:
        """All that is to be done by now, each point once."""

    def free(self, device: int, rest_s: float = 0.0, /) -> None:
        """The device's iteration has ended; where no schedule says when the next one starts, it rests before that."""

    def close(self) -> list[Call]:
        """The load is over: what waited is dropped; nothing starts any more."""

    def state(self) -> Mapping[str, Any]:
        """What is handed out and what is outstanding, as JSON; makes the same roster again."""
