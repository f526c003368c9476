"""The other ends of a measurement: the C stub and the C client of the bench folder, and our own emulator.

Each runs on the core it is given, so that a figure is one side's alone. Built and kept in `.certfleet/bench`.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.orders import Server

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".certfleet/bench"
IDENTITIES = 1000
"""Certificates in the PKI; devices beyond it are given copies, which the stub does not mind."""

TLS = "12"
"""IoT Hub speaks TLS 1.2. Source: document "TLS support in IoT Hub"."""

ANSWER_DELAY_MS = 150
READY_WITHIN_S = 30.0
INSTALL = "apt-get install gcc libssl-dev"


class NoInstruments(Exception):
    """The C instruments cannot be had; the message says why, and what would help."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Where the built programs and their PKI are."""

    stub: Path
    client: Path
    pki: Path


def build(source: Path) -> Instruments:
    """The instruments, compiled where they are older than their source, with a fresh PKI. Raises NoInstruments."""
    if not (source / "stub.c").is_file():
        raise NoInstruments(f"{source} has no stub.c; BENCH_DIR names another folder")
    if shutil.which("gcc") is None:
        raise NoInstruments(f"gcc was not found: {INSTALL}")
    HOME.mkdir(parents=True, exist_ok=True)
    for name in ("stub", "cclient"):
        program, code = HOME / name, source / f"{name}.c"
        if program.exists() and program.stat().st_mtime > code.stat().st_mtime:
            continue
        command = ["gcc", "-O2", "-o", str(program), str(code), "-lssl", "-lcrypto", "-lpthread"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode:
            help_ = f": {INSTALL}" if "openssl/" in told.stderr else f": {told.stderr.strip()[:500]}"
            raise NoInstruments(f"{name}.c does not compile{help_}")
    pki = HOME / "pki"
    subprocess.run([sys.executable, str(source / "mkpki.py"), str(pki), str(IDENTITIES)], check=True)
    people = [json.loads(line) for line in (pki / "devices.jsonl").read_text().splitlines()]
    (pki / "devices.pem").write_text("".join(one["cert"] + one["key"] for one in people))  # as cclient.c reads them
    return Instruments(HOME / "stub", HOME / "cclient", pki)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside the block runs on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def run_stub(tools: Instruments, core: int) -> Iterator[Server]:
    """The stub inside the block; every answer comes, certificates after ANSWER_DELAY_MS, polls at once."""
    port, stats = _free_port(), _free_port()
    options = ["-p", port, "-s", stats, "-d", tools.pki, "-T", TLS, "-w", ANSWER_DELAY_MS, "-r", 0, "-H", "localhost"]
    with _running([str(tools.stub), *map(str, options)], core) as process:
        _await_port(stats, process)
        facts = {"host": "localhost", "ca_file": str(tools.pki / "root.pem"), "id_scope": "0ne00000000"}
        yield Server(port=port, pid=process.pid, group_key="AA==", identities=str(tools.pki / "devices.jsonl"), **facts)


@contextmanager
def run_emulator(core: int) -> Iterator[Server]:
    """Our own emulator inside the block, with its defaults."""
    data = HOME / "emulator"
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "engine", "emulate", "--port", "0", "--data", str(data)]
    with _running(command, core) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Server(
            host=ready["host"],
            port=ready["port"],
            ca_file=ready["caFile"],
            id_scope=ready["idScope"],
            group_key=ready["groupKey"],
            pid=process.pid,
        )


def c_churn(tools: Instruments, server: Server, core: int, *, connects: int, at_once: int) -> float:
    """Connects per cpu-second of the C client: connect, CONNACK, SUBACK, disconnect."""
    return _cclient(tools, core, ["churn", server.port, tools.pki, connects, at_once, TLS])["per_cpu_s"]


def c_renewals(
    tools: Instruments, server: Server, core: int, *, devices: int, renewals: int, at_once: int, real_csr: bool
) -> float:
    """Microseconds of CPU a renewal costs the C client, with a CSR built each time, or a canned one."""
    order = ["renew", server.port, tools.pki, devices, renewals, at_once, TLS, int(real_csr)]
    return 1e6 / _cclient(tools, core, order)["per_cpu_s"]


def _cclient(tools: Instruments, core: int, order: Sequence[object]) -> dict[str, float]:
    with on_core(core):
        command = [str(tools.client), *map(str, order)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, float] = json.loads(told.stdout)
    return found


@contextmanager
def _running(command: Sequence[str], core: int) -> Iterator["subprocess.Popen[str]"]:
    with on_core(core):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _await_port(port: int, process: "subprocess.Popen[str]") -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < give_up_at:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise NoInstruments("the stub does not listen")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
