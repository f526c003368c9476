"""A local host as a process, and what tests say to it over HTTP."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
APP = ROOT / "tests/data/localhost_app"
HOOK = "/runtime/webhooks/durabletask"
ENDED = ("Completed", "Failed", "Terminated")


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The value in the body."""
        return json.loads(self.body)


def call(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """Any response, error or not; bytes are sent as they are, other bodies as JSON."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Reply(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, dict(error.headers), error.read())


def eventually[Value](look: Callable[[], Value | None], within_s: float = 15) -> Value:
    """The first value that is not None or False."""
    end = time.monotonic() + within_s
    while True:
        if value := look():
            return value
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def command(app: Path, *flags: str) -> list[str]:
    """How a host is started."""
    return [sys.executable, "-m", "engine.localhost", str(app), *flags]


class Host:
    """A host on a port of its own choice, with the starts of its activities."""

    def __init__(self, folder: Path, *flags: str, app: Path = APP, env: Mapping[str, str] | None = None) -> None:
        self.starts = folder / "starts.txt"
        self.starts.touch()
        settings = {"SCHEDULE": "0 0 3 1 1 *", "STARTS": str(self.starts)} | dict(env or {})
        self.errors = folder / "stderr.txt"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                command(app, "--port", "0", *flags),
                cwd=ROOT,
                env=os.environ | settings,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.ready = self._read_ready()
        self.url: str = self.ready["url"]

    def start(self, name: str, order: Any) -> dict[str, str]:
        """The management URLs of a new orchestration, started by a function of the app."""
        reply = call("POST", f"{self.url}/app/start/{name}", order)
        assert reply.status == 202, reply
        links: dict[str, str] = reply.json
        return links

    def state(self, instance_id: str, query: str = "") -> Reply:
        """The instance's status."""
        return call("GET", f"{self.url}{HOOK}/instances/{instance_id}?{query}")

    def end_of(self, instance_id: str) -> dict[str, Any]:
        """The instance's state once it has ended."""

        def look() -> dict[str, Any] | None:
            reply = self.state(instance_id)
            assert reply.status in (200, 202), reply
            state: dict[str, Any] = reply.json
            return state if state["runtimeStatus"] in ENDED else None

        return eventually(look)

    def run(self, name: str, order: Any) -> dict[str, Any]:
        """The state at the end of a new orchestration."""
        return self.end_of(self.start(name, order)["id"])

    def started(self, prefix: str = "") -> list[str]:
        """The starts noted so far that begin with prefix, oldest first."""
        return [line for line in self.starts.read_text().splitlines() if line.startswith(prefix)]

    def kill(self) -> None:
        """End it with no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def _read_ready(self) -> dict[str, Any]:
        assert self.process.stdout
        readable, _, _ = select.select([self.process.stdout], [], [], 20)
        line = self.process.stdout.readline() if readable else b""
        assert line, self.errors.read_text()
        ready: dict[str, Any] = json.loads(line)
        return ready


StartHost = Callable[..., Host]
"""Starts a host in the folder of the test that asks; takes flags, and `env` for more settings."""
