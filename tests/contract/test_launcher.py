"""What every Launcher does, over every implementation of it; that workers find their batches is shown elsewhere."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from doubles.clock import VirtualClock
from doubles.container_apps import JOB_ID, Bearer, ContainerApps, NoCredential, Trick, run_container_apps
from doubles.launcher import NotedLauncher
from engine.adapters.jobs.launcher import ContainerAppsLauncher
from engine.adapters.memory import MemoryStore
from engine.adapters.processes import LOG, LocalLauncher
from engine.errors import LaunchError
from engine.ports import Launched, Launcher, Store

SAY = (sys.executable, "-c", "import sys; print(sys.argv[1], sys.argv[3])")
"""A worker that says its run and its processes, and ends."""

STAY = (sys.executable, "-c", "import signal; signal.pause()")
"""One that stays until it is told to end."""

AT = VirtualClock().wall()

type Started = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Place:
    """A launcher whose workers end by themselves, what it started when all of that has ended (a run and its processes
    per replica); one whose workers stay until they are told, and what waits until they have ended; and one that can
    start nothing. All over the same store, at the time AT."""

    launcher: Launcher
    started: Callable[[], Started]
    lasting: Launcher
    ended: Callable[[], None]
    broken: Launcher
    store: Store


@contextmanager
def local(folder: Path) -> Iterator[Place]:
    """Processes of this machine."""
    store, clock = MemoryStore(), VirtualClock()

    def starting(command: tuple[str, ...]) -> LocalLauncher:
        environ = {"PATH": "/bin"}
        return LocalLauncher(store, clock, command=command, environ=environ, folder=folder, logs=folder / "logs")

    launcher, lasting = starting(SAY), starting(STAY)

    def started() -> Started:
        for child in launcher._children:
            assert child.wait(30) == 0
        log = folder / "logs" / LOG
        lines = log.read_text().splitlines() if log.exists() else []
        return sorted((run_id, int(processes)) for run_id, processes in map(str.split, lines))

    def ended() -> None:
        for child in lasting._children:
            assert child.wait(30) == -signal.SIGTERM

    try:
        yield Place(launcher, started, lasting, ended, starting(("/no/such/program",)), store)
    finally:
        for child in lasting._children:
            child.kill()
            child.wait()


@contextmanager
def noted(_: Path) -> Iterator[Place]:
    """Those that are only noted."""
    store = MemoryStore()
    launcher, broken = NotedLauncher(store), NotedLauncher(store)
    broken.is_away = True

    def started() -> Started:
        launcher.over.update(store.keys("runs/"))
        return sorted((run_id, each) for run_id, replicas, each in launcher.launched for _ in range(replicas))

    yield Place(launcher, started, launcher, lambda: None, broken, store)


@contextmanager
def container_apps(_: Path) -> Iterator[Place]:
    """Executions of a job: each of its replicas counts that was asked for, and is as large as the job is deployed."""
    store, clock = MemoryStore(), VirtualClock()
    with run_container_apps() as apps, run_container_apps() as gone:
        gone.trick("read", *[Trick(404, "ResourceNotFound")] * 9)

        def over(service: ContainerApps) -> ContainerAppsLauncher:
            options = {"base_url": service.url, "authentication_policy": Bearer()}
            return ContainerAppsLauncher(store, clock, job=JOB_ID, credential=NoCredential(), **options)

        def started() -> Started:
            found: Started = []
            for execution in apps.executions.values():
                execution.status = "Succeeded"
                worker = next(each for each in execution.template["containers"] if each["name"] == "worker")
                _, run_id, _, processes = worker["args"]
                found.append((run_id, int(processes)))
            return sorted(found)

        yield Place(over(apps), started, over(apps), lambda: None, over(gone), store)


PLACES = {"local": local, "noted": noted, "container-apps": container_apps}


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A launcher of each kind."""
    with PLACES[request.param](tmp_path) as found:
        yield found


def key_of(name: str, run_id: str = "run-a") -> str:
    """Where a launch is noted."""
    return f"runs/{run_id}/launches/{name}"


def test_launch_starts_each_replica_with_its_processes(place: Place, request: pytest.FixtureRequest) -> None:
    """As many as were asked for, on the run that was named; where replicas are deployed, one execution has them all."""
    place.launcher.launch("run-a", key=key_of("one"), replicas=3, processes=2, cpu=2)
    place.launcher.launch("run-b", key=key_of("one", "run-b"), replicas=1, processes=4, cpu=4)
    each = 1 if "container-apps" in request.node.name else 3
    assert place.started() == [("run-a", 2)] * each + [("run-b", 4)]


def test_launch_of_a_key_that_is_noted_starts_nothing(place: Place) -> None:
    """Whoever tries again, because the answer was lost, does not pay twice; another key is another launch."""
    for name in ("one", "one", "other"):
        place.launcher.launch("run-a", key=key_of(name), replicas=1, processes=1, cpu=1)
    assert place.started() == [("run-a", 1)] * 2


def test_launch_is_noted_in_the_store(place: Place) -> None:
    """Where every machine sees it."""
    assert place.store.read(key_of("one")) is None
    place.launcher.launch("run-a", key=key_of("one"), replicas=1, processes=1, cpu=1)
    assert place.store.read(key_of("one")) is not None
    place.started()


def test_launch_that_failed_is_not_noted(place: Place) -> None:
    """The next to try may succeed."""
    with pytest.raises(LaunchError) as refused:
        place.broken.launch("run-a", key=key_of("one"), replicas=2, processes=1, cpu=1)
    assert refused.value.batch == "run-a"
    assert place.started() == []
    assert place.launcher.look(key_of("one")) is None
    place.launcher.launch("run-a", key=key_of("one"), replicas=1, processes=1, cpu=1)
    assert place.started() == [("run-a", 1)]


def test_look_finds_nothing_where_nothing_is_noted(place: Place) -> None:
    """Neither before any launch, nor under the key of another."""
    place.launcher.launch("run-a", key=key_of("one"), replicas=1, processes=1, cpu=1)
    assert place.launcher.look(key_of("other")) is None
    place.started()


def test_look_tells_when_a_launch_was_and_that_it_is_over(place: Place) -> None:
    """It is over when the workers have ended, well or not."""
    place.launcher.launch("run-a", key=key_of("one"), replicas=2, processes=1, cpu=1)
    place.started()
    assert place.launcher.look(key_of("one")) == Launched(AT, is_over=True)


def test_stop_ends_the_workers_of_that_launch(place: Place) -> None:
    """Those of another go on; stopping again, or what was never launched, does nothing."""
    for name in ("one", "other"):
        place.lasting.launch("run-a", key=key_of(name), replicas=2, processes=1, cpu=1)
    assert place.lasting.look(key_of("one")) == Launched(AT, is_over=False)
    place.lasting.stop(key_of("one"))
    place.lasting.stop(key_of("never"))
    assert place.lasting.look(key_of("other")) == Launched(AT, is_over=False)
    place.lasting.stop(key_of("other"))
    place.ended()
    assert place.lasting.look(key_of("one")) == place.lasting.look(key_of("other")) == Launched(AT, is_over=True)
    place.lasting.stop(key_of("one"))


def test_workers_have_time_to_come(place: Place) -> None:
    """Whoever waits for their first claim knows how long."""
    assert place.launcher.coming_s > 0
