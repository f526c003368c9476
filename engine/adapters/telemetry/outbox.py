"""A way out: whoever tells goes on at once, one thread sends, and every signal ends as sent or as dropped.

Theory of operation. The thread takes a parcel, carries it out, and learns its fate. What is to be tried again waits
with everything else until the endpoint has been left alone for long enough: twice as long each time, or as long as it
asked. Who closes gives a time. Until then the thread goes on; where what it waits for comes later, it tries once more
at once and then leaves. What it has not sent by then is dropped, and so is what an endpoint that hangs still has in its
hands: the thread is left behind, and nothing it may still learn counts.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from engine.adapters.telemetry.fate import Fate
from engine.adapters.telemetry.lanes import Lanes, Parcel
from engine.measure.signal import Delivery, Signal

ROOM: Final = 10_000
"""How many signals of a kind may wait. A batch tells some fifty per ten seconds: half an hour without an endpoint."""

PARCEL: Final = 200
"""How many signals travel in a request: where each is as large as it may be, that makes 2 MB."""

_log = logging.getLogger("certfleet.telemetry")


class Carrier(Protocol):
    """Who takes parcels to the endpoint."""

    def carry(self, parcel: Parcel) -> Fate:
        """What became of a parcel; blocks, for as long as its time-outs allow."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the endpoint is left alone after it took nothing: first_s, then twice as long each time up to most_s.

    chance gives a number in [0, 1): up to half of the time is taken off, so that workers do not come back all at once.
    """

    first_s: float = 1.0
    most_s: float = 30.0
    chance: Callable[[], float] = random.random

    def delay_s(self, failures: int, wait_s: float | None) -> float:
        """Seconds after so many failures in a row; never less than the wait_s that the endpoint asked for."""
        full_s = min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 60))
        return max(full_s * (1.0 - self.chance() / 2), wait_s or 0.0)


class Outbox:
    """See ports.Telemetry. The thread starts with the first signal."""

    def __init__(self, carrier: Carrier, *, room: int = ROOM, pace: Pace | None = None) -> None:
        self._carrier, self._pace = carrier, pace or Pace()
        self._lanes = Lanes(room)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._not_before = 0.0
        self._deadline: float | None = None
        self._delivery: Delivery | None = None

    def tell(self, signals: Sequence[Signal]) -> None:
        """See Telemetry. What is told after closing is not taken."""
        with self._changed:
            if self._deadline is not None or not signals:
                return
            self._lanes.put(signals)
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="telemetry", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, within_s: float) -> Delivery:
        """See Telemetry."""
        with self._changed:
            thread = self._thread
            if self._deadline is None:
                self._deadline = time.monotonic() + within_s
                if self._not_before >= self._deadline:
                    self._not_before = 0.0
                self._changed.notify_all()
        if thread is not None:
            thread.join(within_s)
        with self._changed:
            if self._delivery is None:
                self._lanes.drop()
                self._delivery = self._lanes.delivery
            return self._delivery

    def _send(self) -> None:
        while (parcel := self._next()) is not None:
            try:
                fate = self._carrier.carry(parcel)
            except Exception:  # a parcel that breaks its carrier must not end the telemetry of all that comes after it
                _log.exception("%d signals could not be sent", len(parcel.signals))
                fate = Fate()
            self._settle(parcel, fate)

    def _next(self) -> Parcel | None:
        """What is to be sent now, after waiting for it; None at the end."""
        with self._changed:
            while self._delivery is None:
                wait_s: float | None = None
                if self._lanes.waiting:
                    wait_s = self._not_before - time.monotonic()
                    if wait_s <= 0:
                        return self._lanes.take(PARCEL)
                    if self._deadline is not None and self._not_before >= self._deadline:
                        return None
                elif self._deadline is not None:
                    return None
                self._changed.wait(wait_s)
        return None

    def _settle(self, parcel: Parcel, fate: Fate) -> None:
        with self._changed:
            self._lanes.settle(parcel, fate)
            self._failures = self._failures + 1 if fate.again else 0
            if fate.again:
                self._not_before = time.monotonic() + self._pace.delay_s(self._failures, fate.wait_s)
