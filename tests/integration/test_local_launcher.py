"""Workers on this machine, looked at and ended by a process that did not start them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.clock import VirtualClock
from engine.adapters import processes
from engine.adapters.memory import MemoryStore
from engine.adapters.processes import LocalLauncher
from engine.errors import LaunchError
from engine.ports import Launched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="start times of processes are read from /proc")

KEY = "runs/run-a/launches/one"
AT = VirtualClock().wall()
STAY = (sys.executable, "-c", "import signal; signal.pause()")
DEAD = 4_194_304
"""One more than the largest number of a process. Source: proc_sys_kernel(5), "pid_max"."""


@pytest.fixture
def store() -> MemoryStore:
    """Where launches are noted."""
    return MemoryStore()


@pytest.fixture
def launcher(store: MemoryStore, tmp_path: Path) -> Iterator[LocalLauncher]:
    """Starts workers that stay; none is left behind."""
    found = another(store, tmp_path)
    yield found
    for child in found._children:
        child.kill()
        child.wait()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is nobody's worker, in a session of its own."""
    with subprocess.Popen(STAY, start_new_session=True) as process:
        yield process
        process.kill()


def another(store: MemoryStore, folder: Path) -> LocalLauncher:
    """A launcher such as the next host process has."""
    return LocalLauncher(store, VirtualClock(), command=STAY, environ={"PATH": "/bin"}, folder=folder, logs=folder)


def pending(process: subprocess.Popen[bytes]) -> int:
    """The signals that a stopped process has yet to get, a bit each. Source: proc_pid_status(5), "ShdPnd"."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:"))


def launch(launcher: LocalLauncher, replicas: int = 2) -> list[subprocess.Popen[bytes]]:
    """The processes of a launch under KEY."""
    launcher.launch("run-a", key=KEY, replicas=replicas, processes=1, cpu=1)
    return list(launcher._children)


def amend(store: MemoryStore, **changes: Any) -> None:
    """The note under KEY says something else."""
    held = store.read(KEY)
    assert held is not None
    store.replace(KEY, json.dumps({**json.loads(held.body), **changes}).encode(), held.version)


def test_workers_of_an_earlier_process_are_seen_and_ended(
    store: MemoryStore, launcher: LocalLauncher, tmp_path: Path
) -> None:
    """The note has all that the next one needs."""
    children, later = launch(launcher), another(store, tmp_path)
    assert later.look(KEY) == Launched(AT, is_over=False)
    later.stop(KEY)
    assert [child.wait(30) for child in children] == [-signal.SIGTERM] * 2
    assert later.look(KEY) == Launched(AT, is_over=True)


def test_launch_is_over_when_the_last_worker_has_ended(store: MemoryStore, launcher: LocalLauncher) -> None:
    """Also while nobody has asked how they ended."""
    first, second = launch(launcher)
    first.kill()
    first.wait()
    assert launcher.look(KEY) == Launched(AT, is_over=False)
    second.kill()
    os.waitid(os.P_PID, second.pid, os.WEXITED | os.WNOWAIT)
    assert launcher.look(KEY) == Launched(AT, is_over=True)


def test_process_with_the_number_of_a_worker_is_left_alone(
    store: MemoryStore, launcher: LocalLauncher, stranger: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Numbers are used again; the start time tells."""
    (child,) = launch(launcher, 1)
    amend(store, replicas=[f"{stranger.pid}/1", processes._name_of(child.pid)])
    another(store, tmp_path).stop(KEY)
    assert child.wait(30) == -signal.SIGTERM
    assert stranger.poll() is None
    assert launcher.look(KEY) == Launched(AT, is_over=True)


def test_workers_are_told_once(store: MemoryStore, launcher: LocalLauncher, stranger: subprocess.Popen[bytes]) -> None:
    """The second signal would make them drop everything: whatever the note names by then gets none."""
    (child,) = launch(launcher, 1)
    launcher.stop(KEY)
    assert child.wait(30) == -signal.SIGTERM
    stranger.send_signal(signal.SIGSTOP)  # what it gets then is kept, for us to see
    os.waitid(os.P_PID, stranger.pid, os.WSTOPPED)
    amend(store, replicas=[processes._name_of(stranger.pid)])
    assert launcher.look(KEY) == Launched(AT, is_over=False)
    launcher.stop(KEY)
    assert pending(stranger) == 0
    amend(store, is_told=False)
    launcher.stop(KEY)
    assert pending(stranger) == 1 << (signal.SIGTERM - 1)


def test_launch_before_the_last_boot_is_over(store: MemoryStore, launcher: LocalLauncher) -> None:
    """Whatever runs under those numbers now."""
    launch(launcher)
    amend(store, boot="another")
    assert launcher.look(KEY) == Launched(AT, is_over=True)
    launcher.stop(KEY)
    assert [child.poll() for child in launcher._children] == [None, None]


def test_launch_of_another_machine_is_not_for_this_one_to_tell(store: MemoryStore, launcher: LocalLauncher) -> None:
    """Neither how it is, nor to end."""
    launch(launcher)
    amend(store, node="elsewhere")
    assert launcher.look(KEY) == Launched(AT, is_over=None)
    with pytest.raises(LaunchError, match="elsewhere"):
        launcher.stop(KEY)


def test_launch_whose_starter_died_before_it_noted_a_worker_is_over(
    store: MemoryStore, launcher: LocalLauncher
) -> None:
    """Workers end with their parent; as long as that lives, they are being started."""
    launch(launcher)
    amend(store, replicas=[])
    assert launcher.look(KEY) == Launched(AT, is_over=False)
    with pytest.raises(LaunchError, match="only being started"):
        launcher.stop(KEY)
    amend(store, starter=f"{DEAD}/1")
    assert launcher.look(KEY) == Launched(AT, is_over=True)


def test_note_of_a_run_that_was_removed_is_not_made_again(
    store: MemoryStore, launcher: LocalLauncher, tmp_path: Path
) -> None:
    """The workers find no run, and end."""

    class Removed(MemoryStore):
        """A store from which the note is gone as soon as it was made."""

        def create(self, key: str, body: bytes) -> str:
            """Made, and gone."""
            version = super().create(key, body)
            self.delete(key)
            return version

    gone = Removed()
    launcher._store = gone
    launch(launcher, 1)
    assert launcher.look(KEY) is None
