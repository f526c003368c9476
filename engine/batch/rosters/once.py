"""Every device once."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from engine.batch.rosters.roster import Call, Drop, Go, Shape
from engine.measure.operation import DropReason


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
