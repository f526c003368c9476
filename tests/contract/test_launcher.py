"""What every Launcher does, over every implementation of it; that workers find their batches is shown elsewhere."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from doubles.launcher import NotedLauncher
from engine.adapters.memory import MemoryStore
from engine.adapters.processes import LOG, LocalLauncher
from engine.errors import LaunchError
from engine.ports import Launcher, Store

SAY = (sys.executable, "-c", "import sys; print(sys.argv[1], sys.argv[3])")
"""A worker that says its run and its processes, and ends."""

type Started = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Place:
    """A launcher, what it started when all of that has ended (a run and its processes per replica), and one that can
    start nothing, over the same store."""

    launcher: Launcher
    started: Callable[[], Started]
    broken: Launcher
    store: Store


def local(folder: Path) -> Place:
    """Processes of this machine."""
    store, options = MemoryStore(), {"environ": {"PATH": "/bin"}, "folder": folder, "logs": folder / "logs"}
    launcher = LocalLauncher(store, SAY, **options)

    def started() -> Started:
        for child in launcher._children:
            assert child.wait(30) == 0
        log = folder / "logs" / LOG
        lines = log.read_text().splitlines() if log.exists() else []
        return sorted((run_id, int(processes)) for run_id, processes in map(str.split, lines))

    return Place(launcher, started, LocalLauncher(store, ("/no/such/program",), **options), store)


def noted() -> Place:
    """Those that are only noted."""
    store = MemoryStore()
    launcher, broken = NotedLauncher(store), NotedLauncher(store)
    broken.is_away = True

    def started() -> Started:
        return sorted((run_id, each) for run_id, replicas, each in launcher.launched for _ in range(replicas))

    return Place(launcher, started, broken, store)


@pytest.fixture(params=["local", "noted"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A launcher of each kind."""
    return local(tmp_path) if request.param == "local" else noted()


def test_launch_starts_each_replica_with_its_processes(place: Place) -> None:
    """As many as were asked for, on the run that was named."""
    place.launcher.launch("run-a", key="runs/run-a/launches/one", replicas=3, processes=2)
    place.launcher.launch("run-b", key="runs/run-b/launches/one", replicas=1, processes=4)
    assert place.started() == [("run-a", 2)] * 3 + [("run-b", 4)]


def test_launch_of_a_key_that_is_noted_starts_nothing(place: Place) -> None:
    """Whoever tries again, because the answer was lost, does not pay twice; another key is another launch."""
    for key in ("one", "one", "other"):
        place.launcher.launch("run-a", key=f"runs/run-a/launches/{key}", replicas=1, processes=1)
    assert place.started() == [("run-a", 1)] * 2


def test_launch_is_noted_in_the_store(place: Place) -> None:
    """Where every machine sees it."""
    assert place.store.read("runs/run-a/launches/one") is None
    place.launcher.launch("run-a", key="runs/run-a/launches/one", replicas=1, processes=1)
    assert place.store.read("runs/run-a/launches/one") is not None
    place.started()


def test_launch_that_failed_is_not_noted(place: Place) -> None:
    """The next to try may succeed."""
    with pytest.raises(LaunchError) as refused:
        place.broken.launch("run-a", key="runs/run-a/launches/one", replicas=2, processes=1)
    assert refused.value.batch == "run-a"
    assert place.started() == []
    place.launcher.launch("run-a", key="runs/run-a/launches/one", replicas=1, processes=1)
    assert place.started() == [("run-a", 1)]
