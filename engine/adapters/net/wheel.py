"""Who is due for a keep-alive check: a slow wheel, so that a held connection costs next to nothing."""

import math
from collections.abc import Hashable

TICK_S = 0.25
SLOTS = 40
"""A full turn takes 10 s: a ping leaves at most that late, well inside the server's tolerance of half a keep-alive
of 60 s. Source: MQTT 3.1.1 section 3.1.2.10."""


class Wheel[T: Hashable]:
    """Things that come up once in a while, to the tick."""

    def __init__(self) -> None:
        self._slots: list[set[T]] = [set() for _ in range(SLOTS)]
        self._slot_of: dict[T, int] = {}
        self._at = 0
        self._next_at = 0.0

    def __contains__(self, thing: T) -> bool:
        return thing in self._slot_of

    @property
    def next_at(self) -> float:
        """When to look again; never, while nothing is on the wheel."""
        return self._next_at if self._slot_of else math.inf

    def put(self, thing: T, after_s: float) -> None:
        """Let it come up after about after_s, at least a tick and at most a turn later."""
        self.take(thing)
        slot = (self._at + min(SLOTS, max(1, int(after_s / TICK_S)))) % SLOTS
        self._slot_of[thing] = slot
        self._slots[slot].add(thing)

    def take(self, thing: T) -> None:
        """Take it off, if it is on."""
        slot = self._slot_of.pop(thing, None)
        if slot is not None:
            self._slots[slot].discard(thing)

    def turn(self, now: float) -> list[T]:
        """What came up by now, taken off. Ticks missed while nobody looked are made up for."""
        if now < self._next_at:
            return []
        missed = min(SLOTS, 1 + int((now - self._next_at) / TICK_S))
        self._next_at = now + TICK_S
        due: list[T] = []
        for _ in range(missed):
            self._at = (self._at + 1) % SLOTS
            due.extend(self._slots[self._at])
            self._slots[self._at].clear()
        for thing in due:
            del self._slot_of[thing]
        return due
