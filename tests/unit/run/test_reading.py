"""Many keys read at once."""

import threading

import pytest

from doubles.failing_store import FailingStore
from engine.adapters.memory import MemoryStore
from engine.errors import StoreUnavailable
from engine.run.reading import AT_ONCE, read_all


def test_keys_are_read_in_their_order() -> None:
    """What is not there is None, in its place."""
    store = MemoryStore()
    for n in range(0, 100, 2):
        store.create(f"k/{n}", b"%d" % n)
    found = read_all(store, [f"k/{n}" for n in range(100)])
    assert [held.body if held else None for held in found] == [b"%d" % n if n % 2 == 0 else None for n in range(100)]
    assert read_all(store, []) == []
    assert [held is not None for held in read_all(store, ["k/2"])] == [True]


def test_reads_overlap() -> None:
    """So many wait for the store at the same time that each needs the others to be on its way."""
    store = MemoryStore()
    together = threading.Barrier(AT_ONCE, timeout=20)

    class Waiting:
        def read(self, key: str) -> None:
            together.wait()
            return store.read(key)  # type: ignore[return-value]

    assert read_all(Waiting(), [f"k/{n}" for n in range(AT_ONCE)]) == [None] * AT_ONCE  # type: ignore[arg-type]


def test_store_that_fails_fails_the_reading() -> None:
    """Nobody gets a part of what was asked for."""
    with pytest.raises(StoreUnavailable):
        read_all(FailingStore(MemoryStore(), after=3), [f"k/{n}" for n in range(10)])
