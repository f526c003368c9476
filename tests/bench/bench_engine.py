"""What the engine costs, beside C programs that do the same: JSON lines on stdout, then a table.

python tests/bench/bench_engine.py [--quick] [--rounds N] [--only NAME ...]

The client is the product's: `run_batch` over `EpollWire`, with everything that ships taking part (see `ride`). It runs
in a fresh process on the last core, the other end on the first: the C stub of BENCH_DIR, or where that cannot be had
our own emulator, which costs more than the client and so bounds what rates are asked for, not the client's CPU.
Figures are medians of alternating rounds; a ratio is taken within a round, ours by theirs. "per cpu-s" is per second
of CPU of the client alone. Progress and what was left out go to stderr.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import instruments
from bench.instruments import ROOT, Instruments, NoInstruments
from bench.orders import Figures, Order, Server
from bench.sheet import Budget, Sheet, facts_of_this_machine

BUDGETS: Mapping[str, Budget] = {
    "connect churn": Budget(0.75, 0.60, is_ratio=True),
    "renewal, held": Budget(420, 550, more_is_better=False),
    "onboarding": Budget(250, 150),
    "open device, 5000": Budget(55, 70, more_is_better=False),
    "open device, 10000": Budget(55, 70, more_is_better=False),
    "open device, 20000": Budget(55, 70, more_is_better=False),
    "idle, per 1000 devices": Budget(0.25, 0.4, more_is_better=False),
    "lateness p99, 10000 devices": Budget(3, 10, more_is_better=False),
    "telemetry QoS 1, 250 B": Budget(6000, 4000),
    "histogram record": Budget(1000, 2000, more_is_better=False),
}
"""Source: device-engine.md section 8; the histogram's is bench_histogram's."""

SPARE_DESCRIPTORS = 200
SOURCES = tuple(f"127.0.0.{n}" for n in range(1, 5))
"""Loopback addresses to leave from: one serves 28,232 ports to one server."""

EMULATED = 1000
"""Devices without a stored certificate register first, 64 of them a second as our emulator answers."""

RIDE_WITHIN_S = 900.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; scales are device counts, the last of them also renews 500/s."""

    connects: int = 3000
    renewals_devices: int = 1000
    renewals_per_s: float = 1000.0
    renewals_s: float = 10.0
    onboardings: int = 600
    scales: tuple[int, ...] = (1000, 5000, 10_000, 20_000)
    idle_devices: int = 5000
    idle_s: float = 78.0
    hold_s: float = 5.0
    late_s: float = 10.0
    messages_per_s: float = 3000.0
    soak_devices: int = 2000
    soak_interval_s: float = 40.0
    soak_s: float = 600.0
    batches: int = 10_000


