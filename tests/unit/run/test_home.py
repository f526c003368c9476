"""What a batch keeps in the store, and what it keeps of it when somebody else takes over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.clock import VirtualClock
from doubles.failing_store import FailingStore
from doubles.means import WRAPPING_KEY, contents, make_means, post
from engine.adapters.memory import MemoryStore
from engine.batch.home import Beginning
from engine.device import bundle as bundles
from engine.device.bundle import Bundle, WrappingKey
from engine.errors import ClaimLost, StoreUnavailable
from engine.ports import Store
from engine.run import keys, record, state
from engine.run.claims import Claims
from engine.run.home import DeviceState, Span, StoreHome

SPANS = (Span(0, 4), Span(10, 2))


def bundle(index: int, generation: int = 1) -> Bundle:
    """A device's state."""
    return Bundle(f"device-{index}", "hub.example", b"key %d" % index, (b"leaf", b"root"), generation)


def devices_in(store: Store) -> DeviceState:
    """Device state over a store."""
    return DeviceState(store, "data", "device-", WRAPPING_KEY)


class Batch:
    """A batch of a run that is accepted, and its homes."""

    def __init__(self, store: Store | None = None) -> None:
        self.clock = VirtualClock()
        self.memory = MemoryStore()
        self.store: Any = store or self.memory
        post(make_means(self.memory, clock=self.clock), "run-a", {"scenario": "cert-renewal"})
        self.claims = Claims(self.memory, self.clock, 30.0)

    def home(self, store: Store | None = None) -> StoreHome:
        """The home of whoever takes the batch now."""
        claim = self.claims.take("run-a", 0, "somebody")
        assert claim is not None
        return StoreHome(
            store=store or self.store,
            clock=self.clock,
            claims=self.claims,
            claim=claim,
            devices=devices_in(store or self.store),
            spans=SPANS,
            arrive=lambda: Beginning(1.0, 2.0),
        )


def test_saved_devices_are_loaded() -> None:
    """By id, the newest certificate of each; the private key is in no blob as it is."""
    batch = Batch()
    home = batch.home()
    home.save([bundle(0), bundle(11)])
    home.save([bundle(0, 2)])
    found, problems = home.load()
    assert problems == []
    assert found == {"device-0": bundle(0, 2), "device-11": bundle(11)}
    assert not any(b"key 0" in body for body in contents(batch.memory).values())


def test_loading_leaves_other_devices_alone() -> None:
    """A blob may hold more than the batch's own; neither those nor another prefix's are loaded."""
    store = MemoryStore()
    devices_in(store).add(Span(0, 100), "0-all", [bundle(n) for n in (0, 3, 4, 50)])
    DeviceState(store, "data", "device-x", WRAPPING_KEY).add(Span(0, 4), "0-x", [bundle(1)])
    found, _ = devices_in(store).load(SPANS)
    assert set(found) == {"device-0", "device-3"}


def test_damaged_state_is_told_and_passed_over() -> None:
    """One line each for a blob nobody can read and a key sealed with another key."""
    store = MemoryStore()
    DeviceState(store, "data", "device-", WrappingKey(bytes(64))).add(Span(0, 4), "0-a", [bundle(1)])
    store.create(keys.device_state_key("data", "device-", first=0, count=4, name="0-b"), b"\x00")
    devices_in(store).add(Span(0, 4), "0-c", [bundle(2)])
    found, problems = devices_in(store).load(SPANS)
    assert set(found) == {"device-2"}
    assert len(problems) == 2
    assert "device-1" in problems[1]


def test_state_of_another_state_key_is_told_once_for_all() -> None:
    """A key that was changed by mistake leaves every device unreadable: the first are named, the others counted."""
    store = MemoryStore()
    devices_in(store).add(Span(0, 100), "0-a", [bundle(n) for n in range(100)])
    found, problems = DeviceState(store, "data", "device-", WrappingKey(bytes(64))).load([Span(0, 100)])
    assert (found, len(problems), problems[-1]) == ({}, 21, "80 more like these")
    assert problems[0] == "device-0: STATE_KEY is not the one it was sealed with, or the record was changed"


def test_former_state_key_still_opens_and_the_present_one_seals() -> None:
    """A device that saves again needs the former key no more; putting state together does not seal anything anew."""
    store, former = MemoryStore(), devices_in(MemoryStore()).wrapping_key
    devices_in(store).add(Span(0, 4), "0-a", [bundle(0), bundle(1)])
    changed = DeviceState(store, "data", "device-", WrappingKey(bytes(64), former.key))
    assert changed.load(SPANS) == ({"device-0": bundle(0), "device-1": bundle(1)}, [])
    changed.add(Span(0, 4), "0-b", [bundle(0, 2)])
    changed.compact(Span(0, 4), "0-c")
    found, problems = DeviceState(store, "data", "device-", WrappingKey(bytes(64))).load(SPANS)
    assert (set(found), len(problems)) == ({"device-0"}, 1)


