"""One measured process: a load through the product's `run_batch`, and what it cost.

python -m bench.ride '<order>' prints the figures as one JSON line. Everything that ships takes part: EpollWire,
sessions, courier, ledger, monitor, progress once a second, checkpoints. Only the home is in memory, and it seals and
stores device state as the real one does. CPU is this process's user and system time, all threads.
"""

import base64
import gc
import itertools
import json
import math
import os
import ssl
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.loads import LOADS, MESSAGES, Load
from bench.orders import Figures, Order
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.adapters.clock import SystemClock
from engine.adapters.directory import DirectoryStore
from engine.adapters.memory import MemoryStore
from engine.adapters.net.wire import EpollWire
from engine.batch.courier import Courier
from engine.batch.done import Done
from engine.batch.home import Beginning, Home, Word
from engine.batch.progress import Progress
from engine.batch.rosters.roster import Roster
from engine.batch.runner import run_batch
from engine.batch.work import Seat, Work
from engine.device.attestations.symmetric import GroupKey
from engine.device.bundle import Bundle, WrappingKey
from engine.device.identity import Device
from engine.device.setup import Dps, Setup
from engine.measure.operation import Phase
from engine.measure.tally import conservation
from engine.ports import Clock, Store, Wire
from engine.protocol.x509 import WRAPPING_KEY_BYTES, key_to_der
from engine.run.home import DeviceState, Span

PREFIX = "dev"
INTERVAL_S = 10.0
GRACEFUL_S = 15.0
WARM_S = 1.5
"""What is measured by the second begins this long after it has begun."""

LOAD_PHASES = tuple(phase for phase in Phase if phase is not Phase.PREPARE)


class Unsound(Exception):
    """The numbers of a ride do not hold together, or something failed: it measured nothing."""


class MemoryHome:
    """See batch.home.Home: a batch of its own run, device state over a `MemoryStore`."""

    def __init__(self, clock: Clock, devices: int, store: Store) -> None:
        self._clock, self._span = clock, Span(0, devices)
        self._state = DeviceState(store, "data", PREFIX, WrappingKey(bytes(range(WRAPPING_KEY_BYTES))))
        self._saves = itertools.count()
        self.beginning: Beginning | None = None
        self.kept: dict[str, bytes] = {}

    @property
    def token(self) -> int:
        """See Home."""
        return 1

    def save(self, bundles: Sequence[Bundle]) -> None:
        """See Home."""
        self._state.add(self._span, f"{next(self._saves):08d}", bundles)

    def report(self, progress: bytes) -> None:
        """See Home."""
        self.kept["progress"] = progress

    def show(self, windows: bytes) -> None:
        """See Home."""
        self.kept["windows"] = windows

    def archive(self, number: int, piece: bytes) -> None:
        """See Home."""
        self.kept[f"piece-{number}"] = piece

    def checkpoint(self, body: bytes) -> None:
        """See Home."""
        self.kept["checkpoint"] = body

    def listen(self) -> Word:
        """See Home."""
        return Word(math.inf, False)

    def arrive(self) -> Beginning | None:
        """See Home."""
        if self.beginning is None:
            start = self._clock.now() + 0.1
            self.beginning = Beginning(start, start)
        return self.beginning


@dataclass(frozen=True, slots=True)
class Mark:
    """What had been used by then; progress is what the batch had counted, or the file that holds it."""

    at: float
    cpu_s: float
    server_cpu_s: float
    rss_kib: float
    descriptors: int
    progress: bytes | Path = b""

    def ok(self, load: Load) -> int:
        """How many of the main operation had ended well in the load."""
        if not self.progress:
            return 0
        body = self.progress.read_bytes() if isinstance(self.progress, Path) else self.progress
        return Progress.decode(body).tally.select(load.scenario.main, LOAD_PHASES).ok


