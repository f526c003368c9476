"""One device's life in a run: carries its scripts, keeps its open operations, turns their ends into samples.

Theory of operation. A session is idle or busy with one script: its preparation or an iteration. `begin` and `feed`
run the script as far as it goes without waiting and return the orders that came of it. Samples of the script under
way are kept back until it ends, so that whoever drives the session can count whole iterations only (`drain_log`);
a crash then loses an iteration, never half of one. What happens outside a script (a connection that breaks while
idle, an answer nobody asked for) goes to the same log.

Time is the driver's: every event carries when it happened, and that is the session's now until the next one.
"""

import math
from collections.abc import Callable, Collection, Sequence

from engine.device.identity import Device
from engine.device.log import Log, Open
from engine.device.scenarios.scenario import run
from engine.device.script import (
    Begin,
    End,
    Event,
    Expired,
    Lap,
    Mark,
    Order,
    Pause,
    Retry,
    Save,
    Script,
    StepFailed,
    Unmatched,
    Wait,
)
from engine.device.start import Start
from engine.errors import Failure, Outcome
from engine.measure.operation import OVERDUE, DropReason, Operation, Phase
from engine.measure.sample import Sample, Series, series_of
from engine.protocol import http, mqtt


class Session:
    """Drive with begin, feed and stop; read is_busy, gives_way, wake_at and drain_log after each.

    Operations of the load that begin at or after drain_from belong to the drain. rest_s is how long the device should
    rest after the script that ended last: not at all after a success, else for the back-off of so many failures in a
    row, and no shorter than the service asked. Who starts it by a schedule need not heed that; who starts it again as
    soon as it is free must, or a service that refuses everything would be asked without end. gives_way: the script
    waits for an answer that is overdue, and the device may begin another one all the same. succeeded counts the scripts
    that ended well.
    """

    __slots__ = (
        "_clock",
        "_due",
        "_failures",
        "_marks",
        "_now",
        "_open",
        "_orders",
        "_pausing",
        "_reached_main",
        "_script",
        "_slip",
        "_start",
        "device",
        "drain_from",
        "failure",
        "gives_way",
        "log",
        "rest_s",
        "succeeded",
        "wake_at",
    )

    def __init__(self, device: Device, clock: Callable[[], float]) -> None:
        self.device = device
        self.wake_at: float | None = None
        self.drain_from = math.inf
        self.failure: Failure | None = None
        self.rest_s = 0.0
        self.gives_way = False
        self.succeeded = 0
        self.log = Log()
        self._clock = clock
        self._due = 0.0
        self._failures = 0
        self._now = 0.0
        self._script: Script[None] | None = None
        self._start: Start | None = None
        self._open: dict[Operation, Open] = {}
        self._orders: list[Order] = []
        self._marks: list[tuple[str, float]] = []
        self._pausing = False
        self._reached_main = False
        self._slip = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a script is under way."""
        return self._script is not None

    @property
    def start(self) -> Start | None:
        """What it was asked to do last."""
        return self._start

    @property
    def now(self) -> float:
        """When something happened last."""
        return self._now

    @property
    def open_operations(self) -> Sequence[Open]:
        """What is in flight, for the live view."""
        return tuple(self._open.values())

    def drain_log(self) -> Log:
        """What is to be counted now; everything since the last call."""
        log, self.log = self.log, Log()
        return log

    def is_overdue(self, now: float) -> bool:
        """Whether all it still waits for has passed its deadline but can yet be answered."""
        waits = [o for o in self._open.values() if o.series.operation is not Operation.ITERATION]
        return bool(waits) and all(o.series.operation in OVERDUE and now > o.deadline for o in waits)

    def begin(self, start: Start, now: float) -> Sequence[Order]:
        """Start a script on a device that is idle or gives way; the orders that come of it."""
        self.break_off(now)
        assert self._script is None, "a busy device was started"
        self._now, self._start, self.failure, self.rest_s = now, start, None, 0.0
        self._due = now if start.due is None else start.due
        self._slip = now - self._due
        self._marks = []
        self._reached_main = False
        if start.iteration:
            self._begin(Begin(Operation.ITERATION, math.inf))
        self._script = run(start.steps, self.device)
        return self._advance(None)

    def break_off(self, now: float) -> None:
        """End a script that gives way where it stands: all that was open was lost. Any other goes on."""
        if self.gives_way:
            self._break_off(frozenset(self._open), now)

    def feed(self, event: Event) -> Sequence[Order]:
        """Tell the session what happened; the orders that come of it."""
        self._now = max(self._now, event.at)
        if isinstance(event, mqtt.Disconnected):
            self.device.linked = False
            self._lose(event)
        if self._script is None or (self._pausing and not isinstance(event, Expired)):
            self._overhear(event)
            return ()
        return self._advance(event)

    def expire(self, now: float) -> Sequence[Order]:
        """The time wake_at has come."""
        self.wake_at = None
        if self._script is None:
            return ()
        return self.feed(Expired(now))

    def stop(self, now: float) -> None:
        """End the script where it stands: what is overdue was lost, and so was its iteration; the rest is cancelled."""
        lost = {o for o, held in self._open.items() if o in OVERDUE and now > held.deadline}
        self._break_off(lost | {Operation.ITERATION} if lost else lost, now)

    def fail(self, failure: Failure) -> Sequence[Order]:
        """End the script with a failure that came from outside it; the orders that leave the device disconnected."""
        if self._script is not None:
            self._script.close()
            self._finish(failure)
        self.device.connected = False
        orders, self._orders = [*self._orders, mqtt.Disconnect(), http.Abandon()], []
        return orders

    # -- the script ----------------------------------------------------------------------------------------

    def _break_off(self, lost: Collection[Operation], now: float) -> None:
        """End the script where it stands: these operations were lost, all others are cancelled."""
        self._now = max(self._now, now)
        if self._script is None:
            return
        self._script.close()
        for operation in list(self._open):
            self._settle(operation, Failure(Outcome.LOST if operation in lost else Outcome.CANCELLED))
        self._idle()

    def _advance(self, answer: Event | float | None) -> Sequence[Order]:
        """Run the script until it waits or ends."""
        assert self._script is not None
        self._pausing = self.gives_way = False
        self.wake_at = None
        reply: Event | float | None = answer
        try:
            while self.wake_at is None:
                reply = self._answer(self._script.send(reply))
        except StopIteration:
            self._finish(None)
        except StepFailed as failed:
            self._finish(failed.failure)
        orders, self._orders = self._orders, []
        return orders

    def _answer(self, ask: object) -> float | None:
        match ask:
            case Wait():
                self.wake_at, self.gives_way = ask.until, ask.gives_way
            case Pause():
                self._pausing = True
                self.wake_at = self._now + ask.for_s
            case Begin():
                self._begin(ask)
            case End():
                self._settle(ask.operation, ask.failure, ask.parts, ask.code)
            case Lap():
                self._now = max(self._now, self._clock())
            case Retry():
                self.log.retries.append((self._series(ask.operation), self._now))
            case Mark():
                self._marks.append((ask.part, self._now - self._due))
            case Unmatched():
                self.log.unmatched.append((self._series(ask.operation), self._now))
            case mqtt.Connect():
                self.device.linked = True
                self._orders.append(ask)
            case _ if isinstance(ask, _ORDERS):
                self._orders.append(ask)
            case _:
                raise AssertionError(f"a script asked for {ask!r}")
        return self._now

    def _finish(self, failure: Failure | None) -> None:
        """The script is over: settle what it left open, and what its iteration owes."""
        assert self._start is not None
        self.failure = failure
        self._failures = 0 if failure is None else self._failures + 1
        self.succeeded += failure is None
        self.rest_s = 0.0 if failure is None else self.device.rest_s(self._failures, failure)
        left = [operation for operation in self._open if operation is not Operation.ITERATION]
        for operation in left:
            self._settle(operation, failure or Failure(Outcome.LOST))
        if self._start.iteration:
            self._settle(Operation.ITERATION, failure, tuple(self._marks))
            if failure is not None and not self._reached_main:
                self._owe(self._start)
        self._idle()

    def _owe(self, start: Start) -> None:
        """A main operation that its iteration never reached counts as dropped."""
        series = series_of(start.main, start.phase, self._hub(start.main))
        self.log.dropped.append((series, self._due))
        self.log.samples.append(
            Sample(
                series,
                self._due,
                None,
                self._now,
                Outcome.DROPPED,
                DropReason.STEP_FAILED,
                device=self.device.device_id,
            )
        )

    def _idle(self) -> None:
        """Nothing is under way; what came and was never asked for is counted. `_start` stays: its phase goes on."""
        self._script, self.wake_at, self._pausing, self.gives_way = None, None, False, False
        self._open.clear()
        for message in self.device.inbox:
            self._overhear(message)
        self.device.inbox.clear()
        self.device.doing = ""

    # -- measuring -----------------------------------------------------------------------------------------

    def _hub(self, operation: Operation) -> str:
        """The hub an operation concerns: registering and storing concern none."""
        if operation in _WITHOUT_HUB or self.device.bundle is None:
            return ""
        return self.device.bundle.hub

    def _series(self, operation: Operation) -> Series:
        phase = self._start.phase if self._start else Phase.PREPARE
        if self._now >= self.drain_from and phase is not Phase.PREPARE and operation is not Operation.ITERATION:
            phase = Phase.DRAIN
        return series_of(operation, phase, self._hub(operation))

    def _begin(self, ask: Begin) -> None:
        series = self._series(ask.operation)
        assert self._start is not None
        self._reached_main = self._reached_main or ask.operation is self._start.main
        self._open[ask.operation] = Open(series, self._now - self._slip, self._now, self._now + ask.within_s)
        self.log.started.append((series, self._now))

    def _settle(
        self,
        operation: Operation,
        failure: Failure | None,
        parts: tuple[tuple[str, float], ...] = (),
        code: str = "",
    ) -> None:
        held = self._open.pop(operation)
        overdue = operation in OVERDUE and self._now > held.deadline
        if overdue:
            self.log.overdue.append((held.series, held.deadline, self._now))
        outcome = Outcome.LATE if overdue and failure is None else Outcome.OK if failure is None else failure.outcome
        self.log.samples.append(
            Sample(
                held.series,
                held.due,
                held.began,
                self._now,
                outcome,
                failure.code if failure else code,
                failure.detail if failure else "",
                self.device.device_id,
                parts,
            )
        )

    def _lose(self, event: mqtt.Disconnected) -> None:
        """A hub connection that ended without being asked is counted, without a latency."""
        if not self.device.connected:
            return
        self.device.connected = False
        series = self._series(Operation.HUB_DISCONNECT)
        failure = event.failure or Failure(Outcome.DISCONNECTED)
        self.log.started.append((series, event.at))
        self.log.samples.append(
            Sample(
                series,
                event.at,
                None,
                event.at,
                Outcome.DISCONNECTED,
                failure.code,
                failure.detail,
                self.device.device_id,
            )
        )

    def _overhear(self, event: Event) -> None:
        """An answer that no open request matches is counted, never a success."""
        if isinstance(event, mqtt.Received):
            self.log.unmatched.append((self._series(Operation.CERT_ISSUED), event.at))


_ORDERS = (Save, mqtt.Subscribe, mqtt.Unsubscribe, mqtt.Publish, mqtt.Disconnect, http.Request, http.Abandon)

_WITHOUT_HUB = frozenset({Operation.DPS_REGISTER, Operation.STATE_LOAD, Operation.STATE_SAVE, Operation.STATE_DELETE})
