"""When a wave's load begins."""

from threading import Barrier, Thread

import pytest

from engine.adapters.memory import MemoryStore
from engine.errors import StoreError
from engine.ports import Store
from engine.run.keys import start_key
from engine.run.start import LEAD_S, arrive, read


def meet(store: Store, batch: int, now: float, *, of: int = 3) -> float | None:
    """A batch of a wave of three arrives at a rendezvous whose deadline is 100."""
    return arrive(store, "run-1", 0, batch, batches_in_wave=of, now_wall=now, deadline_wall=100.0, rendezvous=True)


def begin(store: Store, batch: int, now: float) -> float | None:
    """A batch arrives where nobody waits."""
    return arrive(store, "run-1", 0, batch, batches_in_wave=3, now_wall=now, deadline_wall=100.0, rendezvous=False)


def test_first_batch_sets_the_start() -> None:
    """Without a rendezvous the wave begins when the first arrives, and later ones measure from there."""
    store = MemoryStore()
    assert begin(store, 2, 10.0) == 10.0
    assert begin(store, 0, 50.0) == 10.0
    assert begin(store, 2, 500.0) == 10.0


def test_last_batch_sets_the_start_of_a_rendezvous() -> None:
    """Until the last has come there is no start; then everybody hears the same one."""
    store = MemoryStore()
    assert meet(store, 0, 10.0) is None
    assert meet(store, 2, 11.0) is None
    assert meet(store, 0, 12.0) is None
    assert meet(store, 1, 13.0) == 13.0 + LEAD_S
    assert [meet(store, batch, 14.0) for batch in (0, 1, 2)] == [13.0 + LEAD_S] * 3


def test_batch_that_arrives_twice_counts_once() -> None:
    """A batch that was started again does not stand in for another."""
    store = MemoryStore()
    assert [meet(store, 0, float(now)) for now in range(5)] == [None] * 5


def test_deadline_begins_with_those_that_came() -> None:
    """At the deadline the first to ask sets the start; a batch that comes later measures from it."""
    store = MemoryStore()
    assert meet(store, 0, 10.0) is None
    assert meet(store, 0, 99.9) is None
    assert meet(store, 0, 100.0) == 100.0 + LEAD_S
    assert meet(store, 1, 150.0) == 100.0 + LEAD_S


def test_waiting_writes_nothing() -> None:
    """Asking again leaves the blob alone, so that waiting batches do not race each other."""
    store = MemoryStore()
    meet(store, 0, 10.0)
    before = store.read(start_key("run-1", 0))
    meet(store, 0, 20.0)
    assert store.read(start_key("run-1", 0)) == before


def test_waves_begin_apart() -> None:
    """Each wave has a start of its own."""
    store = MemoryStore()
    begin(store, 0, 10.0)
    assert arrive(store, "run-1", 1, 3, batches_in_wave=1, now_wall=70.0, deadline_wall=0.0, rendezvous=False) == 70.0


def test_racing_batches_agree() -> None:
    """Of batches that arrive at once all hear one start, and it is the last one's."""
    store, gate = MemoryStore(), Barrier(20)

    def run(batch: int) -> None:
        gate.wait()
        meet(store, batch, float(batch), of=20)

    threads = [Thread(target=run, args=(batch,)) for batch in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    starts = {meet(store, batch, 99.0, of=20) for batch in range(20)}
    assert len(starts) == 1
    assert starts <= {batch + LEAD_S for batch in range(20)}


def test_reading_the_start_arrives_nobody() -> None:
    """Who only watches hears the start once there is one, and never brings it about."""
    store = MemoryStore()
    assert read(store, "run-1", 0) is None
    assert store.read(start_key("run-1", 0)) is None
    begin(store, 0, 10.0)
    assert read(store, "run-1", 0) == 10.0


def test_start_that_cannot_be_read_is_an_error() -> None:
    """A blob of another format is never taken for an empty one."""
    store = MemoryStore()
    store.create(start_key("run-1", 0), b'{"arrived": [], "at": null, "format": 2}')
    with pytest.raises(StoreError, match="not a start of format 1"):
        begin(store, 0, 1.0)
