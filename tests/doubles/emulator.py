"""The emulator as a process of its own, on free ports, with a data directory that only it uses."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 10.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator; ready are the facts of its ready line."""

    ready: Mapping[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        """What a profile `local` has to know; no secret among it."""
        return {name: self.ready[name] for name in ("host", "port", "idScope", "caFile", "control")}

    def stats(self) -> dict[str, Any]:
        """What it counted."""
        with build_opener(ProxyHandler({})).open(f"{self.ready['control']}/stats", timeout=10) as answer:
            counted: dict[str, Any] = json.load(answer)
        return counted


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator that behaves, for all tests of the session."""
    with run_emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@contextmanager
def run_emulator(data: Path, *options: str) -> Iterator[Emulator]:
    """An emulator inside the block, with more command-line options."""
    command = [sys.executable, "-m", "engine", "emulate", "--port", "0", "--control-port", "0", "--data", str(data)]
    process = subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield Emulator(_await_ready(process))
    finally:
        _stop(process)


def _await_ready(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout is not None
    line, give_up_at = b"", time.monotonic() + READY_WITHIN_S
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, give_up_at - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 65_536) if readable else b""
        if not piece:
            pytest.fail(f"the emulator was not ready within {READY_WITHIN_S:.0f} s, it said {line!r}")
        line += piece
    ready: dict[str, Any] = json.loads(line)
    return ready


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
