"""Every device as often as it can."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from engine.batch.rosters.roster import Call, Drop, Go, Shape
from engine.measure.operation import DropReason


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