class Meter:
    """Takes marks. folder, where there is one, keeps what they hold: in a long ride it would be counted as ours."""

    def __init__(self, clock: Clock, server_pid: int, folder: Path | None) -> None:
        self.marks: list[Mark] = []
        self._clock, self._pid, self._folder = clock, server_pid, folder

    def mark(self, body: bytes = b"") -> Mark:
        """Now."""
        progress: bytes | Path = body
        if body and self._folder is not None:
            progress = self._folder / f"mark-{len(self.marks)}"
            progress.write_bytes(body)
        found = Mark(self._clock.now(), time.process_time(), cpu_of(self._pid), rss_kib(), descriptors(), progress)
        self.marks.append(found)
        return found

    def between(self, begins: float, ends: float) -> tuple[Mark, Mark]:
        """The first and the last mark in that time. Raises Unsound where there are not two."""
        found = [mark for mark in self.marks if mark.progress and begins <= mark.at <= ends]
        if len(found) < 2:
            raise Unsound(f"{len(found)} progress reports within {ends - begins:.1f} s")
        return found[0], found[-1]


class MeteredCourier(Courier):
    """Marks what had been used whenever the loop reports how far it is."""

    def __init__(self, home: Home, clock: Clock, meter: Meter) -> None:
        super().__init__(home, clock, Word(math.inf, False))
        self._meter = meter

    def report(self, progress: bytes) -> None:
        """See Courier."""
        self._meter.mark(progress)
        super().report(progress)


def ride(order: Order, *, wire: Wire | None = None, identities: Sequence[Bundle] | None = None) -> Figures:
    """What the order's load costs this process; over a wire of the caller's, or the product's. Raises Unsound."""
    clock, load = SystemClock(), LOADS[order.load](order)
    identities = read_identities(order) if identities is None else identities
    gc.collect()
    with TemporaryDirectory() as folder:
        kept = Path(folder) if order.load == "soak" else None
        store = MemoryStore() if kept is None else DirectoryStore(kept / "store")
        meter, home = Meter(clock, order.server.pid, kept), MemoryHome(clock, order.devices, store)
        empty = meter.mark()
        work = make_work(order, load, identities=identities, clock=clock, meter=meter, home=home)
        wire = wire or EpollWire(clock, ca_file=order.server.ca_file, source_addresses=order.sources)
        done = run_batch(work, wire=wire, clock=clock, courier=MeteredCourier(home, clock, meter))
        _demand_sound(done, load)
        assert home.beginning is not None
        return _figures(order, load, done=done, meter=meter, empty=empty, start=home.beginning.start)


def make_work(
    order: Order, load: Load, *, identities: Sequence[Bundle], clock: Clock, meter: Meter, home: MemoryHome
) -> Work:
    """The batch, with bytes of its own for every device."""
    server = order.server
    dps = Dps(server.host, server.port, server.id_scope, GroupKey(base64.b64decode(server.group_key)))
    setup = Setup(
        dps=(dps,),
        hub_port=server.port,
        allows=lambda _: True,
        wall_at_zero=clock.wall() - clock.now(),
        seed=1,
        request_tag=f"{os.getpid():012x}",
        verify=load.verify,
        hold_s=0.0,
        messages=MESSAGES,
    )
    make = load.make_roster(order.devices)

    def roster(devices: Sequence[Device], unready: frozenset[int], state: Mapping[str, Any] | None) -> Roster:
        meter.mark()
        assert home.beginning is not None
        load.lateness.load_start = home.beginning.start
        return make(devices, unready, state)

    fresh = load.scenario.fresh or not identities
    return Work(
        scenario=load.scenario,
        setup=setup,
        seats=tuple(
            Seat(n, n, f"{PREFIX}{n}", None if fresh else _copied(identities[n % len(identities)], n))
            for n in range(order.devices)
        ),
        roster=roster,
        duration_s=load.duration_s,
        prepare_s=math.inf,
        ramp_s=0.0,
        graceful_stop_s=GRACEFUL_S,
        stop_at=math.inf,
        interval_s=INTERVAL_S,
        failure_samples=5,
    )


