"""Azurite, Microsoft's storage emulator, as a fixture: started once per session on free ports, kept in memory."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 10.0

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The well-known account every Azurite has; no secret. Source: Azurite README, "Default Storage Account"."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite."""

    blob_port: int

    @property
    def account_url(self) -> str:
        """The address of its blob service."""
        return f"http://127.0.0.1:{self.blob_port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What a client needs, with the ports that were free."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.account_url};"
        )


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A running Azurite; the tests that ask for it fail where it is not installed."""
    with run_azurite(azurite_script(os.environ)) as running:
        yield running


def azurite_script(environ: "os._Environ[str] | dict[str, str]") -> Path:
    """Where Azurite is: AZURITE_JS, else where `make install` puts it. Fails the test when it is not there."""
    root = Path(__file__).parents[2]
    script = Path(environ.get("AZURITE_JS") or root / ".certfleet/azurite/node_modules/azurite/dist/src/azurite.js")
    if not script.is_file():
        pytest.fail(f"Azurite is not installed, there is no {script}: run `make install`, or set AZURITE_JS")
    return script


@contextmanager
def run_azurite(script: Path) -> Iterator[Azurite]:
    """Azurite in a process group of its own, ready; stopped when the block ends."""
    blob, queue, table = _free_ports(3)
    options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
    for service, port in (("blob", blob), ("queue", queue), ("table", table)):
        options += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    process = subprocess.Popen(
        ["node", str(script), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for port in (blob, queue, table):
            _await_port(port, process)
        yield Azurite(blob)
    finally:
        _stop(process)


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on, all different because all are open at once."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            pytest.fail(f"Azurite ended with code {process.returncode} before it was ready")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"Azurite did not open port {port} within {READY_WITHIN_S:.0f} s")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the whole group: SIGTERM, and SIGKILL when that is not enough."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
