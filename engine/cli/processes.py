"""Processes that the command line starts, and that never outlive it.

Each gets a session of its own, so that Ctrl-C in the terminal reaches only the command line, and a signal from the
kernel for when the command line dies without having stopped it (Linux; elsewhere only a regular end stops them).
Source: prctl(2), PR_SET_PDEATHSIG: sent when the thread that started the process ends, so start from the main thread.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from engine.cli.errors import ChildDied, CommandFailed
from engine.cli.interrupts import NUMBERS, undisturbed

READY_WITHIN_S: Final = 60.0
KILLED_WITHIN_S: Final = 2.0
LOOK_EVERY_S: Final = 0.02
TAIL_LINES: Final = 15
_TAIL_BYTES: Final = 16 * 1024
_LINE_BYTES: Final = 64 * 1024
_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A running process; stderr goes to the log, stdout is kept apart because ready lines may hold keys."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stdout: IO[bytes] = field(repr=False)
    grace_s: float
    dies_by: signal.Signals = signal.SIGKILL

    def check(self) -> None:
        """Raise ChildDied when it has ended."""
        code = self.process.poll()
        if code is None:
            return
        told = "".join(f"\n  {line}" for line in tail(self.log))
        raise ChildDied(f"{self.name} ended by itself {_ended(code)}; the end of {self.log}:{told or ' empty'}")

    def ready(self, within_s: float = READY_WITHIN_S) -> dict[str, Any]:
        """The JSON object that is its first line. Raises ChildDied, CommandFailed."""
        line = self._wait(self._first_line, within_s=within_s)
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("ready") is not True:
            raise CommandFailed(f"{self.name} began with something other than its ready line, see {self.log}")
        return found

    def serves(self, port: int, within_s: float = READY_WITHIN_S) -> None:
        """Return when it accepts connections on a port of loopback. Raises ChildDied, CommandFailed."""
        self._wait(lambda: _accepts(port), within_s=within_s)

    def stop(self) -> None:
        """Ask it to end, and end it when it takes longer than grace_s; nothing of it is left."""
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self.grace_s)
        self.kill()

    def kill(self) -> None:
        """End it and all that it started, now; what dies by SIGTERM gets a moment to write down what it has."""
        if self.stdout.closed:  # done before, and its number may be another's by now
            return
        if self.dies_by is signal.SIGTERM and self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(KILLED_WITHIN_S)
        self._signal(signal.SIGKILL)
        self.process.wait()
        self.stdout.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the whole group is gone; macOS says so by EPERM
            os.killpg(self.process.pid, number)

    def _wait[Found](self, look: Callable[[], Found], *, within_s: float) -> Found:
        give_up = time.monotonic() + within_s
        while not (found := look()):
            self.check()
            if time.monotonic() > give_up:
                raise CommandFailed(f"{self.name} was not ready after {within_s:g} s, see {self.log}")
            time.sleep(LOOK_EVERY_S)
        return found

    def _first_line(self) -> bytes:
        line, end, _ = os.pread(self.stdout.fileno(), _LINE_BYTES, 0).partition(b"\n")  # its offset is the child's
        return line if end else b""


def start(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    grace_s: float = 10.0,
    dies_by: signal.Signals = signal.SIGKILL,
) -> Child:
    """A new process; dies_by is what the kernel sends it when we die. Raises CommandFailed."""
    stdout = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
    try:
        with log.open("wb") as stderr, undisturbed():
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_bound_to_us(dies_by),
            )
    except OSError as error:
        stdout.close()
        raise CommandFailed(f"{name} cannot be started: {command[0]}: {error.strerror or error}") from error
    return Child(name, process, log, stdout, grace_s, dies_by)


def stop_all(children: Sequence[Child]) -> None:
    """Stop them, the last one first; an interrupt on the way kills those that are left."""
    try:
        for child in reversed(children):
            child.stop()
    except BaseException:
        kill_all(children)
        raise


def kill_all(children: Sequence[Child]) -> None:
    """Kill them now."""
    with undisturbed():
        for child in reversed(children):
            child.kill()


def tail(log: Path) -> list[str]:
    """The last lines of a log, printable."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return ["".join(char if char.isprintable() else " " for char in line) for line in lines[-TAIL_LINES:]]


def is_free(port: int) -> bool:
    """Whether a server can listen on the port of loopback."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on just now; different ones, because all are open at once."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def bound_to(parent: int, number: signal.Signals) -> Callable[[], bool]:
    """To be called in a process that is to get the signal when its parent ends; false when that has ended already.

    Made beforehand, so that a process which was only forked need not load anything. Nothing elsewhere than on Linux.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None

    def bind() -> bool:
        if library is None:
            return True
        library.prctl(_SET_PDEATHSIG, number.value)
        return os.getppid() == parent

    return bind


def _bound_to_us(number: signal.Signals) -> Callable[[], None]:
    """What a new process does before it becomes the program: take signals again, and die when we do."""
    bind = bound_to(os.getpid(), number)

    def begin() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
        if not bind():
            os._exit(1)

    return begin


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _ended(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
