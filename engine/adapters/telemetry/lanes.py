"""Signals that wait to be sent, and what became of those that do not wait any more. Plain values, no thread.

Theory of operation. Each kind of item has a lane of its own, since each is sent in requests of its own; a lane that
fills up drops its oldest, and crowds out nobody else's. The lanes take turns, so that one whose items are refused does
not hold up the others. One parcel at a time is on its way. What of it is to be tried again goes back to where it was,
before everything younger. A signal waits, or is on its way, until it is counted as sent or dropped; never twice.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from engine.adapters.telemetry.fate import Fate
from engine.measure.signal import Count, Delivery, Level, Signal, Span, Spread


class Kind(Enum):
    """What signals are sent as, in requests of their own."""

    LOG = "log"
    METRIC = "metric"
    SPAN = "span"


def kind_of(signal: Signal) -> Kind:
    """How a signal is sent; an event is a log record with a name."""
    match signal:
        case Count() | Level() | Spread():
            return Kind.METRIC
        case Span():
            return Kind.SPAN
        case _:
            return Kind.LOG


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """Signals of one kind, oldest first, that are sent together."""

    kind: Kind
    signals: Sequence[Signal]


@dataclass(slots=True)
class _Lane:
    """tried is how many of the oldest were on their way before."""

    waiting: deque[Signal] = field(default_factory=deque)
    tried: int = 0


class Lanes:
    """Room for so many signals of each kind."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lanes = {kind: _Lane() for kind in Kind}
        self._turn = deque(Kind)
        self._away: Parcel | None = None
        self._sent = self._retried = self._dropped = 0

    @property
    def waiting(self) -> int:
        """How many signals wait; what is on its way does not."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    @property
    def delivery(self) -> Delivery:
        """What has become of signals so far."""
        return Delivery(self._sent, self._retried, self._dropped)

    def put(self, signals: Sequence[Signal]) -> None:
        """These wait from now on; of too many the oldest are dropped."""
        for signal in signals:
            self._lanes[kind_of(signal)].waiting.append(signal)
        for lane in self._lanes.values():
            self._trim(lane)

    def take(self, limit: int) -> Parcel | None:
        """Up to limit of the oldest of a kind, which are on their way from now on; None where nothing waits."""
        assert self._away is None, "one parcel at a time"
        for _ in Kind:
            kind = self._turn[0]
            self._turn.rotate(-1)
            lane = self._lanes[kind]
            if lane.waiting:
                count = min(limit, len(lane.waiting))
                again = min(count, lane.tried)
                lane.tried -= again
                self._retried += again
                self._away = Parcel(kind, [lane.waiting.popleft() for _ in range(count)])
                return self._away
        return None

    def settle(self, parcel: Parcel, fate: Fate) -> None:
        """A parcel came to its end. Nothing happens where it was given up meanwhile."""
        if parcel is not self._away:
            return
        self._away = None
        self._sent += fate.sent
        self._dropped += len(parcel.signals) - fate.sent - len(fate.again)
        lane = self._lanes[parcel.kind]
        lane.waiting.extendleft(parcel.signals[place] for place in reversed(fate.again))
        lane.tried += len(fate.again)
        self._trim(lane)

    def drop(self) -> None:
        """Everything that waits or is on its way is given up."""
        if self._away is not None:
            self._dropped += len(self._away.signals)
            self._away = None
        for lane in self._lanes.values():
            self._dropped += len(lane.waiting)
            lane.waiting.clear()
            lane.tried = 0

    def _trim(self, lane: _Lane) -> None:
        while len(lane.waiting) > self._room:
            lane.waiting.popleft()
            lane.tried = max(0, lane.tried - 1)
            self._dropped += 1
