"""`Launcher` on this machine: replicas are processes beside this one, and end with it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from engine.errors import AlreadyExists, LaunchError
from engine.ports import Store

LOG: Final = "workers.log"


class LocalLauncher:
    """Starts `command RUN_ID --processes N --parent PID` in folder; what it says is appended to a log in logs.

    Whoever ends with their parent ends with the *thread* that started them (prctl(2), PR_SET_PDEATHSIG), so all are
    started by one thread that lives as long as this process.
    """

    def __init__(
        self, store: Store, command: Sequence[str], *, environ: Mapping[str, str], folder: Path, logs: Path
    ) -> None:
        self._store, self._command = store, tuple(command)
        self._environ, self._folder, self._logs = dict(environ), folder, logs
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="launcher")
        self._children: list[subprocess.Popen[bytes]] = []

    def launch(self, run_id: str, *, key: str, replicas: int, processes: int) -> None:
        """See Launcher."""
        try:
            self._store.create(key, b"%d x %d on %s" % (replicas, processes, os.uname().nodename.encode()))
        except AlreadyExists:
            return
        command = [*self._command, run_id, "--processes", str(processes), "--parent", str(os.getpid())]
        started = 0
        try:
            for _ in range(replicas):
                self._starter.submit(self._start, command).result()
                started += 1
        except OSError as error:
            if not started:  # the few that did start find the other batches free
                self._store.delete(key)
                raise LaunchError(run_id, f"no worker could be started: {error.strerror or error}") from error

    def _start(self, command: Sequence[str]) -> None:
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
