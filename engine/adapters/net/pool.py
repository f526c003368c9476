"""Idle HTTP connections, shared by all channels with the same endpoint.

The one that was used last is taken first, so that those which are not needed grow old. A full pool takes no more
rather than dropping its oldest: devices that ask in turn would each find their own connection just dropped.
"""

from collections.abc import Callable

from engine.adapters.net.dial import Endpoint
from engine.adapters.net.line import Line
from engine.ports import Clock

IDLE_S = 60.0
"""Less than the 2 minutes and more that Azure's front ends keep an idle connection, so that we are first to hang up."""

IDLE_LINES = 1024


class Pool:
    """Whoever puts a line in gives it away: it comes back by `take`, or is closed."""

    def __init__(self, clock: Clock, close: Callable[[Line], None]) -> None:
        """close frees a line."""
        self._clock, self._close = clock, close
        self._since: dict[Line, float] = {}  # oldest first
        self._idle: dict[Endpoint, dict[Line, None]] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, line: Line) -> bool:
        return line in self._since

    def put(self, line: Line) -> None:
        """Keep it for the next request, if there is room."""
        if len(self._since) >= IDLE_LINES:
            self._close(line)
            return
        self._since[line] = self._clock.now()
        self._idle.setdefault(line.endpoint, {})[line] = None

    def take(self, endpoint: Endpoint) -> Line | None:
        """A line to endpoint that is still whole; None if there is none."""
        while (lines := self._idle.get(endpoint)) is not None:
            line = next(reversed(lines))
            self._remove(line)
            if line.is_quiet():
                return line
            self._close(line)
        return None

    def check(self, line: Line) -> None:
        """Close an idle line that something has happened to."""
        if not line.is_quiet():
            self._drop(line)

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        until = self._clock.now() - IDLE_S
        for line in [line for line, since in self._since.items() if since <= until]:
            self._drop(line)

    def clear(self) -> None:
        """Close everything."""
        for line in list(self._since):
            self._drop(line)

    def _drop(self, line: Line) -> None:
        self._remove(line)
        self._close(line)

    def _remove(self, line: Line) -> None:
        del self._since[line]
        lines = self._idle[line.endpoint]
        del lines[line]
        if not lines:
            del self._idle[line.endpoint]
