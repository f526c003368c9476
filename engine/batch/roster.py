"""Who starts when, who waits, and what is dropped.

Theory of operation. A roster hands out calls: `Go` for a device that starts now, `Drop` for a start that was due and
never will. Every point of the schedule is handed out exactly once, as one or the other, or is still outstanding: that
is what a checkpoint keeps, and what makes `due = started + dropped` a check and not a definition.

Closed executors belong to their devices. `Once` starts each device once. `Pacing` gives every device a grid of its own:
a point that comes while the device is busy waits for it, points that pass meanwhile are dropped as `busy`. `MaxRate`
has no grid: a device starts again as soon as it is free, or has rested where its iteration failed.
`Arrivals`, the open executor, belongs to nobody: a point takes the device that has been free longest, and never waits.

Devices are numbered 0 … size-1 within the batch. Times are seconds since the load's start.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.measure.operation import DropReason

BEHIND_S = 1.0
"""An open start this late is dropped: the loop is behind, and starting it would bend the load."""


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
    """What every roster needs to know: devices, which of them have no certificate, how many may be busy at a time,
    and the state to go on from, None at the beginning."""

    size: int
    unprovisioned: frozenset[int] = frozenset()
    max_in_flight: int = 10_000_000
    state: Mapping[str, Any] | None = None


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


class Once:
    """Every device once, as its due time comes, while fewer than max_in_flight are busy."""

    def __init__(self, due: Callable[[int], float | None], shape: Shape) -> None:
        self._due, self._unprovisioned, self._max = due, shape.unprovisioned, shape.max_in_flight
        held = shape.state or {"next": 0, "outstanding": []}
        self._next = int(held["next"])
        self._size = shape.size
        self._again = deque(sorted(held["outstanding"]))
        self._busy: set[int] = set()
        self._asked_at = -math.inf
        self._open = True

    def next_due(self) -> float:
        """See Roster."""
        return math.inf if len(self._busy) >= self._max else self._first_due()

    def calls(self, now: float) -> list[Call]:
        """See Roster."""
        self._asked_at = now
        found: list[Call] = []
        while self.next_due() <= now:
            device, due = self._take()
            if device in self._unprovisioned:
                found.append(Drop(device, due, DropReason.NOT_PROVISIONED))
            else:
                self._busy.add(device)
                found.append(Go(device, device, due))
        return found

    def free(self, device: int, _rest_s: float = 0.0, /) -> None:
        """See Roster."""
        self._busy.discard(device)

    def close(self) -> list[Call]:
        """See Roster; a device whose time had not come was never due."""
        dropped: list[Call] = []
        while self._first_due() <= self._asked_at:
            device, due = self._take()
            dropped.append(Drop(device, due, DropReason.IN_FLIGHT_LIMIT))
        self._open = False
        return dropped

    def state(self) -> Mapping[str, Any]:
        """See Roster."""
        return {"next": self._next, "outstanding": sorted({*self._busy, *self._again})}

    def _first_due(self) -> float:
        """When the first device that has not been called is due, however many are busy."""
        device = self._again[0] if self._again else self._next
        due = self._due(device) if self._open and device < self._size else None
        return math.inf if due is None else due

    def _take(self) -> tuple[int, float]:
        """That device, called now."""
        due = self._first_due()
        device = self._again.popleft() if self._again else self._next
        self._next = max(self._next, device + 1)
        return device, due


class Pacing:
    """A grid of starts per device: due(device, k) is the kth, None when the device has no more."""

    def __init__(self, due: Callable[[int, int], float | None], shape: Shape) -> None:
        self._due, self._unprovisioned, self._max = due, shape.unprovisioned, shape.max_in_flight
        size = shape.size
        held = shape.state or {"next": [0] * size, "outstanding": [[] for _ in range(size)]}
        self._next: list[int] = [int(k) for k in held["next"]]
        self._heap: list[tuple[float, int]] = []
        self._running: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._ready: deque[int] = deque()
        self._lost: list[tuple[int, Drop]] = []
        for device in range(size):
            self._restore(device, held["outstanding"][device])
            self._push(device)
        heapq.heapify(self._heap)

    def next_due(self) -> float:
        """See Roster."""
        if self._lost or (self._ready and len(self._running) < self._max):
            return -math.inf
        return self._heap[0][0] if self._heap else math.inf

    def calls(self, now: float) -> list[Call]:
        """See Roster."""
        found: list[Call] = [drop for _, drop in self._lost]
        self._lost = []
        while self._heap and self._heap[0][0] <= now:
            due, device = heapq.heappop(self._heap)
            point = self._next[device]
            self._next[device] += 1
            self._push(device)
            found.extend(self._arrive(device, point, due))
        while self._ready and len(self._running) < self._max:
            device = self._ready.popleft()
            found.append(self._go(device, self._waiting.pop(device)))
        return found

    def free(self, device: int, _rest_s: float = 0.0, /) -> None:
        """See Roster."""
        self._running.pop(device, None)
        if device in self._waiting:
            self._ready.append(device)

    def close(self) -> list[Call]:
        """See Roster."""
        dropped: list[Call] = [drop for _, drop in self._lost]
        dropped += [self._drop(d, k, self._why(d)) for d, k in sorted(self._waiting.items())]
        self._waiting.clear()
        self._ready.clear()
        self._heap.clear()
        self._lost = []
        return dropped

    def state(self) -> Mapping[str, Any]:
        """See Roster."""
        outstanding: list[list[int]] = [[] for _ in self._next]
        for points in (self._running, self._waiting):
            for device, point in points.items():
                outstanding[device].append(point)
        for device, drop in self._lost:
            outstanding[device].append(drop.point)
        return {"next": list(self._next), "outstanding": outstanding}

    def _arrive(self, device: int, point: int, due: float) -> Iterable[Call]:
        if device in self._unprovisioned:
            return (Drop(point, due, DropReason.NOT_PROVISIONED),)
        if device in self._waiting:
            return (Drop(point, due, self._why(device)),)
        if device in self._running:
            self._waiting[device] = point
            return ()
        if len(self._running) >= self._max or self._ready:
            self._waiting[device] = point
            self._ready.append(device)
            return ()
        return (self._go(device, point),)

    def _go(self, device: int, point: int) -> Go:
        self._running[device] = point
        due = self._due(device, point)
        assert due is not None
        return Go(device, point, due)

    def _drop(self, device: int, point: int, reason: DropReason) -> Drop:
        due = self._due(device, point)
        assert due is not None
        return Drop(point, due, reason)

    def _why(self, device: int) -> DropReason:
        """What keeps the device from starting: itself, or all the others."""
        return DropReason.BUSY if device in self._running else DropReason.IN_FLIGHT_LIMIT

    def _push(self, device: int) -> None:
        due = self._due(device, self._next[device])
        if due is not None:
            heapq.heappush(self._heap, (due, device))

    def _restore(self, device: int, outstanding: Iterable[int]) -> None:
        """The earliest outstanding point waits, as it did or would have; later ones passed while it was busy."""
        points = sorted(outstanding)
        if not points:
            return
        if device in self._unprovisioned:
            self._lost += [(device, self._drop(device, p, DropReason.NOT_PROVISIONED)) for p in points]
            return
        self._waiting[device] = points[0]
        self._ready.append(device)
        self._lost += [(device, self._drop(device, p, DropReason.BUSY)) for p in points[1:]]


class MaxRate:
    """Every device again as soon as it is free and has rested; due(device) is when its first start may come.

    Points are numbered as they are handed out, at most `points` of them and none at until_s or later. Nothing is due
    before it begins, so nothing waits and nothing is dropped, but for the first start of each device that has no
    certificate: it is the only one that such a device has.
    """

    def __init__(self, due: Callable[[int], float | None], shape: Shape, *, points: float, until_s: float) -> None:
        held = shape.state or {"next": 0, "outstanding": [], "dropped": []}
        self._max, self._points, self._until_s = shape.max_in_flight, points, until_s
        self._next = int(held["next"])
        self._again: deque[int] = deque(sorted(held["outstanding"]))
        self._dropped: list[int] = list(held["dropped"])
        firsts = sorted((at, device) for device in range(shape.size) if (at := due(device)) is not None)
        self._ready = [first for first in firsts if first[1] not in shape.unprovisioned]
        self._lacking = deque(first for first in firsts if first[1] in shape.unprovisioned.difference(self._dropped))
        self._running: dict[int, int] = {}
        self._freed: list[tuple[float, int]] = []
        self._open = True

    def next_due(self) -> float:
        """See Roster; while points are left the load goes on to its end, even if every device is busy until then."""
        if not self._has_points():
            return math.inf
        return -math.inf if self._freed else min(self._next_drop(), self._next_start(), self._until_s)

    def calls(self, now: float) -> list[Call]:
        """See Roster."""
        for rest_s, device in self._freed:
            heapq.heappush(self._ready, (now + rest_s, device))
        self._freed = []
        found: list[Call] = []
        while self._has_points() and self._next_drop() <= now:
            due, device = self._lacking.popleft()
            self._dropped.append(device)
            found.append(Drop(self._take(), due, DropReason.NOT_PROVISIONED))
        while self._has_points() and self._next_start() <= now < self._until_s:
            _, device = heapq.heappop(self._ready)
            self._running[device] = self._take()
            found.append(Go(device, self._running[device], None))
        return found

    def free(self, device: int, rest_s: float = 0.0, /) -> None:
        """See Roster; the rest counts from when calls are asked for next."""
        del self._running[device]
        self._freed.append((rest_s, device))

    def close(self) -> list[Call]:
        """See Roster."""
        self._open = False
        return []

    def state(self) -> Mapping[str, Any]:
        """See Roster; rests are not kept, since taking a batch over is rest enough."""
        outstanding = sorted([*self._running.values(), *self._again])
        return {"next": self._next, "outstanding": outstanding, "dropped": list(self._dropped)}

    def _has_points(self) -> bool:
        return self._open and (bool(self._again) or self._next < self._points)

    def _next_drop(self) -> float:
        return self._lacking[0][0] if self._lacking else math.inf

    def _next_start(self) -> float:
        return self._ready[0][0] if self._ready and len(self._running) < self._max else math.inf

    def _take(self) -> int:
        """The number of the next point: one of an earlier holder that never ended comes before new ones."""
        if self._again:
            return self._again.popleft()
        self._next += 1
        return self._next - 1


class Arrivals:
    """Starts of the whole batch: due(n) is the nth.

    One in `size` falls to each device that has no certificate, and is dropped; all others take whichever device has
    been free longest.
    """

    def __init__(self, due: Callable[[int], float | None], shape: Shape) -> None:
        self._due, self._unprovisioned, self._max = due, shape.unprovisioned, shape.max_in_flight
        held = shape.state or {"next": 0, "outstanding": []}
        self._next = int(held["next"])
        self._outstanding: dict[int, int] = {}
        self._late = sorted(held["outstanding"])
        self._size = shape.size
        self._idle = deque(device for device in range(shape.size) if device not in shape.unprovisioned)
        self._open = True

    def next_due(self) -> float:
        """See Roster."""
        if self._late:
            return -math.inf
        due = self._due(self._next) if self._open else None
        return math.inf if due is None else due

    def calls(self, now: float) -> list[Call]:
        """See Roster."""
        found: list[Call] = self._behind()
        while self._open and (due := self._due(self._next)) is not None and due <= now:
            found.append(self._take(self._next, due, now))
            self._next += 1
        return found

    def free(self, device: int, _rest_s: float = 0.0, /) -> None:
        """See Roster."""
        self._outstanding.pop(device, None)
        self._idle.append(device)

    def close(self) -> list[Call]:
        """See Roster."""
        self._open = False
        return self._behind()

    def state(self) -> Mapping[str, Any]:
        """See Roster."""
        return {"next": self._next, "outstanding": sorted([*self._outstanding.values(), *self._late])}

    def _behind(self) -> list[Call]:
        """Points that an earlier holder of the batch had started and never finished."""
        points, self._late = self._late, []
        return [Drop(point, self._due(point) or 0.0, DropReason.BEHIND) for point in points]

    def _take(self, point: int, due: float, now: float) -> Call:
        if now - due > BEHIND_S:
            return Drop(point, due, DropReason.BEHIND)
        if point % self._size in self._unprovisioned:
            return Drop(point, due, DropReason.NOT_PROVISIONED)
        if len(self._outstanding) >= self._max:
            return Drop(point, due, DropReason.IN_FLIGHT_LIMIT)
        if not self._idle:
            return Drop(point, due, DropReason.NO_FREE_DEVICE)
        device = self._idle.popleft()
        self._outstanding[device] = point
        return Go(device, point, due)
