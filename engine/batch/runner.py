"""`run_batch`: the one loop that drives a batch's sessions.

Theory of operation. Everything happens in turns. A turn waits on the wire until something is due, feeds what came to
the sessions, fires timers, and starts what the roster calls. The phases follow each other: *prepare* brings every
device to where the load can begin, at the pace of the target's quotas; then the batch waits for the load's start,
which all batches of the wave share; *load* runs until the schedule ends or someone wants it to stop; *drain* lets
what is in flight finish within gracefulStop. What is still open then is settled, what the run left at the services is
undone where the spec asks for it, connections are closed, and what was measured goes back to the caller.

Nothing here blocks but `Wire.wait`: storage is the courier's. A batch whose claim cannot be confirmed in time stops
driving at once, because somebody else may be about to take it over.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from engine.batch.courier import Courier
from engine.batch.course import Course
from engine.batch.done import Done, Stop
from engine.batch.fleet import Fleet
from engine.batch.herald import Herald
from engine.batch.hush import hushed
from engine.batch.ledger import Ledger, dropped
from engine.batch.monitor import Monitor
from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.roster import Drop, Go, Roster
from engine.batch.rosters.search import RateSearch
from engine.batch.teller import Teller
from engine.batch.work import Work
from engine.device.budget import Budget
from engine.device.identity import Device
from engine.device.scenarios.scenario import Step
from engine.device.session import Session
from engine.device.start import Start
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Series
from engine.measure.signal import Delivery
from engine.measure.timeline import Timeline
from engine.ports import Clock, Wire
from engine.protocol import mqtt

AT_ONCE = 64
"""Devices preparing or cleaning up at a time: more would only queue for the wire's handshakes, and call it latency."""

CLEAN_WITHIN_S = 240.0
"""How long cleaning up may take: what is left then stays. Below what a batch's deadline leaves for it."""

CLOSE_WITHIN_S = 2.0


def run_batch(work: Work, *, wire: Wire, clock: Clock, courier: Courier, teller: Teller | None = None) -> Done:
    """Drive the batch to its end. Raises ClaimLost when somebody else holds it; then nothing of it counts."""
    runner = _Runner(work, wire=wire, clock=clock, courier=courier, teller=teller)
    courier.start(wire.wake)
    try:
        runner.run()
    finally:
        courier.close()
        wire.close()
        if teller is not None:
            teller.close()
    return runner.done()