def test_record_in_another_devices_place_is_not_used() -> None:
    """Two devices that changed places would each sign in as the other."""
    store = MemoryStore()
    records = {f"device-{n}": bundles.to_record(bundle(1 - n), WRAPPING_KEY) for n in range(2)}
    key = keys.device_state_key("data", "device-", first=0, count=4, name="0-a")
    store.create(key, bundles.encode(records))
    found, problems = devices_in(store).load(SPANS)
    assert found == {}
    assert problems[0] == "device-0: the record of device-1 lies in its place"


def test_known_devices_are_exactly_those_with_state() -> None:
    """Not whole spans: a run that may only use stored devices counts on it."""
    store = MemoryStore()
    devices_in(store).add(Span(0, 4), "0-a", [bundle(n) for n in (0, 1, 3)])
    devices_in(store).add(Span(10, 2), "0-b", [bundle(11)])
    assert devices_in(store).known(SPANS) == [Span(0, 2), Span(3, 1), Span(11, 1)]
    assert devices_in(store).known([Span(2, 1)]) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=12))
def test_putting_together_loses_nothing(saves: list[tuple[int, int]]) -> None:
    """Whatever was saved in whatever order: one blob is left, and it loads as all of them did."""
    store = MemoryStore()
    devices = devices_in(store)
    for n, (index, generation) in enumerate(saves):
        devices.add(Span(0, 4), f"0-{n:04d}", [bundle(index, generation)])
    before = devices.load(SPANS)
    devices.compact(Span(0, 4), "0-9999")
    assert devices.load(SPANS) == before
    assert len(list(store.keys("data/"))) == min(1, len(saves))


@pytest.mark.parametrize("after", range(10))
def test_putting_together_goes_on_after_it_failed(after: int) -> None:
    """Wherever the store went away, the state is whole, and the next try finishes."""
    store = MemoryStore()
    devices = devices_in(store)
    for n in range(4):
        devices.add(Span(0, 4), f"0-{n}", [bundle(n, n + 1)])
    before = devices.load(SPANS)
    with pytest.raises(StoreUnavailable):
        devices_in(FailingStore(store, after=after)).compact(Span(0, 4), "0-9")
    assert devices.load(SPANS) == before
    devices.compact(Span(0, 4), "0-9")
    assert devices.load(SPANS) == before
    assert [key.rsplit("/", 1)[1] for key in store.keys("data/")] == ["0-9"]


def test_putting_together_keeps_what_nobody_can_read() -> None:
    """It may be another version's, and is worth more than tidiness."""
    store = MemoryStore()
    damaged = keys.device_state_key("data", "device-", first=0, count=4, name="0-b")
    store.create(damaged, b"from the future")
    for name in ("0-a", "0-c"):
        devices_in(store).add(Span(0, 4), name, [bundle(1)])
    devices_in(store).compact(Span(0, 4), "0-9")
    assert len(list(store.keys("data/"))) == 2
    assert damaged in store.keys("data/")


def test_putting_together_leaves_wider_blobs_alone() -> None:
    """They hold devices of other batches, too."""
    store = MemoryStore()
    devices_in(store).add(Span(0, 100), "0-wide", [bundle(1), bundle(50)])
    for name in ("0-a", "0-b"):
        devices_in(store).add(Span(0, 4), name, [bundle(1, 2)])
    devices_in(store).compact(Span(0, 4), "0-9")
    assert devices_in(store).known([Span(50, 1)]) == [Span(50, 1)]
    assert devices_in(store).load(SPANS)[0] == {"device-1": bundle(1, 2)}


def test_word_of_the_run_is_heard() -> None:
    """Whether to drain, and until when without another word; the claim is renewed when a third of it is gone."""
    batch = Batch()
    home = batch.home()
    first = home.listen()
    assert (first.cancelled, first.must_stop_at) == (False, 24.0)
    batch.clock.sleep(5)
    assert home.listen() == first
    batch.clock.sleep(5)
    assert home.listen().must_stop_at == 34.0
    state.ask_cancel(batch.memory, "run-a", now=1.0)
    assert home.listen().cancelled


def test_run_past_its_deadline_is_heard_as_a_cancel() -> None:
    """The batch drains all the same."""
    batch = Batch()
    home = batch.home()
    state.advance(batch.memory, "run-a", state.Event.STOP_ASKED, now=1.0)
    assert home.listen().cancelled


def test_old_holder_can_write_nothing() -> None:
    """Frozen until another had the batch: its progress, checkpoint, result and devices are refused, all of them."""
    batch = Batch()
    old = batch.home()
    old.checkpoint(b"old")
    batch.clock.sleep(60)
    new = batch.home()
    record.raise_fence(batch.memory, keys.checkpoint_key("run-a", 0), new.claim.token)
    new.report(b"new")
    new.save([bundle(0)])
    before = contents(batch.memory)
    for write in (lambda: old.report(b"old"), lambda: old.checkpoint(b"older"), old.listen):
        with pytest.raises(ClaimLost):
            write()
    with pytest.raises(StoreUnavailable, match="the lease is over"):
        old.save([bundle(0, 9)])
    assert contents(batch.memory) == before
    record.raise_fence(batch.memory, keys.result_key("run-a", 0), new.claim.token)
    with pytest.raises(ClaimLost):
        old.finish(b"old result", whole=True)


