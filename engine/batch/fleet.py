"""The sessions of a batch: events and alarms in, orders and whole iterations out."""

import heapq
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from engine.batch.courier import Courier
from engine.batch.ledger import Ledger
from engine.batch.monitor import Monitor
from engine.device.identity import Device
from engine.device.script import Event, Order, Save
from engine.device.session import Session
from engine.device.start import Start
from engine.errors import Failure, Outcome
from engine.ports import Wire
from engine.protocol import mqtt

NO_PORT = "EADDRNOTAVAIL"
"""What a dial ends with when no local port is left towards an address."""

_log = logging.getLogger("certfleet.batch")


class Fleet:
    """Sessions by channel; doing counts them by what they are at, and is_ready whether an idle one could begin.

    is_free hears of each device that may be started again: its script has ended, or gives way. A script that gave way
    and is at work again takes the device back: take_back says whether it could, and where not, a start waits for it.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        wire: Wire,
        *,
        courier: Courier,
        ledger: Ledger,
        monitor: Monitor,
        is_ready: Callable[[Device], bool],
    ) -> None:
        self.sessions = sessions
        self._is_ready = is_ready
        self.is_free: Callable[[int], None] = lambda _: None
        self.take_back: Callable[[int], bool] = lambda _: False
        self._wire, self._courier, self._ledger, self._monitor = wire, courier, ledger, monitor
        self._words = [self._word(session) for session in sessions]
        self.doing = Counter(self._words)
        self._working: set[int] = set()
        self._offered: set[int] = set()
        self._yielding: set[int] = set()
        self._later: dict[int, Start] = {}
        self._timers: list[tuple[float, int]] = []
        self._alarms = [math.inf] * len(sessions)
        self._loud = 0

    @property
    def busy(self) -> int:
        """How many have a script under way."""
        return len(self._working)

    @property
    def at_work(self) -> Iterator[Session]:
        """Those that have."""
        return (self.sessions[channel] for channel in self._working)

    @property
    def next_alarm(self) -> float:
        """When to call fire at the latest."""
        return self._timers[0][0] if self._timers else math.inf

    def begin(self, channel: int, start: Start, now: float) -> None:
        """Start a script on a device that is free, or as soon as it is."""
        session = self.sessions[channel]
        if session.is_busy and not session.gives_way:
            self._later[channel] = start
            return
        self._working.add(channel)
        self._offered.discard(channel)
        self._yielding.discard(channel)
        if session.gives_way:
            session.break_off(now)
            self._settle(channel)
        self._drive(channel, session.begin, start, now)

    def withdraw(self) -> list[tuple[int, Start]]:
        """The starts that still wait for their device, by its channel; they are not made any more."""
        waiting, self._later = list(self._later.items()), {}
        return waiting

    def yielding(self) -> list[Start]:
        """The starts whose devices were free again before they ended: they are yet to be counted."""
        starts = (self.sessions[channel].start for channel in sorted(self._yielding))
        return [start for start in starts if start is not None]

    def feed(self, channel: int, event: Event) -> None:
        """Tell a session what happened."""
        self._drive(channel, self.sessions[channel].feed, event)

    def fire(self, now: float) -> None:
        """Wake those whose time has come. An alarm that rings too early, as its session moved on, is set again."""
        while self.next_alarm <= now:
            at, channel = heapq.heappop(self._timers)
            if at != self._alarms[channel]:
                continue
            self._alarms[channel] = math.inf
            session = self.sessions[channel]
            if session.wake_at is not None and session.wake_at <= now:
                self._drive(channel, session.expire, now)
            else:
                self._set_alarm(channel)

    def is_quiet(self, now: float) -> bool:
        """Whether all that is under way can still be answered, but not in time.

        Asked every turn: it looks at the session that was not quiet the last time before it looks at all others.
        """
        if self._loud in self._working and not self.sessions[self._loud].is_overdue(now):
            return False
        for channel in self._working:
            if not self.sessions[channel].is_overdue(now):
                self._loud = channel
                return False
        return True

    def end_load(self, at: float) -> None:
        """What begins then or later belongs to the drain."""
        for session in self.sessions:
            session.drain_from = at

    def stop(self, now: float) -> None:
        """End every script where it stands."""
        for channel, session in enumerate(self.sessions):
            session.stop(now)
            self._settle(channel)
            self._note(channel)
        self._working.clear()
        self._yielding.clear()

    def _drive[*Facts](self, channel: int, work: Callable[[*Facts], Sequence[Order]], *facts: *Facts) -> None:
        """Let a session work, carry out its orders, keep its alarm, and count what it finished.

        A bug in one device's story ends that story as `internal`; the batch goes on and says so.
        """
        session = self.sessions[channel]
        try:
            self._carry_out(channel, work(*facts))
        except Exception:
            _log.exception("a session failed")
            self._monitor.internal += 1
            orders = session.fail(Failure(Outcome.INTERNAL, detail="a bug in the harness, see the log"))
            self._carry_out(channel, orders)
        self._set_alarm(channel)
        self._note(channel)
        was_at_work = channel in self._working
        if not session.is_busy:
            self._settle(channel)
            self._working.discard(channel)
            self._yielding.discard(channel)
        if was_at_work and (not session.is_busy or session.gives_way):
            self._offer(channel)
        elif channel in self._yielding and channel in self._offered and self.take_back(channel):
            self._offered.discard(channel)

    def _offer(self, channel: int) -> None:
        """The device may be started: by the start that waits for it, or by whoever hands them out; told once."""
        start = self._later.pop(channel, None)
        if start is not None:
            self.begin(channel, start, self.sessions[channel].now)
        elif channel not in self._offered:
            self._offered.add(channel)
            if self.sessions[channel].is_busy:
                self._yielding.add(channel)
            self.is_free(channel)

    def _carry_out(self, channel: int, orders: Sequence[Order]) -> None:
        for order in orders:
            if isinstance(order, Save):
                self._courier.save(channel, order.bundle)
            else:
                self._wire.send(channel, order)

    def leave(self) -> set[int]:
        """The channels that are told to end their connection; nobody waits for these ends as an operation."""
        linked = {channel for channel, session in enumerate(self.sessions) if session.device.linked}
        for channel in linked:
            self.sessions[channel].device.connected = False
            self._note(channel)
            self._wire.send(channel, mqtt.Disconnect())
        return linked

    def _set_alarm(self, channel: int) -> None:
        """One alarm counts per session, and it rings no later than the session wants to wake."""
        at = self.sessions[channel].wake_at
        if at is not None and at < self._alarms[channel]:
            self._alarms[channel] = at
            heapq.heappush(self._timers, (at, channel))

    def _note(self, channel: int) -> None:
        """Keep the count of who is at what."""
        word, before = self._word(self.sessions[channel]), self._words[channel]
        if word != before:
            self.doing[before] -= 1
            self.doing[word] += 1
            self._words[channel] = word

    def _word(self, session: Session) -> str:
        device = session.device
        if device.doing or device.connected:
            return device.doing or "connected"
        return "offline" if self._is_ready(device) else "unprovisioned"

    def _settle(self, channel: int) -> None:
        log = self.sessions[channel].drain_log()
        if log.started or log.dropped or log.samples or log.unmatched or log.retries:
            self._monitor.ports_exhausted += sum(sample.code == NO_PORT for sample in log.samples)
            self._ledger.commit(log)