QUICK = Sizes(
    connects=500,
    renewals_s=4.0,
    onboardings=100,
    scales=(1000,),
    idle_devices=1000,
    idle_s=8.0,
    hold_s=3.0,
    late_s=4.0,
    soak_devices=100,
    soak_interval_s=10.0,
    soak_s=60.0,
    batches=150,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where measurements find what they need. tools None means that server is our own emulator."""

    sizes: Sizes
    sheet: Sheet
    tools: Instruments | None
    server: Server
    emulator: Server
    client_core: int

    def ride(self, load: str, devices: int, server: Server | None = None, **order: Any) -> Figures:
        """A load in a fresh process."""
        asked = Order(load, server or self.server, devices, core=self.client_core, **order)
        return Figures(**_ask("bench.ride", asked.encode()))


def connect_churn(bench: Bench) -> None:
    """Connect, CONNACK, SUBACK, disconnect."""
    n, ceiling = bench.sizes.connects, None
    if bench.tools:
        ceiling = instruments.c_churn(bench.tools, bench.server, bench.client_core, connects=n, at_once=64)
        figures = bench.ride("churn", n)
    else:
        figures = bench.ride("churn", n // 10, repeats=10)
    bench.sheet.note("connect churn", figures.count / figures.cpu_s, "per cpu-s", ceiling)
    if bench.tools:
        bench.sheet.note("stub: connect", 1e6 * figures.server_cpu_s / figures.count, "us CPU")


def held_renewals(bench: Bench) -> None:
    """Renewals on open connections, state saved; beside C with a CSR built each time, and with one made before."""
    sizes = bench.sizes
    ceilings: list[float | None] = [None, None]
    if bench.tools:
        for n, real_csr in enumerate((True, False)):
            ceilings[n] = instruments.c_renewals(
                bench.tools,
                bench.server,
                bench.client_core,
                devices=sizes.renewals_devices,
                renewals=round(sizes.renewals_per_s * sizes.renewals_s / 2),
                at_once=200,
                real_csr=real_csr,
            )
    rate = sizes.renewals_per_s if bench.tools else sizes.renewals_per_s / 5
    figures = bench.ride("renewals", sizes.renewals_devices, per_s=rate, for_s=sizes.renewals_s)
    each_us = 1e6 * figures.cpu_s / figures.count
    bench.sheet.note("renewal, held", each_us, "us CPU", ceilings[0])
    if bench.tools:
        bench.sheet.note("renewal, held; C with a canned CSR", each_us, "us CPU", ceilings[1])
        bench.sheet.note("stub: renewal", 1e6 * figures.server_cpu_s / figures.count, "us CPU")
    bench.sheet.note("renewal, held: reached", figures.count / figures.wall_s, f"of {rate:g}/s")
    bench.sheet.note("renewal, held: loop lag p99", figures.lag_p99_ms, "ms, worst 10 s")
    if figures.dropped:
        bench.sheet.note("renewal, held: dropped", figures.dropped, "starts")


def onboarding(bench: Bench) -> None:
    """Key, CSR, token, DPS, state saved, hub connect; the ceiling is the same round's C churn, two connects each."""
    n, ceiling = bench.sizes.onboardings, None
    if bench.tools:
        ceiling = instruments.c_churn(bench.tools, bench.server, bench.client_core, connects=2 * n, at_once=64) / 2
    figures = bench.ride("onboarding", n)
    bench.sheet.note("onboarding", figures.count / figures.cpu_s, "devices/cpu-s", ceiling)


def open_devices(bench: Bench) -> None:
    """Memory at several sizes, CPU of doing nothing, and how late starts are."""
    sizes, most = bench.sizes, _most_devices()
    fitting = [n for n in sizes.scales if n <= most]
    if left_out := sorted(set(sizes.scales) - set(fitting)):
        _tell(f"left out: {left_out} open devices; ulimit -n allows {most}")
    if bench.tools is None and fitting[-1] > EMULATED:
        fitting = [n for n in fitting if n <= EMULATED]
        _tell(f"left out: more than {EMULATED} open devices, as they would register for minutes")
    late_at = max(n for n in fitting if n <= 10_000)
    idle_at = min(sizes.idle_devices, max(fitting))
    for n in fitting:
        hold_s = sizes.idle_s if n == idle_at else sizes.hold_s
        order: dict[str, Any] = {"idle_s": hold_s, "sources": SOURCES}
        if n == late_at:
            order |= {"per_s": min(500.0, n / 2), "for_s": sizes.late_s}
        figures = bench.ride("held", n, **order)
        bench.sheet.note(f"open device, {n}", figures.rss_kib, "KiB")
        if n == idle_at:
            share = 100 * figures.idle_cpu_s / figures.idle_wall_s / (n / 1000)
            bench.sheet.note("idle, per 1000 devices", share, f"% of a core, {n}")
        if n == late_at:
            unit = f"ms, {order['per_s']:g}/s"
            bench.sheet.note(f"lateness p50, {n} devices", figures.late_ms[0], unit)
            bench.sheet.note(f"lateness p99, {n} devices", figures.late_ms[1], unit)
            bench.sheet.note(f"renewal, {n} devices", 1e6 * figures.cpu_s / figures.count, "us CPU")


def two_processes(bench: Bench) -> None:
    """As many devices as two processes hold, each with a stub of its own; a core for each pair."""
    if bench.tools is None:
        _tell("left out: two processes, which need a stub each")
        return
    each = min(20_000, _most_devices())
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        ends = [(core, stack.enter_context(instruments.run_stub(bench.tools, core))) for core in (cores[0], cores[-1])]
        orders = [Order("held", server, each, idle_s=20.0, core=core, sources=SOURCES) for core, server in ends]
        found = [Figures(**told) for told in pool.map(lambda order: _ask("bench.ride", order.encode()), orders)]
    bench.sheet.note("open devices in two processes", 2 * each, "devices")
    bench.sheet.note("open devices in two processes: memory", sum(one.rss_kib for one in found) / 2, "KiB a device")


def soak(bench: Bench) -> None:
    """Ten minutes of renewals, each certificate used in a new connection, and what has grown meanwhile."""
    sizes = bench.sizes
    per_s = sizes.soak_devices / sizes.soak_interval_s
    figures = bench.ride("soak", sizes.soak_devices, bench.emulator, per_s=per_s, for_s=sizes.soak_s)
    what = f"soak, {sizes.soak_devices} devices, {sizes.soak_s:g} s"
    bench.sheet.note(f"{what}: renewals", figures.count, "ok")
    for name, unit in (("rssKib", "KiB"), ("descriptors", "files"), ("latenessP99Ms", "ms p99")):
        grows, begins = figures.slopes[name]
        bench.sheet.note(f"{what}: {name} at first", begins, unit)
        bench.sheet.note(f"{what}: {name} grows", grows, f"{unit} a minute")


def telemetry(bench: Bench) -> None:
    """The publish step as it is."""
    rate = bench.sizes.messages_per_s if bench.tools else bench.sizes.messages_per_s / 5
    figures = bench.ride("telemetry", 500, per_s=rate, for_s=bench.sizes.renewals_s)
    bench.sheet.note("telemetry QoS 1, 250 B", figures.count / figures.cpu_s, "per cpu-s")


def pieces(bench: Bench) -> None:
    """What single pieces cost, without a socket."""
    found = _ask("bench.micro", str(bench.client_core))
    bench.sheet.note("histogram record", found["histogram_ns"], "ns")
    bench.sheet.note("session step", found["step_us"], "us CPU an event")
    bench.sheet.note("renewal without its wire", found["renewal_us"], "us CPU")
    bench.sheet.note("connect and leave without their wire", found["connect_us"], "us CPU")


def emulator_capacity(bench: Bench) -> None:
    """What our own emulator spends, so that nobody takes its limit for the service's."""
    figures = bench.ride("churn", 200, bench.emulator, repeats=max(1, bench.sizes.connects // 600))
    bench.sheet.note("emulator: connect", 1e6 * figures.server_cpu_s / figures.count, "us CPU")
    bench.sheet.note("emulator: connects", figures.count / figures.server_cpu_s, "per cpu-s")
    figures = bench.ride("renewals", 200, bench.emulator, per_s=200.0, for_s=bench.sizes.renewals_s)
    bench.sheet.note("emulator: renewal", 1e6 * figures.server_cpu_s / figures.count, "us CPU")


def orchestration(bench: Bench) -> None:
    """What the product's orchestrators and the local host take for a run of empty batches, and what histories hold."""
    from integration.localhost.many import run_empty_batches  # of the tests, and wanted by this one alone

    count = bench.sizes.batches
    with tempfile.TemporaryDirectory() as folder, instruments.on_core(bench.client_core):
        found = run_empty_batches(Path(folder), batches=count, at_once=min(1_000, count))
    bench.sheet.note(f"orchestrator, {count} empty batches", found.wall_s, "s wall")
    bench.sheet.note("orchestrator, all histories", found.events, "events")
    bench.sheet.note("orchestrator, largest history", max(found.largest), "events")


MEASUREMENTS: Mapping[str, Callable[[Bench], None]] = {
    "churn": connect_churn,
    "renewals": held_renewals,
    "onboarding": onboarding,
    "open": open_devices,
    "two-processes": two_processes,
    "telemetry": telemetry,
    "pieces": pieces,
    "emulator": emulator_capacity,
    "orchestrator": orchestration,
    "soak": soak,
}
ASKED_FOR = frozenset({"soak"})
"""Measurements that only run when they are named: they take long, and are no ratio."""


def main(argv: Sequence[str]) -> int:
    """0 when everything could be measured, however it came out; budgets are told, not enforced."""
    parser = argparse.ArgumentParser(prog="bench_engine", description="What the engine costs.")
    parser.add_argument("--quick", action="store_true", help="a smoke size: does it work, roughly how fast is it")
    parser.add_argument("--rounds", type=int, help="alternating rounds (3, or 1 with --quick)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=MEASUREMENTS,
        default=[name for name in MEASUREMENTS if name not in ASKED_FOR],
        metavar="NAME",
    )
    arguments = parser.parse_args(argv)
    facts, sheet, broken = facts_of_this_machine(), Sheet(BUDGETS), 0
    with _ends() as (tools, server, emulator, client_core):
        sizes = QUICK if arguments.quick else Sizes()
        bench = Bench(sizes, sheet, tools=tools, server=server, emulator=emulator, client_core=client_core)
        for number in range(arguments.rounds or (1 if arguments.quick else 3)):
            for name in arguments.only:
                _tell(f"round {number + 1}: {name}")
                try:
                    MEASUREMENTS[name](bench)
                except (AssertionError, OSError, subprocess.SubprocessError) as error:
                    broken += 1
                    _tell(f"{name} was not measured: {error}")
    for line in sheet.lines({**facts, "server": "stub" if tools else "emulator"}):
        print(json.dumps(line), flush=True)
    print("\n".join(["", *sheet.table()]))
    return 1 if broken else 0


@contextmanager
def _ends() -> Iterator[tuple[Instruments | None, Server, Server, int]]:
    """The instruments where they can be had, the server to measure against, our emulator, and the client's core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        _tell("there is one core only: both ends share it, and lateness means nothing")
    _raise_descriptors()
    source = Path(os.environ.get("BENCH_DIR") or ROOT.parent / "shared/bench")
    tools = None
    try:
        tools = instruments.build(source)
    except NoInstruments as error:
        _tell(f"no C instruments, so no ceilings; our own emulator is the other end: {error}")
    with ExitStack() as stack:
        emulator = stack.enter_context(instruments.run_emulator(cores[0]))
        server = stack.enter_context(instruments.run_stub(tools, cores[0])) if tools else emulator
        yield tools, server, emulator, cores[-1]


def _ask(module: str, argument: str) -> Any:
    """The JSON that a module prints in a process of its own. Raises CalledProcessError with its last words."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-m", module, argument]
    told = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=RIDE_WITHIN_S
    )
    if told.returncode:
        raise Broken(module, told.stderr.strip().rpartition("\n")[2])
    return json.loads(told.stdout)


class Broken(subprocess.SubprocessError):
    """A measured process that ended without figures."""

    def __init__(self, module: str, words: str) -> None:
        super().__init__(f"{module}: {words}")


def _most_devices() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS


def _raise_descriptors() -> None:
    """As many descriptors as this process may have, for its children too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tell(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
