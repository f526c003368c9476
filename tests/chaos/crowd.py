"""The worker processes of a run, seen from outside: which there are, and what they hold open (Linux)."""

import os
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_ESTABLISHED = "01"
"""Source: Linux, include/net/tcp_states.h, TCP_ESTABLISHED."""


def workers_of(run_id: str) -> list[int]:
    """The numbers of the processes that work for the run, zombies left out."""
    return sorted(int(entry.name) for entry in PROC.glob("[0-9]*") if _works_for(entry, run_id))


def is_worker(pid: int, run_id: str) -> bool:
    """Whether the process is still one of them: its number may be another's by now."""
    return _works_for(PROC / str(pid), run_id)


def send(pid: int, run_id: str, number: signal.Signals) -> bool:
    """Whether the signal reached a worker of the run."""
    if not is_worker(pid, run_id):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def connections_to(pid: int, port: int) -> int:
    """How many connections to a port of this machine the process has open."""
    inodes = set()
    with suppress(OSError):
        for entry in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                inodes.add(os.readlink(entry))
    rows = [line.split() for name in ("tcp", "tcp6") for line in (PROC / "net" / name).read_text().splitlines()[1:]]
    return sum(
        row[3] == _ESTABLISHED and int(row[2].rpartition(":")[2], 16) == port and f"socket:[{row[9]}]" in inodes
        for row in rows
    )


def _works_for(entry: Path, run_id: str) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"worker" in words and run_id.encode() in words
