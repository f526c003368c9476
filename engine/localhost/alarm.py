"""Calls things at their times: one thread for any number of them."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Alarm:
    """Calls back at wall-clock times, in order, on one daemon thread.

    A callback that raises ends the thread, which Python reports, and then `broken` is called.
    """

    def __init__(self, broken: Callable[[], None]) -> None:
        self._broken = broken
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="durable-alarm", daemon=True).start()

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        """Call at when_s (seconds since 1970), at once if that is past."""
        with self._changed:
            heapq.heappush(self._waiting, (when_s, next(self._order), call))
            self._changed.notify()

    def _run(self) -> None:
        try:
            while True:
                self._next()()
        finally:
            self._broken()

    def _next(self) -> Callable[[], None]:
        with self._changed:
            while not self._waiting or self._waiting[0][0] > time.time():
                self._changed.wait(self._waiting[0][0] - time.time() if self._waiting else None)
            return heapq.heappop(self._waiting)[2]
