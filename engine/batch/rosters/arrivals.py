"""Starts that belong to no device."""

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
