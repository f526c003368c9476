"""Tells the outside, every few seconds, how far a batch is: progress, the windows it is judged by, checkpoints, and
telemetry where somebody takes it."""

import math

from engine.batch import checkpoint
from engine.batch.checkpoint import Archived
from engine.batch.courier import Courier
from engine.batch.course import Course
from engine.batch.done import Stop
from engine.batch.fleet import Fleet
from engine.batch.ledger import Ledger
from engine.batch.lookout import Lookout
from engine.batch.monitor import Monitor
from engine.batch.progress import Progress
from engine.batch.rosters.roster import Roster
from engine.batch.teller import Teller
from engine.batch.windows import Windows
from engine.batch.work import Work
from engine.measure.evaluation import judged_phases
from engine.measure.operation import Operation
from engine.measure.signal import Delivery
from engine.ports import Wire

REPORT_S = 1.0
WINDOWS_S = 5.0
CHECKPOINT_S = 5.0


class Herald:
    """Once a turn `tell` does what is due by then; next_at is when it wants to be asked at the latest."""

    def __init__(
        self,
        work: Work,
        course: Course,
        *,
        courier: Courier,
        ledger: Ledger,
        fleet: Fleet,
        monitor: Monitor,
        wire: Wire,
        teller: Teller | None,
    ) -> None:
        self._course, self._courier, self._wire, self._teller = course, courier, wire, teller
        self._ledger, self._fleet, self._monitor = ledger, fleet, monitor
        resume = work.resume
        self._resumes = resume is not None
        self._before = resume.archived if resume else ()
        self._lookout = Lookout(work.watch, work.interval_s, resume.watched if resume else None) if work.watch else None
        self._roster: Roster | None = None
        self._origin = 0.0
        self._next_report = course.began
        self._next_windows = self._next_checkpoint = math.inf
        if teller is not None:
            ledger.listeners.append(teller.hear)
            teller.begin(course.began)

    @property
    def next_at(self) -> float:
        """When something is to be told."""
        telling = self._teller.next_at if self._teller else math.inf
        return min(self._next_report, self._next_windows, self._next_checkpoint, telling)

    @property
    def archived(self) -> tuple[Archived, ...]:
        """The pieces of the timeline that lie in the store, whoever put them there."""
        kept = self._courier.archived
        return (*self._before, Archived(self._courier.token, kept)) if kept else self._before

    def begin(self, roster: Roster, origin: float, now: float) -> None:
        """The load begins: from now on there are windows and checkpoints. origin is when the run's first one did."""
        self._roster, self._origin = roster, origin
        self._next_checkpoint = now
        if self._lookout is not None:
            self._lookout.begin(origin, now if self._resumes else origin)
            self._ledger.listeners.append(self._lookout.add)
            self._next_windows = now + WINDOWS_S

    def tell(self, now: float) -> None:
        """Whatever is due."""
        self._monitor.tick(now, self._course.phase)
        if now >= self._next_report:
            self._next_report = now + REPORT_S
            self.report(now)
        if now >= self._next_windows:
            self._next_windows = now + WINDOWS_S
            self._show(now)
        if now >= self._next_checkpoint:
            self._next_checkpoint = now + CHECKPOINT_S
            self._save(now)
        if self._teller is not None and now >= self._teller.next_at:
            self._tell(self._teller, now)

    def stop(self, now: float) -> None:
        """The load ends before its time: a last checkpoint says how it stood, for a later attempt to go on from."""
        self._save(now)
        self._next_checkpoint = math.inf

    def end(self, now: float) -> None:
        """The batch is over."""
        self.report(now)
        if self._next_windows < math.inf:
            self._next_windows = math.inf
            self._show(now, is_over=True)

    def farewell(self, now: float, stop: Stop, main: Operation) -> Delivery | None:
        """All that is left to tell is told; what became of it, None where nobody listens. Waits a while for that, and
        meanwhile the courier keeps the claim."""
        if self._teller is None:
            return None
        self._tell(self._teller, now)
        total = self._ledger.total
        counts = total.select(main, judged_phases(total.series, main))
        return self._teller.end(now, stop, counts, duration_s=now - self._course.began)

    def report(self, now: float) -> None:
        """How far the batch is."""
        course = self._course
        busy = list(self._fleet.at_work)
        waiting = [held for session in busy for held in session.open_operations]
        self._courier.report(
            Progress(
                at=now,
                phase=course.phase,
                load_start=None if course.load_start == math.inf else course.load_start,
                load_end=None if course.load_end == math.inf else course.load_end,
                devices=+self._fleet.doing,
                tally=self._ledger.view((session.log for session in busy), waiting, now),
                generator=self._monitor.latest,
                store_failures=self._courier.trouble.failures,
            ).encode()
        )

    def _show(self, now: float, *, is_over: bool = False) -> None:
        assert self._lookout is not None
        busy = list(self._fleet.at_work)
        waiting = [held for session in busy for held in session.open_operations]
        self._courier.show(
            Windows(
                told_at=now,
                at=now - self._origin,
                since=self._lookout.since,
                timeline=self._lookout.view((session.log for session in busy), waiting, now),
                durations_s=self._course.durations(now),
                is_over=is_over,
            ).encode()
        )

    def _tell(self, teller: Teller, now: float) -> None:
        teller.tell(
            now,
            in_flight=self._fleet.busy,
            devices=+self._fleet.doing,
            health=self._monitor.records,
            traffic=self._wire.traffic,
        )

    def _save(self, now: float) -> None:
        """Order does not matter here: a piece is in the checkpoint itself until the store is known to have it."""
        assert self._roster is not None
        load_start = self._course.load_start
        self._ledger.forget(self._courier.archived)
        starts = self._fleet.yielding()
        body = checkpoint.encode(
            self._ledger.encoded(),
            self._roster.state(),
            handed=self._ledger.iterations_due(),
            yielding=[None if start.due is None else start.due - load_start for start in starts],
            elapsed_s=now - load_start,
            archived=self.archived,
            past=self._ledger.past,
            watched=self._lookout.encoded() if self._lookout else b"",
        )
        for number, piece in self._ledger.leaving():
            self._courier.archive(number, piece)
        self._courier.checkpoint(body)