def test_archived_piece_is_written_once() -> None:
    """Again is the same, and the next holder's have names of their own; the windows are shown under the fence."""
    batch = Batch()
    old = batch.home()
    old.archive(0, b"piece")
    old.archive(0, b"piece")
    old.show(b"windows")
    batch.clock.sleep(60)
    new = batch.home()
    new.archive(0, b"another")
    new.show(b"newer")
    assert (old.token, new.token) == (1, 2)
    held = contents(batch.memory)
    assert [held[keys.piece_key("run-a", 0, token, 0)] for token in (1, 2)] == [b"piece", b"another"]
    with pytest.raises(ClaimLost):
        old.show(b"old")
    fenced = record.read_fenced(batch.memory, keys.windows_key("run-a", 0))
    assert fenced is not None
    assert fenced.body == b"newer"


def test_finished_batch_is_done_for_ever() -> None:
    """Its result is there, its devices' state is put together, nobody takes it again."""
    batch = Batch()
    home = batch.home()
    home.save([bundle(0)])
    home.save([bundle(1), bundle(10)])
    home.finish(b"the result", whole=True)
    fenced = record.read_fenced(batch.memory, keys.result_key("run-a", 0))
    assert fenced is not None
    assert fenced.body == b"the result"
    assert len(list(batch.memory.keys("data/"))) == 2
    assert batch.claims.is_done("run-a", 0)
    batch.clock.sleep(1000)
    assert batch.claims.take("run-a", 0, "late") is None


def test_batch_that_is_not_whole_is_left_to_a_later_attempt() -> None:
    """For this attempt it is done."""
    batch = Batch()
    batch.home().finish(b"cancelled", whole=False)
    assert batch.claims.take("run-a", 0, "late") is None
    again = Claims(batch.memory, batch.clock, 30.0, attempt=2)
    assert again.take("run-a", 0, "next") is not None


def test_holder_of_an_earlier_attempt_has_lost_its_claim() -> None:
    """The run was resumed while it still drove: it hears of that before its lease is over."""
    batch = Batch()
    home = batch.home()
    for event in (state.Event.GIVEN_UP, state.Event.RESUMED):
        state.advance(batch.memory, "run-a", event, now=1.0)
    with pytest.raises(ClaimLost, match="attempt 2"):
        home.listen()


def test_arriving_is_the_runs_business() -> None:
    """The home passes it on."""
    assert Batch().home().arrive() == Beginning(1.0, 2.0)


def test_forgotten_devices_have_no_state_and_others_keep_theirs() -> None:
    """A blob of only such devices is gone, one that holds others' too is written again without them."""
    store = MemoryStore()
    devices = devices_in(store)
    devices.add(Span(0, 4), "0-own", [bundle(0), bundle(3)])
    devices.add(Span(0, 100), "1-shared", [bundle(1), bundle(11), bundle(50)])
    devices.add(Span(50, 10), "2-others", [bundle(51)])
    found = {index for key in devices.blobs(SPANS) for index in devices.forget(key, SPANS)}
    assert found == {0, 1, 3, 11}
    assert set(devices.load([Span(0, 100)])[0]) == {"device-50", "device-51"}
    assert len(contents(store)) == 2
    assert [devices.forget(key, SPANS) for key in devices.blobs([Span(0, 100)])] == [frozenset(), frozenset()]


def test_forgetting_does_not_undo_what_others_write() -> None:
    """The blob changed between reading and writing: it is read again."""
    store, key = MemoryStore(), keys.device_state_key("data", "device-", first=0, count=100, name="0-shared")
    devices_in(store).add(Span(0, 100), "0-shared", [bundle(0), bundle(50)])

    class Raced(MemoryStore):
        """Somebody writes once, right before our write."""

        raced = False

        def read(self, key: str) -> Any:
            return store.read(key)

        def replace(self, key: str, body: bytes, version: str) -> str:
            if not self.raced:
                self.raced = True
                other = {"device-0": bundle(0), "device-60": bundle(60)}
                records = {name: bundles.to_record(one, WRAPPING_KEY) for name, one in other.items()}
                store.replace(key, bundles.encode(records), version)
            return store.replace(key, body, version)

    assert devices_in(Raced()).forget(key, SPANS) == {0}
    assert set(devices_in(store).load([Span(0, 100)])[0]) == {"device-60"}


def test_state_that_nobody_can_read_goes_only_where_it_is_surely_theirs() -> None:
    """A blob of a wider span may be about others."""
    store = MemoryStore()
    for first, count in ((0, 4), (0, 100)):
        store.create(keys.device_state_key("data", "device-", first=first, count=count, name="0-x"), b"\x00")
    devices = devices_in(store)
    for key in devices.blobs(SPANS):
        devices.forget(key, SPANS)
    assert [keys.parse_device_state_key(key) for key in contents(store)] == [(0, 100)]
