"""When a wave's load begins."""

from threading import Barrier, Thread

import pytest

from engine.adapters.memory import MemoryStore
from engine.batch.home import Beginning
from engine.errors import StoreError
from engine.ports import Store
from engine.run.keys import start_key
from engine.run.start import LEAD_S, Arrival, Stretch, arrive, arrived, read

BEFORE = Stretch(origin=5.0, start=7.0, elapsed_s=100.0)


def came(batch: int, *, wave: int = 0, attempt: int = 1, of: int = 3, waits: bool = False) -> Arrival:
    """A batch of a wave of three; where it waits, until 100."""
    return Arrival(
        run_id="run-1",
        attempt=attempt,
        wave=wave,
        batch=batch,
        batches_in_wave=of,
        deadline=100.0,
        rendezvous=waits,
    )


def meet(store: Store, batch: int, now: float, *, of: int = 3) -> float | None:
    """A batch arrives at a rendezvous; when the load begins."""
    found = arrive(store, came(batch, of=of, waits=True), now)
    return None if found is None else found.start


def begin(store: Store, batch: int, now: float) -> float | None:
    """A batch arrives where nobody waits."""
    found = arrive(store, came(batch), now)
    return None if found is None else found.start


def test_first_batch_sets_the_start() -> None:
    """Without a rendezvous the wave begins when the first arrives, and later ones measure from there."""
    store = MemoryStore()
    assert begin(store, 2, 10.0) == 10.0
    assert begin(store, 0, 50.0) == 10.0
    assert begin(store, 2, 500.0) == 10.0
    assert arrived(store, "run-1", 0, 1) == ()


def test_last_batch_sets_the_start_of_a_rendezvous() -> None:
    """Until the last has come there is no start; then everybody hears the same one."""
    store = MemoryStore()
    assert meet(store, 0, 10.0) is None
    assert meet(store, 2, 11.0) is None
    assert meet(store, 0, 12.0) is None
    assert meet(store, 1, 13.0) == 13.0 + LEAD_S
    assert [meet(store, batch, 14.0) for batch in (0, 1, 2)] == [13.0 + LEAD_S] * 3
    assert arrived(store, "run-1", 0, 1) == (0, 1, 2)


def test_batch_that_arrives_twice_counts_once() -> None:
    """A batch that was started again does not stand in for another."""
    store = MemoryStore()
    assert [meet(store, 0, float(now)) for now in range(5)] == [None] * 5


def test_deadline_begins_with_those_that_came() -> None:
    """At the deadline the first to ask sets the start; who comes later measures from it, and is known for it."""
    store = MemoryStore()
    assert meet(store, 0, 10.0) is None
    assert meet(store, 0, 99.9) is None
    assert meet(store, 0, 100.0) == 100.0 + LEAD_S
    assert meet(store, 1, 150.0) == 100.0 + LEAD_S
    assert arrived(store, "run-1", 0, 1) == (0,)


def test_waiting_writes_nothing() -> None:
    """Asking again leaves the blob alone, so that waiting batches do not race each other."""
    store = MemoryStore()
    meet(store, 0, 10.0)
    before = store.read(start_key("run-1", 0, 1))
    meet(store, 0, 20.0)
    assert store.read(start_key("run-1", 0, 1)) == before


def test_windows_of_a_later_wave_are_those_of_the_first() -> None:
    """It has a start of its own, and counts from the run's first."""
    store = MemoryStore()
    begin(store, 0, 10.0)
    assert arrive(store, came(3, wave=1), 70.0) == Beginning(10.0, 70.0)
    assert read(store, "run-1", 1, 1) == Beginning(10.0, 70.0)


def test_wave_that_had_begun_goes_on_where_it_stopped() -> None:
    """Its schedule's zero lies as far back as it had come, and its windows move with it."""
    store = MemoryStore()
    begin(store, 0, 7.0)
    assert arrive(store, came(0, attempt=2), 500.0, before=BEFORE) == Beginning(398.0, 400.0)
    assert arrive(store, came(1, attempt=2), 900.0, before=BEFORE) == Beginning(398.0, 400.0)
    assert read(store, "run-1", 0, 1) == Beginning(7.0, 7.0)


def test_wave_that_begins_after_a_resume_counts_from_the_first_waves_latest_start() -> None:
    """Or from the start it had, where the first wave was whole before."""
    store = MemoryStore()
    begin(store, 0, 7.0)
    assert arrive(store, came(3, wave=1, attempt=3), 900.0) == Beginning(7.0, 900.0)
    arrive(store, came(0, attempt=2), 500.0, before=BEFORE)
    assert arrive(store, came(6, wave=2, attempt=3), 950.0) == Beginning(398.0, 950.0)


def test_first_wave_that_never_began_begins_in_the_next_attempt() -> None:
    """Nothing stretches what was not there."""
    assert arrive(MemoryStore(), came(0, attempt=2), 30.0) == Beginning(30.0, 30.0)


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
    assert read(store, "run-1", 0, 1) is None
    assert store.read(start_key("run-1", 0, 1)) is None
    begin(store, 0, 10.0)
    assert read(store, "run-1", 0, 1) == Beginning(10.0, 10.0)


def test_start_that_cannot_be_read_is_an_error() -> None:
    """A blob of another format is never taken for an empty one."""
    store = MemoryStore()
    store.create(start_key("run-1", 0, 1), b'{"arrived": [], "at": null, "format": 1}')
    with pytest.raises(StoreError, match="not a start of format 2"):
        begin(store, 0, 1.0)
