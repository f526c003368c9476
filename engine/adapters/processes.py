"""`Launcher` on this machine: replicas are processes beside this one, and end with it.

Theory of operation. Whoever ends with their parent ends with the *thread* that started them (prctl(2),
PR_SET_PDEATHSIG), so all are started by one thread that lives as long as this process. A launch's note holds who
started it, where and since when, and as soon as they run its replicas by process number and start time: a number alone
may be another process's by the time somebody looks. So a later process of this machine can tell whether they live, and
end them, though it did not start them.

Who looks from another machine cannot tell; whatever was started before this one was last booted is over. Elsewhere
than on Linux start times are not known: there only the process that started the replicas can end them.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from engine.errors import AlreadyExists, LaunchError, VersionConflict
from engine.ports import Clock, Launched, Store

LOG: Final = "workers.log"
ENDED: Final = "ended"
_PROC: Final = Path("/proc")


class LocalLauncher:
    """Starts `command RUN_ID --processes N --parent PID` in folder; what it says is appended to a log in logs."""

    coming_s: Final = 30.0
    """A worker is there after a second or two, on a machine that has nothing better to do."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        command: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        logs: Path,
    ) -> None:
        self._store, self._clock, self._command = store, clock, tuple(command)
        self._environ, self._folder, self._logs = dict(environ), folder, logs
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="launcher")
        self._children: list[subprocess.Popen[bytes]] = []

    def launch(
        self,
        run_id: str,
        *,
        key: str,
        replicas: int,
        processes: int,
        cpu: float,  # noqa: ARG002 - containers have vCPUs of their own
    ) -> None:
        """See Launcher; this machine's vCPUs are shared by all, whatever cpu says."""
        note = _Note(self._clock.wall(), os.uname().nodename, boot=_boot(), starter=_name_of(os.getpid()))
        try:
            version = self._store.create(key, note.encode())
        except AlreadyExists:
            return
        command = [*self._command, run_id, "--processes", str(processes), "--parent", str(os.getpid())]
        started: list[str] = []
        try:
            for _ in range(replicas):
                started.append(self._starter.submit(self._start, command).result())  # noqa: PERF401 - some may start
        except OSError as error:
            if not started:  # the few that did start find the other batches free
                self._store.delete(key)
                raise LaunchError(run_id, f"no worker could be started: {error.strerror or error}") from error
        self._note(key, replace(note, replicas=tuple(started)), version)

    def look(self, key: str) -> Launched | None:
        """See Launcher."""
        held = self._store.read(key)
        if held is None:
            return None
        note = _Note.decode(held.body)
        return Launched(note.at, self._is_over(note))

    def stop(self, key: str) -> None:
        """See Launcher. Told once: a worker takes the second signal as an order to drop everything."""
        held = self._store.read(key)
        if held is None:
            return
        note = _Note.decode(held.body)
        is_over = self._is_over(note)
        if is_over or note.is_told:
            return
        if is_over is None:
            raise LaunchError(key, f"its processes on {note.node} cannot be told from others here")
        if not note.replicas:
            raise LaunchError(key, "its processes are only being started")
        for name in note.replicas:
            if self._lives(name):
                with suppress(ProcessLookupError):
                    os.killpg(_number(name), signal.SIGTERM)  # each leads a session and a group of its own
        self._note(key, replace(note, is_told=True), held.version)

    def _start(self, command: Sequence[str]) -> str:
        self._children = [child for child in self._children if child.poll() is None]
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / LOG).open("ab") as log:
            child = subprocess.Popen(
                command,
                env=self._environ,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(child)
        return _name_of(child.pid)

    def _note(self, key: str, note: "_Note", version: str) -> None:
        with suppress(VersionConflict):  # the run was removed meanwhile, its launches with it
            self._store.replace(key, note.encode(), version)

    def _is_over(self, note: "_Note") -> bool | None:
        """Whether all of its replicas have ended; as long as none is noted, whether who was to start them has."""
        if note.node != os.uname().nodename:
            return None
        if note.boot != _boot():
            return True
        found = [self._lives(name) for name in note.replicas or (note.starter,)]
        if any(found):
            return False
        return None if None in found else True

    def _lives(self, name: str) -> bool | None:
        """Whether the process has not ended; None where its number may be another's."""
        number, since = _number(name), name.partition("/")[2]
        if since:
            return since != ENDED and _name_of(number) == name
        if any(child.pid == number and child.poll() is None for child in self._children):
            return True
        try:
            os.kill(number, 0)
        except OSError:
            return False
        return None


@dataclass(frozen=True, slots=True)
class _Note:
    """What the store knows of a launch; processes are named by `_name_of`."""

    at: float
    node: str
    boot: str
    starter: str
    replicas: tuple[str, ...] = ()
    is_told: bool = False

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, body: bytes) -> "_Note":
        found = json.loads(body)
        return cls(**{**found, "replicas": tuple(found["replicas"])})


def _name_of(number: int) -> str:
    """The process's number and start time in clock ticks since boot, which no other process ever shares.

    ENDED in place of the time when it has; nothing elsewhere than on Linux. Source: proc_pid_stat(5), fields 3 and 22.
    """
    if sys.platform != "linux":
        return f"{number}/"
    try:
        fields = (_PROC / str(number) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return f"{number}/{ENDED}"
    return f"{number}/{ENDED if fields[0] in (b'Z', b'X') else int(fields[19])}"


def _number(name: str) -> int:
    return int(name.partition("/")[0])


def _boot() -> str:
    """This boot of the machine, "" elsewhere than on Linux. Source: random(4), "boot_id"."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
