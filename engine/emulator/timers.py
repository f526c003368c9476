"""Things to do later, in order of time."""

from heapq import heappop, heappush
from itertools import count


class Timers[T]:
    """Items by the time they are due; items of the same time come in the order they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def add(self, due: float, item: T) -> None:
        """Have the item come out of `pop` from the time due on."""
        heappush(self._heap, (due, next(self._order), item))

    def pop(self, now: float) -> list[T]:
        """The items due by now, in order, each once."""
        items = []
        while self._heap and self._heap[0][0] <= now:
            items.append(heappop(self._heap)[2])
        return items

    @property
    def next_due(self) -> float | None:
        """When the next item is due, None when there is none."""
        return self._heap[0][0] if self._heap else None