def read_identities(order: Order) -> list[Bundle]:
    """Bundles for the certificates that the server knows; none where it knows none."""
    if order.server.identities is None:
        return []
    found = []
    for line in Path(order.server.identities).read_text().splitlines()[: order.devices]:
        one = json.loads(line)
        pems = one["cert"].split("-----END CERTIFICATE-----")[:-1]
        chain = tuple(ssl.PEM_cert_to_DER_cert(f"{pem.strip()}\n-----END CERTIFICATE-----") for pem in pems)
        key = load_pem_private_key(one["key"].encode(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        found.append(Bundle(one["id"], order.server.host, key_to_der(key), chain))
    return found


def cpu_of(pid: int) -> float:
    """User and system seconds of a process, to the tick. Source: proc_pid_stat(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kib() -> float:
    """Resident memory of this process. Source: proc_pid_statm(5)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def descriptors() -> int:
    """How many files this process has open. Source: Linux 6.2, the size of /proc/self/fd."""
    return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """How much a figure grows a minute, and where it began: the least squares' line through (seconds, figure)."""
    found = statistics.linear_regression(*zip(*points, strict=True))
    return 60 * found.slope, found.intercept + found.slope * points[0][0]


def _copied(bundle: Bundle, n: int) -> Bundle:
    """A device has bytes of its own, as it has when its state was loaded."""
    chain = tuple(bytes(bytearray(der)) for der in bundle.chain)
    return Bundle(f"{PREFIX}{n}", bundle.hub, bytes(bytearray(bundle.key)), chain)


def _demand_sound(done: Done, load: Load) -> None:
    total = done.total
    main = total.select(load.scenario.main)
    wrong = [done.mismatch, done.store_detail, *conservation(total)]
    if main.failed or main.lost or main.cancelled or (done.unprovisioned and not load.scenario.fresh):
        wrong.append(f"{load.scenario.main}: {dict(main.outcomes)}, unprovisioned {done.unprovisioned}")
    if problems := [one for one in wrong if one]:
        raise Unsound("; ".join(problems))


def _figures(order: Order, load: Load, *, done: Done, meter: Meter, empty: Mark, start: float) -> Figures:
    total = done.total.select(load.scenario.main, LOAD_PHASES)
    begun = next(mark for mark in meter.marks if mark is not empty and not mark.progress)
    last = meter.marks[-1]
    count = total.ok
    if load.duration_s is not None and order.per_s:
        begun, last = meter.between(start + order.idle_s + WARM_S, start + load.duration_s)
        count = last.ok(load) - begun.ok(load)
    idle = rss = 0.0
    idle_wall = 0.0
    if order.idle_s:
        first, end = meter.between(start + min(WARM_S, order.idle_s / 4), start + order.idle_s)
        idle, idle_wall = end.cpu_s - first.cpu_s, end.at - first.at
        rss = (end.rss_kib - empty.rss_kib) / order.devices
    late = sorted(load.lateness.late_s)
    slopes = _slopes(order, meter, done, start) if order.load == "soak" else {}
    return Figures(
        count=count,
        cpu_s=last.cpu_s - begun.cpu_s,
        wall_s=last.at - begun.at,
        server_cpu_s=last.server_cpu_s - begun.server_cpu_s,
        dropped=total.dropped,
        lag_p99_ms=1000 * max((one.lag_p99_s for one in done.health if one.phase is Phase.STEADY), default=0.0),
        rss_kib=rss,
        idle_cpu_s=idle,
        idle_wall_s=idle_wall,
        late_ms=(1000 * statistics.median(late), 1000 * late[int(0.99 * len(late))]) if late else (0.0, 0.0),
        slopes=slopes,
    )


def _slopes(order: Order, meter: Meter, done: Done, start: float) -> dict[str, tuple[float, float]]:
    begins, ends = start + order.for_s / 4, start + order.for_s
    marks = [mark for mark in meter.marks if begins <= mark.at <= ends]
    lateness = [(one.window * INTERVAL_S, 1000 * one.lateness_p99_s) for one in done.health]
    return {
        "rssKib": slope([(mark.at, mark.rss_kib) for mark in marks]),
        "descriptors": slope([(mark.at, mark.descriptors) for mark in marks]),
        "latenessP99Ms": slope([(at, late) for at, late in lateness if begins <= at < ends - INTERVAL_S]),
    }


if __name__ == "__main__":
    asked = Order.decode(sys.argv[1])
    if asked.core is not None:
        os.sched_setaffinity(0, {asked.core})
    print(json.dumps(asdict(ride(asked))))