class _Runner:
    def __init__(self, work: Work, *, wire: Wire, clock: Clock, courier: Courier, teller: Teller | None) -> None:
        self._delivery: Delivery | None = None
        self._work, self._wire, self._clock, self._courier = work, wire, clock, courier
        self._sessions = [
            Session(Device(work.setup, s.device_id, index=s.index, ordinal=s.ordinal, bundle=s.bundle), clock.now)
            for s in work.seats
        ]
        resume = work.resume
        before = resume.timeline if resume else Timeline(work.interval_s, work.failure_samples)
        self._ledger = Ledger(before, work.failure_samples, resume.past if resume else None)
        self._handed = resume.handed if resume else 0
        self._roster: Roster | None = None
        self._course = Course(clock.now(), work.ramp_s)
        self._stop: Stop | None = None
        self._unready: frozenset[int] = frozenset()
        self._uncleaned = 0
        self._monitor = Monitor(work.interval_s, clock)
        self._fleet = Fleet(
            self._sessions,
            wire,
            courier=courier,
            ledger=self._ledger,
            monitor=self._monitor,
            is_ready=work.scenario.is_ready,
        )
        self._herald = Herald(
            work,
            self._course,
            courier=courier,
            ledger=self._ledger,
            fleet=self._fleet,
            monitor=self._monitor,
            wire=wire,
            teller=teller,
        )
        self._ended = math.inf

    def run(self) -> None:
        self._ledger.record(self._work.loaded)
        self._prepare()
        with hushed():
            self._await_start()
            if self._roster is not None:
                self._load()
            self._drain()
        self._clean_up()
        self._close()
        if self._roster is None:
            self._ledger.begin(self._clock.now())
        self._ended = self._clock.now()
        self._herald.end(self._ended)
        self._monitor.close(self._ended, self._course.phase)
        self._delivery = self._herald.farewell(self._ended, self._ended_by, self._work.scenario.main)

    @property
    def _ended_by(self) -> Stop:
        """Why it ended: by itself, if nothing else stopped it."""
        return self._stop or Stop.SCHEDULE

    def done(self) -> Done:
        """What it measured, once it has run and the courier has carried everything."""
        self._ledger.forget(self._courier.archived)
        return Done(
            timeline=self._ledger.timeline(),
            archived=self._herald.archived,
            past=self._ledger.past,
            health=tuple(self._monitor.records),
            stop=self._ended_by,
            handed=self._handed,
            load_start=None if self._roster is None else self._course.load_start,
            durations_s=self._course.durations(self._ended),
            unprovisioned=len(self._unready),
            uncleaned=self._uncleaned,
            store_failures=self._courier.trouble.failures,
            store_detail=self._courier.trouble.detail,
            search=self._roster.findings() if isinstance(self._roster, RateSearch) else None,
            telemetry=self._delivery,
        )

    # -- phases --------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Every device ready for the load, or known not to be: whoever takes too long is not awaited for ever."""
        setup = self._work.setup
        budgets = [setup.budgets[name] for name in self._work.paced_by if name in setup.budgets]
        give_up = self._course.began + self._work.prepare_s
        steps = self._work.scenario.prepare
        self._everyone(steps, Phase.PREPARE, budgets, until=give_up, goes_on=lambda: not self._must_stop())
        if self._fleet.busy and not self._must_stop():
            self._fleet.stop(self._clock.now())
        if steps:
            is_ready = self._work.scenario.is_ready
            self._unready = frozenset(n for n, s in enumerate(self._sessions) if not is_ready(s.device))
        if self._work.setup.on_invalid == "fail" and any(s.device.invalid for s in self._sessions):
            self._stop = Stop.INVALID_STATE

    def _clean_up(self) -> None:
        """What the run left at the services is gone, as far as time allows."""
        if self._work.cleans_up:
            self._fleet.is_free = lambda _: None
            give_up = self._clock.now() + CLEAN_WITHIN_S
            steps = self._work.scenario.cleanup
            done = [session.succeeded for session in self._sessions]
            self._everyone(steps, Phase.DRAIN, (), until=give_up, goes_on=self._is_ours)
            self._fleet.stop(self._clock.now())
            self._uncleaned = sum(
                session.succeeded == before for session, before in zip(self._sessions, done, strict=True)
            )

    def _everyone(
        self,
        steps: tuple[Step, ...],
        phase: Phase,
        budgets: Sequence[Budget],
        *,
        until: float,
        goes_on: Callable[[], bool],
    ) -> None:
        """Every device has done these steps, a few at a time and within the budgets, or it was not to go on so long."""
        waiting = deque(range(len(self._sessions)) if steps else ())
        while (waiting or self._fleet.busy) and self._clock.now() < until and goes_on():
            due = until
            if waiting and self._fleet.busy < AT_ONCE:
                now = self._clock.now()
                due = max((budget.free_at for budget in budgets), default=now)
                if due <= now:
                    for budget in budgets:
                        budget.book(now)
                    start = Start(steps, now, phase, self._work.scenario.main, iteration=False)
                    self._fleet.begin(waiting.popleft(), start, now)
                    continue
            self._turn(due)

    def _await_start(self) -> None:
        """The load's start, shared by the wave; none where the batch stops before it."""
        if self._must_stop():
            return
        self._courier.arrive()
        while (beginning := self._courier.beginning) is None and not self._must_stop():
            self._turn(math.inf)
        if beginning is None:
            return
        self._ledger.begin(beginning.origin)
        start = self._course.load_start = beginning.start
        if self._work.duration_s is not None:
            self._course.load_end = start + self._work.duration_s
            self._fleet.end_load(self._course.load_end)
        state = self._work.resume.roster if self._work.resume else None
        devices = [session.device for session in self._sessions]
        roster = self._roster = self._work.roster(devices, self._unready, state)
        if isinstance(roster, RateSearch):
            self._ledger.listeners.append(partial(roster.observe, origin=start))
            roster.gave_way = lambda: [s.due - start for s in self._fleet.yielding() if s.due is not None]
        self._fleet.is_free = lambda channel: roster.free(channel, self._sessions[channel].rest_s)
        if isinstance(roster, RateSearch | Arrivals):
            self._fleet.take_back = roster.take_back
        now = self._clock.now()
        self._herald.begin(roster, beginning.origin, now)
        for due in self._work.resume.yielding if self._work.resume else ():
            self._handed += 1
            self._drop(now if due is None else due + start, start, reason=DropReason.BEHIND)

    def _load(self) -> None:
        """Starts as they come due, until there are none left or something ends the load."""
        assert self._roster is not None
        while not self._must_stop():
            now = self._clock.now()
            self._course.phase = self._course.phase_of(now)
            due = self._roster.next_due()
            since_s = now - self._course.load_start
            # A start whose time has come is not put off by the last digit of a difference.
            self._call(self._roster.calls(max(since_s, due) if due + self._course.load_start <= now else since_s), now)
            due = self._roster.next_due() + self._course.load_start
            if now >= self._course.load_end or (due == math.inf and self._ends_by_itself and self._fleet.is_quiet(now)):
                break
            self._turn(min(due, self._course.load_end))
        now = self._clock.now()
        if self._stop is not None:
            self._herald.stop(now)
        self._stop = self._ended_by
        self._course.load_end = min(self._course.load_end, now)
        self._fleet.end_load(self._course.load_end)
        self._call(self._roster.close(), now)
        for channel, start in self._fleet.withdraw():
            self._drop(now if start.due is None else start.due, now, reason=DropReason.BUSY)
            self._roster.free(channel)

    @property
    def _ends_by_itself(self) -> bool:
        """Whether the load is over when its schedule is, rather than when its time is."""
        return self._work.duration_s is None or self._work.is_counted

    def _drain(self) -> None:
        """What is in flight finishes, or is settled when gracefulStop is over."""
        self._course.phase = Phase.DRAIN
        give_up = self._clock.now() + self._work.graceful_stop_s
        while self._fleet.busy and self._clock.now() < give_up and self._is_ours():
            self._turn(give_up)
        self._fleet.stop(self._clock.now())

    def _close(self) -> None:
        """No connection is left open. These disconnects belong to nobody's numbers."""
        linked = self._fleet.leave()
        give_up = self._clock.now() + CLOSE_WITHIN_S
        while linked and self._clock.now() < give_up:
            for channel, event in self._wire.wait(give_up):
                if isinstance(event, mqtt.Disconnected):
                    linked.discard(channel)

    def _must_stop(self) -> bool:
        """Whether the load is to end now, or has ended."""
        if self._is_ours() and self._stop is None:
            if self._courier.word.cancelled:
                self._stop = Stop.CANCELLED
            elif self._clock.now() >= self._work.stop_at:
                self._stop = Stop.LIMIT
        return self._stop is not None

    def _is_ours(self) -> bool:
        """Whether nobody else can hold the batch yet. Raises ClaimLost when one does, or what ended the courier."""
        if (end := self._courier.trouble.lost or self._courier.crash) is not None:
            raise end
        if self._clock.now() >= self._courier.word.must_stop_at:
            self._stop = Stop.STORE
        return self._stop is not Stop.STORE

    # -- one turn ------------------------------------------------------------------------------------------

    def _turn(self, until: float) -> None:
        """Wait until something happens, and deal with all of it."""
        stop_at = self._courier.word.must_stop_at
        limit = min(until, self._herald.next_at, stop_at, self._fleet.next_alarm)
        events = self._wire.wait(limit)
        woke = self._clock.now()
        self._monitor.woke(woke, limit)
        if woke >= self._courier.word.must_stop_at:
            return  # whoever was frozen this long sends nothing more: somebody else may drive these devices by now
        for channel, event in events:
            self._fleet.feed(channel, event)
        for channel, saved in self._courier.saved():
            self._fleet.feed(channel, saved)
        self._fleet.fire(woke)
        self._herald.tell(self._clock.now())

    def _call(self, calls: Iterable[Go | Drop], now: float) -> None:
        """Carry out the roster's calls."""
        for call in calls:
            self._handed += 1
            due = None if call.due is None else call.due + self._course.load_start
            if isinstance(call, Drop):
                self._drop(now if due is None else due, now, reason=call.reason)
            else:
                began = self._clock.now()
                if due is not None:
                    self._monitor.began(now - due)
                phase = self._course.phase_of(began if due is None else due)
                start = Start(self._work.scenario.steps, due, phase, self._work.scenario.main)
                self._fleet.begin(call.device, start, began)

    def _drop(self, due: float, now: float, *, reason: DropReason) -> None:
        """Count a start that is lost."""
        phase = self._course.phase_of(due)
        operations = dict.fromkeys((Operation.ITERATION, self._work.scenario.main))  # they may be one and the same
        series = [Series(operation, phase) for operation in operations]
        self._ledger.commit(dropped(series, due, now=now, reason=reason))
