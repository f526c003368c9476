"""Commands as people start them, and what is left of them afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "name": "small",
    "scenario": "cert-renewal",
    "devices": {"count": 6},
    "load": {"duration": "4s", "rampUp": "1s", "pacing": {"interval": "2s"}, "gracefulStop": "5s"},
    "connection": {"hold": "100ms"},
    "execution": {"batchSize": 2},
    "results": {"interval": "5s"},
    "thresholds": [{"metric": "cert.issued", "expr": "fail_rate<0.01"}],
}
VARIABLES = (
    *("PROVISIONING_HOST", "DEFAULT_TARGET", "TARGETS", "RUN_ID", "LOAD_TEST_RUN_ID", "STATE_KEY"),
    *("CERTFLEET_URL", "CERTFLEET_KEY", "CERTFLEET_TOKEN"),
    *("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"),
    *("MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS", "TEST", "ARGS", "SPEC", "SCENARIO", "FAULTS", "GROUP_KEY"),
)
"""What would reach a command under test from whoever started the tests, `make test` included."""


def clean_environ() -> dict[str, str]:
    """The environment without VARIABLES."""
    return {name: value for name, value in os.environ.items() if name not in VARIABLES}


class Command:
    """A command line under test, in a session of its own, with the folder that it works in."""

    def __init__(self, folder: Path, command: Sequence[str], cwd: Path = ROOT, **environ: str) -> None:
        self.folder = folder
        self.stderr = folder / "stderr.txt"
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=clean_environ() | environ,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )

    def end(self, within_s: float = 120) -> tuple[int, bytes]:
        """The exit code and all of stdout."""
        stdout, _ = self.process.communicate(timeout=within_s)
        return self.process.returncode, stdout

    def comes_to_say(self, text: str, within_s: float = 60) -> None:
        """Return once it has said that on stderr."""
        end = time.monotonic() + within_s
        while text not in self.stderr.read_text():
            assert self.process.poll() is None, self.stderr.read_text()
            assert time.monotonic() < end, self.stderr.read_text()
            time.sleep(0.05)

    def interrupt(self) -> None:
        """Ctrl-C in its terminal."""
        os.killpg(self.process.pid, signal.SIGINT)


class Commands:
    """Starts commands that keep their state and results in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Command] = []

    def run(self, spec: Any, *options: str, **environ: str) -> Command:
        """A run of a spec, with more variables than ours."""
        file = self.folder / "spec.json"
        file.write_text(json.dumps(spec))
        kept = ("--dir", str(self.folder / "state"), "--out", str(self.folder / "out"))
        command = [sys.executable, "-m", "engine", "run", "--spec", str(file), *kept, "--json", *options]
        return self.start(command, CLAIM_LEASE="5s", **environ)

    def start(self, command: Sequence[str], cwd: Path = ROOT, **environ: str) -> Command:
        """Any command, with more variables than ours."""
        self.started.append(Command(self.folder, command, cwd, **environ))
        return self.started[-1]

    def left(self, folder: Path | None = None) -> list[str]:
        """The command lines of all processes that work on the state in this folder: every service names it."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder or self.folder / "state") in line:
                found.append(line)
        return found

    def are_all_gone(self, within_s: float = 10) -> bool:
        """Whether nothing is left soon."""
        end = time.monotonic() + within_s
        while self.left() and time.monotonic() < end:
            time.sleep(0.05)
        return not self.left()


@contextmanager
def open_commands(folder: Path) -> Iterator[Commands]:
    """Commands that are ended with the block, whatever happened in it."""
    commands = Commands(folder)
    try:
        yield commands
    finally:
        for command in commands.started:
            if command.process.poll() is None:
                os.killpg(command.process.pid, signal.SIGKILL)
                command.process.communicate()


def children_of(parent: int) -> list[tuple[int, str]]:
    """Numbers and command lines of the processes that one has started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            owner = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if owner == parent:
            found.append((int(process.name), line))
    return found
