"""Compare-and-swap and fences."""

from collections.abc import Callable, Iterator

import pytest

from engine.adapters.memory import MemoryStore
from engine.errors import ClaimLost, StoreError, StoreUnavailable, VersionConflict
from engine.ports import Held
from engine.run.record import TRIES, Fenced, fenced_write, raise_fence, read_fenced, update


class Contested:
    """A store in which `rival` writes once before each of the first `times` writes."""

    def __init__(self, rival: Callable[[MemoryStore], None], times: int) -> None:
        self.inner = MemoryStore()
        self.rival, self.times = rival, times
        self.reads = self.writes = 0

    def read(self, key: str) -> Held | None:
        """What key holds."""
        self.reads += 1
        return self.inner.read(key)

    def create(self, key: str, body: bytes) -> str:
        """A first write, after the rival's."""
        self._interfere()
        return self.inner.create(key, body)

    def replace(self, key: str, body: bytes, version: str) -> str:
        """A next write, after the rival's."""
        self._interfere()
        return self.inner.replace(key, body, version)

    def delete(self, key: str) -> None:
        """Nobody contests that."""
        self.inner.delete(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Nor this."""
        return self.inner.keys(prefix)

    def _interfere(self) -> None:
        self.writes += 1
        if self.writes <= self.times:
            self.rival(self.inner)


def add(body: bytes | None) -> bytes:
    """One more."""
    return b"%d" % (int(body or b"0") + 1)


def rival(store: MemoryStore) -> None:
    """Somebody else adds one."""
    update(store, "n", add)


def test_update_begins_with_nothing() -> None:
    """The first change sees that there is nothing."""
    store = MemoryStore()
    assert update(store, "n", add) == b"1"
    assert update(store, "n", add) == b"2"


def test_update_retries_when_another_writer_wins() -> None:
    """A lost race costs one more read, and no increment: lost to a first write, then to a next one."""
    store = Contested(rival, times=2)
    assert update(store, "n", add) == b"3"
    assert store.reads == 3


def test_update_begins_anew_when_the_key_goes_away() -> None:
    """What was deleted between reading and writing is created again."""
    store = Contested(lambda inner: inner.delete("n"), times=1)
    store.inner.create("n", b"7")
    assert update(store, "n", add) == b"1"


def test_update_gives_up_after_its_tries() -> None:
    """A writer that never gets its turn says so."""
    store = Contested(rival, times=10**9)
    with pytest.raises(VersionConflict) as caught:
        update(store, "n", add)
    assert caught.value.key == "n"
    assert store.reads == TRIES


def test_update_writes_nothing_when_nothing_changes() -> None:
    """A change that leaves the body alone leaves the version alone."""
    store = Contested(rival, times=0)
    version = store.inner.create("n", b"7")
    assert update(store, "n", lambda body: body or b"") == b"7"
    assert store.inner.read("n") == Held(b"7", version)
    assert store.writes == 0


def test_update_lets_a_refusal_through() -> None:
    """What `change` raises ends the update, and nothing is written."""

    def refuse(body: bytes | None) -> bytes:
        raise StoreUnavailable("other")

    store = MemoryStore()
    with pytest.raises(StoreUnavailable):
        update(store, "n", refuse)
    assert store.read("n") is None


def test_fenced_body_comes_back_with_its_token() -> None:
    """Any bytes, line ends and our own first word among them, come back as they were."""
    store = MemoryStore()
    assert read_fenced(store, "checkpoint") is None
    for token, body in ((1, b"\x00\n\xff"), (2, b"certfleet-fence 1 9\n"), (2, b"")):
        fenced_write(store, "checkpoint", token, body)
        assert read_fenced(store, "checkpoint") == Fenced(token, body)


def test_fence_keeps_older_tokens_out() -> None:
    """A write under an older token is refused and changes nothing; an equal or newer one passes."""
    store = MemoryStore()
    fenced_write(store, "checkpoint", 2, b"new")
    with pytest.raises(ClaimLost) as caught:
        fenced_write(store, "checkpoint", 1, b"old")
    assert (caught.value.batch, caught.value.holder) == ("checkpoint", "token 2")
    assert read_fenced(store, "checkpoint") == Fenced(2, b"new")
    fenced_write(store, "checkpoint", 2, b"again")
    fenced_write(store, "checkpoint", 10, b"newer")
    assert read_fenced(store, "checkpoint") == Fenced(10, b"newer")


def test_fenced_write_by_version_reads_nothing() -> None:
    """A writer that is alone and remembers its last version needs one request a write."""
    store = Contested(rival, times=0)
    version = fenced_write(store, "checkpoint", 1, b"one")
    reads = store.reads
    version = fenced_write(store, "checkpoint", 1, b"two", version=version)
    fenced_write(store, "checkpoint", 1, b"three", version=version)
    assert store.reads == reads
    assert read_fenced(store, "checkpoint") == Fenced(1, b"three")


def test_fenced_write_by_a_stale_version_asks_whose_turn_it_is() -> None:
    """After somebody else's write the tokens decide."""
    store = MemoryStore()
    version = fenced_write(store, "checkpoint", 1, b"one")
    fenced_write(store, "checkpoint", 1, b"two")
    fenced_write(store, "checkpoint", 1, b"three", version=version)
    assert read_fenced(store, "checkpoint") == Fenced(1, b"three")
    fenced_write(store, "checkpoint", 2, b"four")
    with pytest.raises(ClaimLost):
        fenced_write(store, "checkpoint", 1, b"five", version=version)


def test_raised_fence_shuts_the_old_writer_out_at_once() -> None:
    """What the new holder read is what stays, also where nothing was written yet."""
    store = MemoryStore()
    version = fenced_write(store, "checkpoint", 1, b"one")
    assert raise_fence(store, "checkpoint", 2) == b"one"
    assert raise_fence(store, "result", 2) == b""
    for key in ("checkpoint", "result"):
        with pytest.raises(ClaimLost):
            fenced_write(store, key, 1, b"late", version=version)
    assert read_fenced(store, "checkpoint") == Fenced(2, b"one")
    assert read_fenced(store, "result") == Fenced(2, b"")
    with pytest.raises(ClaimLost):
        raise_fence(store, "checkpoint", 1)


def test_body_without_a_fence_is_not_taken_for_one() -> None:
    """A key that was written some other way is an error, for readers and for writers."""
    store = MemoryStore()
    store.create("checkpoint", b"certfleet-fence 2 1\nbody")
    with pytest.raises(StoreError, match="fencing token"):
        read_fenced(store, "checkpoint")
    with pytest.raises(StoreError, match="fencing token"):
        fenced_write(store, "checkpoint", 1, b"one")
