"""Dials under way: so many at a time, the others wait their turn.

A dial that waits does so on our account: its parts begin with the dial itself, and whoever wanted it knows since when
it waits. No dial times out here. Queued dials start only when the events at hand have all been served, because the
kernel hands the number of a closed descriptor out again at once.
"""

from collections import deque
from collections.abc import Callable

from engine.adapters.net.dial import Dial
from engine.adapters.net.watch import Watch
from engine.errors import Failure


class Dialler:
    """Drives dials from the queue to their end."""

    def __init__(
        self,
        watch: Watch,
        *,
        at_once: int,
        arrived: Callable[[object, Dial], None],
        failed: Callable[[object, Failure], None],
    ) -> None:
        """At most at_once dials hold a descriptor. arrived and failed are told a dial's owner, who takes over."""
        self._watch, self._at_once = watch, at_once
        self._arrived, self._failed = arrived, failed
        self._queue: deque[Dial] = deque()
        self._under_way: set[Dial] = set()

    def queue(self, dial: Dial) -> None:
        """Let it start when there is room."""
        self._queue.append(dial)

    def start_queued(self) -> None:
        """Start as many as there is room for."""
        while self._queue and len(self._under_way) < self._at_once:
            dial = self._queue.popleft()
            if dial.owner is not None:
                self._under_way.add(dial)
                self._begin(dial, dial.start())

    def advance(self, dial: Dial) -> None:
        """Go on with a dial whose descriptor is ready."""
        wanted = dial.advance()
        if isinstance(wanted, Failure):
            if dial.has_more:
                self._watch.forget(dial)
                self._begin(dial, dial.start_next(wanted))
            else:
                self._fail(dial, wanted)
        elif wanted:
            self._watch.expect(dial, wanted)
        else:
            self._under_way.discard(dial)
            self._arrived(_owner(dial), dial)

    def drop(self, dial: Dial) -> None:
        """Give a dial up, queued or under way, and tell nobody."""
        dial.owner = None
        self._under_way.discard(dial)
        self._watch.forget(dial)

    def clear(self) -> None:
        """Let go of the queue."""
        self._queue.clear()

    def _begin(self, dial: Dial, wanted: int | Failure) -> None:
        """Wait for a dial that has just got a descriptor, or end it."""
        if isinstance(wanted, Failure):
            self._fail(dial, wanted)
        else:
            self._watch.add(dial, wanted)

    def _fail(self, dial: Dial, failure: Failure) -> None:
        owner = _owner(dial)
        self.drop(dial)
        self._failed(owner, failure)


def _owner(dial: Dial) -> object:
    """Taken off, so that dial and owner do not hold each other."""
    owner, dial.owner = dial.owner, None
    return owner
