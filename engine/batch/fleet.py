"""The sessions of a batch: events and alarms in, orders and whole iterations out."""

import heapq
import logging
import math
from collections.abc import Callable, Sequence
from functools import partial

from engine.batch.courier import Courier
from engine.batch.ledger import Ledger
from engine.batch.monitor import Monitor
from engine.device.script import Event, Order, Save
from engine.device.session import Session
from engine.device.start import Start
from engine.errors import Failure, Outcome
from engine.ports import Wire

_log = logging.getLogger("certfleet.batch")


class Fleet:
    """Sessions by channel, busy says how many have a script under way; is_free hears of each that ends one."""

    def __init__(
        self, sessions: Sequence[Session], wire: Wire, *, courier: Courier, ledger: Ledger, monitor: Monitor
    ) -> None:
        self.sessions = sessions
        self.busy = 0
        self.is_free: Callable[[int], None] = lambda _: None
        self._wire, self._courier, self._ledger, self._monitor = wire, courier, ledger, monitor
        self._timers: list[tuple[float, int]] = []
        self._alarms = [math.inf] * len(sessions)
        self._loud = 0

    @property
    def next_alarm(self) -> float:
        """When to call fire at the latest."""
        return self._timers[0][0] if self._timers else math.inf

    def begin(self, channel: int, start: Start, now: float) -> None:
        """Start a script on an idle device."""
        self.busy += 1
        self._drive(channel, partial(self.sessions[channel].begin, start, now), was_busy=True)

    def feed(self, channel: int, event: Event) -> None:
        """Tell a session what happened."""
        session = self.sessions[channel]
        self._drive(channel, partial(session.feed, event), was_busy=session.is_busy)

    def fire(self, now: float) -> None:
        """Wake those whose time has come. An alarm that rings too early, as its session moved on, is set again."""
        while self.next_alarm <= now:
            at, channel = heapq.heappop(self._timers)
            if at != self._alarms[channel]:
                continue
            self._alarms[channel] = math.inf
            session = self.sessions[channel]
            if session.wake_at is not None and session.wake_at <= now:
                self._drive(channel, partial(session.expire, now), was_busy=session.is_busy)
            else:
                self._set_alarm(channel)

    def is_quiet(self, now: float) -> bool:
        """Whether all that is under way can still be answered, but not in time.

        Asked every turn: it looks at the session that was not quiet the last time before it looks at all others.
        """
        for n in range(len(self.sessions) if self.busy else 0):
            channel = (self._loud + n) % len(self.sessions)
            session = self.sessions[channel]
            if session.is_busy and not session.is_overdue(now):
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
        self.busy = 0

    def _drive(self, channel: int, work: Callable[[], Sequence[Order]], *, was_busy: bool) -> None:
        """Let a session work, carry out its orders, keep its alarm, and count what it finished.

        A bug in one device's story ends that story as `internal`; the batch goes on and says so.
        """
        session = self.sessions[channel]
        try:
            self._carry_out(channel, work())
        except Exception:
            _log.exception("a session failed")
            self._monitor.internal += 1
            orders = session.fail(Failure(Outcome.INTERNAL, detail="a bug in the harness, see the log"))
            self._carry_out(channel, orders)
        self._set_alarm(channel)
        if not session.is_busy:
            self._settle(channel)
            if was_busy:
                self.busy -= 1
                self.is_free(channel)

    def _carry_out(self, channel: int, orders: Sequence[Order]) -> None:
        for order in orders:
            if isinstance(order, Save):
                self._courier.save(channel, order.bundle)
            else:
                self._wire.send(channel, order)

    def _set_alarm(self, channel: int) -> None:
        """One alarm counts per session, and it rings no later than the session wants to wake."""
        at = self.sessions[channel].wake_at
        if at is not None and at < self._alarms[channel]:
            self._alarms[channel] = at
            heapq.heappush(self._timers, (at, channel))

    def _settle(self, channel: int) -> None:
        log = self.sessions[channel].drain_log()
        if log.started or log.dropped or log.samples or log.unmatched or log.retries:
            self._ledger.commit(log)
