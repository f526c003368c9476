"""Starts that belong to no device."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from engine.batch.rosters.roster import Call, Drop, Go, Shape
from engine.measure.operation import DropReason

BEHIND_S = 1.0
"""An open start this late is dropped: the loop is behind, and starting it would bend the load."""


class Arrivals:
    """Starts of the whole batch: due(n) is the nth.

    One in `size` falls to each device that is not ready, and is dropped; all others take whichever device has been free
    longest. A device that is told to rest is free only after that, where the shape says that devices rest.
    """

    def __init__(self, due: Callable[[int], float | None], shape: Shape) -> None:
        self._due, self._unprovisioned, self._max = due, shape.unprovisioned, shape.max_in_flight
        held = shape.state or {"next": 0, "outstanding": []}
        self._next = int(held["next"])
        self._outstanding: dict[int, int] = {}
        self._late = sorted(held["outstanding"])
        self._size = shape.size
        self._rests = shape.rests
        self._freed: list[tuple[float, int]] = []
        self._resting: list[tuple[float, int]] = []
        self._idle = deque(device for device in range(shape.size) if device not in shape.unprovisioned)
        self._open = True

    @property
    def handed(self) -> int:
        """How many points were handed out."""
        return self._next

    def outstanding_dues(self) -> list[float]:
        """When what is under way was due."""
        return [due for point in self._outstanding.values() if (due := self._due(point)) is not None]

    def next_due(self) -> float:
        """See Roster."""
        if self._late:
            return -math.inf
        due = self._due(self._next) if self._open else None
        return math.inf if due is None else due

    def calls(self, now: float) -> list[Call]:
        """See Roster."""
        self.rouse(now)
        found: list[Call] = self._behind()
        while self._open and (due := self._due(self._next)) is not None and due <= now:
            found.append(self._take(self._next, due, now))
            self._next += 1
        return found

    def free(self, device: int, rest_s: float = 0.0, /) -> None:
        """See Roster; the rest counts from when calls are asked for next."""
        self._outstanding.pop(device, None)
        if self._rests and rest_s:
            self._freed.append((rest_s, device))
        else:
            self._idle.append(device)

    def take_back(self, device: int) -> bool:
        """Whether a device that is free, and was not called yet, is so no more, for its iteration goes on after all."""
        is_idle = device in self._idle
        if is_idle:
            self._idle.remove(device)
        return is_idle

    def all_free_at(self) -> float:
        """When nobody is under way or rests any more: infinity while it is not known, minus infinity to ask at once."""
        if self._outstanding:
            return math.inf
        return -math.inf if self._freed else max((at for at, _ in self._resting), default=-math.inf)

    def close(self) -> list[Call]:
        """See Roster."""
        self._open = False
        return self._behind()

    def state(self) -> Mapping[str, Any]:
        """See Roster."""
        return {"next": self._next, "outstanding": sorted([*self._outstanding.values(), *self._late])}

    def rouse(self, now: float) -> None:
        """Devices that have rested are free."""
        for rest_s, device in self._freed:
            heapq.heappush(self._resting, (now + rest_s, device))
        self._freed.clear()
        while self._resting and self._resting[0][0] <= now:
            self._idle.append(heapq.heappop(self._resting)[1])

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
