"""Several workers that are one replica: a process per core, all ended by whatever ends the first.

Whoever is to end with its parent asks for that itself, so that a parent with threads need not run code between fork and
exec.
"""

import os
import signal
import subprocess
import sys

from engine.cli.processes import bound_to
from engine.cli.statedir import ROOT


def end_with(parent: int) -> None:
    """From now on the kernel kills this process when the one that started it ends; nothing elsewhere than on Linux.

    Raises SystemExit when it has ended already.
    """
    if not bound_to(parent, signal.SIGKILL)():
        raise SystemExit(1)


def carry_out(run_id: str, processes: int) -> int:
    """So many workers, until all have ended: the exit code, the worst of theirs; an interrupt ends them in order."""
    command = [sys.executable, "-m", "engine", "worker", run_id, "--parent", str(os.getpid())]
    crew: list[subprocess.Popen[bytes]] = []
    try:
        crew.extend(
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
            for _ in range(processes)
        )
        return max(abs(worker.wait()) for worker in crew)
    finally:
        for worker in crew:
            worker.terminate()
        for worker in crew:
            worker.wait()
