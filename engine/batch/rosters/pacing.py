"""Every device on a grid of its own."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.batch.rosters.roster import Call, Drop, Go, Shape
from engine.measure.operation import DropReason


class Pacing:
    """A grid of starts per device: due(device, k) is the kth, None when the device has no more."""

    def __init__(self, due: Callable[[int, int], float | None], shape: Shape) -> None:
        self._due, self._unprovisioned, self._max = due, shape.unprovisioned, shape.max_in_flight
        size = shape.size
        held = shape.state or {"next": [0] * size, "outstanding": {}}
        self._next: list[int] = [int(k) for k in held["next"]]
        self._heap: list[tuple[float, int]] = []
        self._running: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._ready: deque[int] = deque()
        self._lost: list[tuple[int, Drop]] = []
        for device in range(size):
            self._restore(device, held["outstanding"].get(str(device), ()))
            self._push(device)

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
        outstanding: dict[str, list[int]] = {}
        for points in (self._running, self._waiting):
            for device, point in points.items():
                outstanding.setdefault(str(device), []).append(point)
        for device, drop in self._lost:
            outstanding.setdefault(str(device), []).append(drop.point)
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
        self._running[device] = point
        return (Go(device, point, due),)

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
