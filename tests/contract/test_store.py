"""What every Store does, over every implementation of it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from uuid import uuid4

import pytest

from doubles.azurite import Azurite, azurite, azurite_script  # noqa: F401
from engine.adapters.blobs import BlobStore
from engine.adapters.directory import DirectoryStore
from engine.adapters.memory import MemoryStore
from engine.errors import AlreadyExists, VersionConflict
from engine.ports import Held, Store
from engine.run.record import update


@pytest.fixture(params=["memory", "directory", "azurite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    match request.param:
        case "memory":
            return MemoryStore()
        case "directory":
            return DirectoryStore(tmp_path / "store")
        case _:
            running: Azurite = request.getfixturevalue("azurite")
            return BlobStore.from_connection_string(running.connection_string, f"test-{uuid4().hex}")


def test_store_holds_nothing_at_first(store: Store) -> None:
    """A store nobody wrote to reads as empty, and can be asked anything."""
    assert store.read("runs/a/state.json") is None
    assert list(store.keys("")) == []
    store.delete("runs/a/state.json")


def test_read_gives_what_was_created(store: Store) -> None:
    """The body comes back with the version that create returned."""
    version = store.create("runs/a/state.json", b"one")
    assert store.read("runs/a/state.json") == Held(b"one", version)


def test_create_refuses_a_key_that_holds_something(store: Store) -> None:
    """The second create of a key raises and leaves the first body, even when both are the same."""
    version = store.create("a", b"one")
    for body in (b"two", b"one"):
        with pytest.raises(AlreadyExists) as caught:
            store.create("a", body)
        assert caught.value.key == "a"
    assert store.read("a") == Held(b"one", version)


def test_replace_moves_the_version_on(store: Store) -> None:
    """Each replace returns the version that the next one must name."""
    version = store.create("a", b"one")
    second = store.replace("a", b"two", version)
    third = store.replace("a", b"three", second)
    assert len({version, second, third}) == 3
    assert store.read("a") == Held(b"three", third)


def test_replace_refuses_a_stale_version(store: Store) -> None:
    """A version that is no longer held replaces nothing."""
    version = store.create("a", b"one")
    second = store.replace("a", b"two", version)
    with pytest.raises(VersionConflict):
        store.replace("a", b"three", version)
    assert store.read("a") == Held(b"two", second)


def test_replace_tells_equal_bodies_apart(store: Store) -> None:
    """A body that went and came back has a new version."""
    version = store.create("a", b"one")
    store.replace("a", b"one", store.replace("a", b"two", version))
    with pytest.raises(VersionConflict):
        store.replace("a", b"three", version)


def test_replace_refuses_what_is_not_there(store: Store) -> None:
    """A key that never was, or is gone, cannot be replaced; nor can one that was made anew."""
    with pytest.raises(VersionConflict):
        store.replace("a", b"one", '"0x8D"')
    version = store.create("a", b"one")
    store.delete("a")
    with pytest.raises(VersionConflict):
        store.replace("a", b"two", version)
    store.create("a", b"one")
    with pytest.raises(VersionConflict):
        store.replace("a", b"two", version)


def test_delete_can_be_repeated(store: Store) -> None:
    """Deleting twice is deleting once, and the key is free again."""
    store.create("a/b/c", b"one")
    store.create("a/d", b"two")
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert store.read("a/b/c") is None
    assert list(store.keys("")) == ["a/d"]
    store.create("a/b/c", b"three")


def test_keys_are_sorted_and_begin_with_the_prefix(store: Store) -> None:
    """A prefix is any beginning of a key, not only a folder; what merely contains it is left out."""
    names = ["runs/b/plan", "runs/a/plan", "runs/a/claims/10", "runs/a/claims/2", "runs/ab", "run", "x/runs/a"]
    for name in names:
        store.create(name, b"")
    assert list(store.keys("runs/a")) == ["runs/a/claims/10", "runs/a/claims/2", "runs/a/plan", "runs/ab"]
    assert list(store.keys("runs/a/")) == ["runs/a/claims/10", "runs/a/claims/2", "runs/a/plan"]
    assert list(store.keys("runs/a/claims/1")) == ["runs/a/claims/10"]
    assert list(store.keys("")) == sorted(names)
    assert list(store.keys("runs/c")) == []


def test_keys_may_have_every_letter_they_are_allowed(store: Store) -> None:
    """Digits, letters of both cases and `._:-` come back as they went in."""
    names = ["data/dev:1._-/0000000000000-000500/x", "data/Dev:1._-/.x", "recent/123.a-b"]
    for name in names:
        store.create(name, name.encode())
    assert list(store.keys("")) == sorted(names)
    assert [held.body.decode() for name in names if (held := store.read(name))] == names


@pytest.mark.parametrize(
    "body", [b"", "Gerät №1, 設備 🔐\r\n".encode(), bytes(range(256)), bytes(3 * 2**20), b"\xff\xfe" * 1_700_000]
)
def test_bodies_come_back_byte_for_byte(store: Store, body: bytes) -> None:
    """Nothing, text in any script, every byte there is, and a few megabytes."""
    version = store.create("a", body)
    assert store.read("a") == Held(body, version)
    version = store.replace("a", body + b"!", version)
    assert store.read("a") == Held(body + b"!", version)


def test_five_writers_race_fifty_increments(store: Store) -> None:
    """However they race, no increment is lost, and none is counted twice."""
    start = Barrier(5)

    def increment() -> None:
        start.wait()
        for _ in range(10):
            update(store, "counter", lambda body: b"%d" % (int(body or b"0") + 1))

    _together([increment] * 5)
    held = store.read("counter")
    assert held is not None
    assert held.body == b"50"


def test_one_of_five_creators_wins(store: Store) -> None:
    """Of many who create a key at once one succeeds, and its body is the one that is held."""
    start = Barrier(5)
    won: list[bytes] = []

    def create(name: bytes) -> None:
        start.wait()
        try:
            store.create("claim", name)
        except AlreadyExists:
            return
        won.append(name)

    _together([partial(create, b"%d" % number) for number in range(5)])
    held = store.read("claim")
    assert held is not None
    assert won == [held.body]


def test_azurite_that_is_not_installed_fails_the_test(tmp_path: Path) -> None:
    """The contract is never left out in silence: the message says what to do."""
    with pytest.raises(pytest.fail.Exception, match="run `make install`"):
        azurite_script({"AZURITE_JS": str(tmp_path / "azurite.js")})


def _together(bodies: Sequence[Callable[[], None]]) -> None:
    """Run all bodies at once, each in a thread of its own; what one raises is raised here."""
    raised: list[BaseException] = []

    def run(body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:
            raised.append(error)

    threads = [Thread(target=run, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
