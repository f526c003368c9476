"""The captured ingestion in a thread of the test, and as a process of its own."""

import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from engine.emulator.capture import Capture, Keep
from engine.emulator.capture_server import CaptureServer

ROOT = Path(__file__).parents[2]
WITHIN_S = 30.0


@dataclass(slots=True)
class Endpoint:
    """A running capture, by its ready line, and the file that it keeps items in."""

    ready: Mapping[str, Any]
    file: Path
    closing: list[http.client.HTTPConnection] = field(default_factory=list)

    @property
    def connection_string(self) -> str:
        """What an exporter needs."""
        return str(self.ready["connectionString"])

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(str(self.ready["controlUrl"]).rpartition(":")[2].partition("/")[0])

    def connect(self) -> http.client.HTTPConnection:
        """A connection, which ends with the endpoint's block."""
        self.closing.append(http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S))
        return self.closing[-1]

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers and JSON body that a request of its own connection gets."""
        connection = self.connect()
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())

    def track(self, values: Sequence[object]) -> tuple[int, Mapping[str, str], Any]:
        """What items get."""
        return self.ask("POST", "/v2.1/track", json.dumps(values).encode())

    def script(self, *spells: Mapping[str, object]) -> None:
        """From now on it misbehaves like this, and no other way."""
        status, _, answer = self.ask("POST", "/control/script", json.dumps(spells).encode())
        assert status == 200, answer

    def stats(self) -> Any:
        """What it counted."""
        return self.ask("GET", "/control/stats")[2]

    def items(self) -> list[Any]:
        """What it has kept."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@contextmanager
def open_capture(file: Path) -> Iterator[Endpoint]:
    """A capture in a thread, on a port of its own."""
    keep = Keep(file)
    server = CaptureServer(Capture(keep, time.monotonic), 0)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    endpoint = Endpoint(server.ready, file)
    try:
        yield endpoint
    finally:
        for connection in endpoint.closing:
            connection.close()
        server.stop()
        thread.join()
        keep.close()


@contextmanager
def run_capture(file: Path, *options: str) -> Iterator[tuple["subprocess.Popen[bytes]", Endpoint]]:
    """A capture as a process, killed with the block if it has not ended."""
    command = [sys.executable, "-m", "engine", "capture", "--file", str(file), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], 2 * WITHIN_S)
        assert readable, "the capture was not ready"
        yield process, Endpoint(json.loads(os.read(process.stdout.fileno(), 65_536)), file)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
