"""Whole batches in virtual time: a fake home, a courier without a thread, the emulator in memory."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doubles.drive import World, make_setup
from doubles.inline_courier import InlineCourier
from doubles.loopback import Loopback
from engine.batch.checkpoint import Checkpoint
from engine.batch.done import Done
from engine.batch.home import Beginning, Word
from engine.batch.progress import Progress
from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.max_rate import MaxRate
from engine.batch.rosters.once import Once
from engine.batch.rosters.pacing import Pacing
from engine.batch.rosters.roster import Roster, Shape
from engine.batch.rosters.search import RateSearch, Search
from engine.batch.runner import run_batch
from engine.batch.teller import Teller
from engine.batch.windows import Windows
from engine.batch.work import MakeRoster, Seat, Work
from engine.device.bundle import Bundle
from engine.device.catalog import SCENARIOS
from engine.device.identity import Device
from engine.device.setup import Setup
from engine.emulator.service import Options
from engine.measure.operation import Operation, Phase
from engine.measure.tally import Tally, conservation
from engine.measure.threshold import parse_threshold
from engine.plan.pacer import Grid, Spread, Stages, Steady
from engine.plan.spec.scenario import CASES

SEARCH = Search(
    start=60.0, step=1.5, hold_s=20.0, unit_s=60.0, stop_when=parse_threshold("cert.issued:throttled", "share>0.05")
)


@dataclass
class FakeHome:
    """See batch.home.Home. trouble is raised by whatever is called; starts_after_s is asked for at the first arrive."""

    clock: Any
    origin: float | None = None
    starts_after_s: float = 0.5
    word: Word = field(default_factory=lambda: Word(math.inf, False))
    trouble: Exception | None = None
    begins: bool = True
    token: int = 1
    saves: list[list[Bundle]] = field(default_factory=list)
    reports: list[Progress] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    windows: list[Windows] = field(default_factory=list)
    pieces: dict[tuple[int, int], bytes] = field(default_factory=dict)
    beginning: Beginning | None = None

    def save(self, bundles: Sequence[Bundle]) -> None:
        self._fail()
        self.saves.append(list(bundles))

    def report(self, progress: bytes) -> None:
        self._fail()
        self.reports.append(Progress.decode(progress))

    def show(self, windows: bytes) -> None:
        self._fail()
        self.windows.append(Windows.decode(windows))

    def archive(self, number: int, piece: bytes) -> None:
        self._fail()
        assert self.pieces.setdefault((self.token, number), piece) == piece

    def checkpoint(self, body: bytes) -> None:
        self._fail()
        self.checkpoints.append(body)

    def listen(self) -> Word:
        self._fail()
        return self.word

    def arrive(self) -> Beginning | None:
        self._fail()
        if self.begins and self.beginning is None:
            start = self.clock.now() + self.starts_after_s
            self.beginning = Beginning(start if self.origin is None else self.origin, start)
        return self.beginning

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble


@dataclass
class Stage:
    """One batch, ready to run; change work's fields before `run`."""

    world: World
    home: FakeHome
    work: Work
    teller: Teller | None = None

    @property
    def wire(self) -> Loopback:
        return self.world.wire

    def at(self, after_s: float, act: Callable[[], None]) -> None:
        """Something happens to the batch that long from now."""
        self.wire.after(after_s, act)

    def cancel(self) -> None:
        """Somebody asks the run to end."""
        self.home.word = Word(self.home.word.must_stop_at, True)

    def run(self) -> Done:
        """Drive the batch to its end."""
        courier = InlineCourier(self.home, self.wire, self.home.word)
        return run_batch(self.work, wire=self.wire, clock=self.world.clock, courier=courier, teller=self.teller)


def make_roster(
    executor: str,
    size: int,
    *,
    duration_s: float,
    ramp_s: float,
    max_in_flight: int = 10**6,
    points: float = math.inf,
    search: Search | None = None,
) -> MakeRoster:
    """What run.work makes of a spec, without the spec."""

    def make(_devices: Sequence[Device], unprovisioned: frozenset[int], state: Mapping[str, Any] | None) -> Roster:
        shape = Shape(size, frozenset(unprovisioned), max_in_flight, state, rests=executor == "search")
        match executor:
            case "once":
                return Once(Spread(size, ramp_s).due, shape)
            case "pacing":
                return Pacing(Grid(size, 20.0, 0.1, ramp_s, duration_s, 1).due, shape)
            case "max-rate":
                return MaxRate(Spread(size, ramp_s).due, shape, points=points, until_s=duration_s)
            case "search":
                return RateSearch(search or SEARCH, shape)
            case "stages":
                rising = ((duration_s / 2, size / 5), (duration_s / 2, 0.0))
                return Arrivals(Stages(0.0, rising).due, shape)
            case _:
                return Arrivals(Steady(size / 10, duration_s).due, shape)

    return make


def make_stage(
    scenario: str = "cert-renewal",
    executor: str = "pacing",
    *,
    size: int = 5,
    options: Options | None = None,
    stored: bool = True,
    duration_s: float = 60.0,
    ramp_s: float = 10.0,
    max_in_flight: int = 10**6,
    setup: Setup | None = None,
    world: World | None = None,
    resume: Checkpoint | None = None,
    search: Search | None = None,
    **work: Any,
) -> Stage:
    """A batch over the emulator in memory; devices of cert-renewal hold a certificate already, unless told not to."""
    world = world or World(options)
    kind = SCENARIOS[scenario]
    seats = tuple(
        Seat(n, n, f"d-{n}", world.stored(f"d-{n}") if stored and not kind.fresh else None) for n in range(size)
    )
    timed = executor not in ("once", "search")
    roster = make_roster(
        executor, size, duration_s=duration_s, ramp_s=ramp_s, max_in_flight=max_in_flight, search=search
    )
    fields = {
        "graceful_stop_s": 30.0,
        "stop_at": math.inf,
        "prepare_s": math.inf,
        "interval_s": 10.0,
        "failure_samples": 3,
        "ramp_s": ramp_s if executor in ("pacing", "max-rate") else 0.0,
    }
    made = Work(
        scenario=kind,
        setup=setup or make_setup(cases=CASES),
        seats=seats,
        roster=roster,
        duration_s=duration_s if timed else None,
        resume=resume,
        **{**fields, **work},
    )
    return Stage(world, FakeHome(world.clock), made)


def counted(done: Done, operation: Operation, phases: Collection[Phase] | None = None) -> Mapping[str, int]:
    """How often each outcome came, by name."""
    counts = done.total.select(operation, phases)
    return {outcome.value: n for outcome, n in counts.outcomes.items() if n}


def total(done: Done) -> Tally:
    """Everything that was counted."""
    return done.total


def assert_sound(done):
    """The sums agree, operation by operation, and the schedule agrees with what was counted."""
    assert conservation(total(done)) == []
    assert done.mismatch == ""
