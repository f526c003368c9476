"""Which device names belong to whom."""

from dataclasses import replace
from threading import Barrier, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.adapters.memory import MemoryStore
from engine.errors import RunRefused, StoreError
from engine.plan.spec.devices import Source
from engine.run.pool import (
    Pool,
    Range,
    Want,
    allot,
    allot_in,
    expire,
    held_by,
    holdings,
    release,
    release_in,
    retake,
)

KEY = "counter/device-.json"
FOR_EVER = 1e12


def want(run_id: str, count: int, source: Source = Source.REUSE_OR_CREATE, start_index: int | None = None) -> Want:
    """What a run asks for, held for ever."""
    return Want(run_id, count, source, FOR_EVER, start_index)


def spans(ranges: tuple[Range, ...]) -> list[tuple[int, int, bool]]:
    """First, end and stored of each range."""
    return [(range_.first, range_.end, range_.stored) for range_ in ranges]


def given_to(pool: Pool, asked: Want) -> tuple[Pool, list[tuple[int, int, bool]]]:
    """The pool after the allotment, and what was allotted."""
    after = allot_in(pool, asked, now=0.0)
    return after, spans(held_by(after, asked.run_id))


def stored(*marks: tuple[int, int], next_: int = 0) -> Pool:
    """A pool with free stored ranges from first to end."""
    ranges = tuple(Range(first, end - first, stored=True) for first, end in marks)
    return Pool(max([next_, *(range_.end for range_ in ranges)]), ranges)


def test_created_names_are_new() -> None:
    """Each run gets the names after the last, though stored ones are free."""
    pool, first = given_to(stored((0, 10)), want("one", 5, Source.CREATE))
    assert first == [(10, 15, False)]
    pool, second = given_to(pool, want("two", 3, Source.CREATE))
    assert second == [(15, 18, False)]
    assert pool.next == 18


def test_created_names_go_around_what_is_taken_ahead() -> None:
    """Names a start index put beyond the counter are not given again, held or used up."""
    pool, _ = given_to(Pool(), want("exact", 10, Source.CREATE, 5))
    pool, names = given_to(pool, want("one", 8, Source.CREATE))
    assert names == [(0, 5, False), (15, 18, False)]
    assert pool.next == 18
    pool, _ = given_to(pool, want("ahead", 2, Source.CREATE, 20))
    pool = release_in(pool, "ahead", [])
    pool, names = given_to(pool, want("two", 3, Source.CREATE))
    assert names == [(18, 20, False), (22, 23, False)]


def test_reuse_takes_the_oldest_stored_first() -> None:
    """Stored names from the lowest on, split as needed, then new ones."""
    pool, names = given_to(stored((0, 10), (20, 30)), want("one", 15))
    assert names == [(0, 10, True), (20, 25, True)]
    pool, names = given_to(pool, want("two", 15))
    assert names == [(25, 30, True), (30, 40, False)]


def test_stored_only_never_makes_names() -> None:
    """What is stored is enough, to one in a hundred; below that the run is refused with the numbers."""
    pool = stored((0, 990))
    assert given_to(pool, want("one", 1000, Source.STORED_ONLY))[1] == [(0, 990, True)]
    with pytest.raises(RunRefused) as caught:
        allot_in(pool, want("one", 1001, Source.STORED_ONLY), now=0.0)
    refused = caught.value
    assert (refused.reason, refused.limit, refused.value, refused.need, refused.unit) == (
        "over-quota",
        "devices.stored",
        "990",
        "1001",
        "devices",
    )


def test_start_index_gives_exactly_that() -> None:
    """Pieces tell which of the names have state."""
    pool, names = given_to(stored((0, 10)), want("one", 10, start_index=5))
    assert names == [(5, 10, True), (10, 15, False)]
    assert pool.next == 15
    assert given_to(stored((100, 110)), want("one", 30, start_index=90))[1] == [
        (90, 100, False),
        (100, 110, True),
        (110, 120, False),
    ]


def test_start_index_with_stored_only_needs_state_there() -> None:
    """Stored names elsewhere do not help."""
    pool = stored((0, 100), (200, 300))
    assert given_to(pool, want("one", 101, Source.STORED_ONLY, 0))[1] == [(0, 100, True)]
    with pytest.raises(RunRefused, match="50 devices with stored state are free, 100 were asked for"):
        allot_in(pool, want("one", 100, Source.STORED_ONLY, 50), now=0.0)


def test_start_index_may_not_meet_a_live_run() -> None:
    """One name in common is too much; the run in the way is named."""
    pool, _ = given_to(Pool(), want("one", 10, start_index=10))
    for first, count in ((0, 11), (19, 1), (12, 2), (0, 100)):
        with pytest.raises(RunRefused, match="held by run one") as caught:
            allot_in(pool, want("two", count, start_index=first), now=0.0)
        assert caught.value.reason == "overlap"
    assert given_to(pool, want("two", 10, start_index=0))[1] == [(0, 10, False)]
    assert given_to(pool, want("two", 10, start_index=20))[1] == [(20, 30, False)]


def test_asking_twice_gives_the_same() -> None:
    """A retried plan has the names it had, whatever it asks for now; only the time they are held moves."""
    pool, names = given_to(stored((0, 5)), want("one", 10))
    again = allot_in(pool, replace(want("one", 99, Source.CREATE), until=FOR_EVER + 1), now=0.0)
    assert spans(held_by(again, "one")) == names
    assert {range_.until for range_ in again.ranges} == {FOR_EVER + 1}


def test_expired_holder_still_has_what_nobody_took() -> None:
    """A run that asks again late gets its own names back."""
    pool, names = given_to(Pool(), replace(want("one", 10), until=50.0))
    assert spans(held_by(allot_in(pool, want("one", 10), now=60.0), "one")) == names


def test_holder_expires() -> None:
    """From its moment on the names are free, stored ones for reuse, the others used up."""
    pool, _ = given_to(stored((0, 10)), replace(want("one", 15), until=50.0))
    assert expire(pool, 49.9) == pool
    assert expire(pool, 50.0) == Pool(15, (Range(0, 10, stored=True),))
    assert held_by(allot_in(pool, want("two", 10), now=50.0), "two") == (Range(0, 10, "two", FOR_EVER, stored=True),)


def test_release_says_what_has_state() -> None:
    """Exactly the given parts are free for reuse; the rest of what the run held is used up."""
    pool, _ = given_to(stored((0, 10)), want("one", 20))
    pool, _ = given_to(pool, want("two", 5))
    after = release_in(pool, "one", [Range(18, 100), Range(5, 10), Range(8, 3)])
    assert spans(after.ranges) == [(5, 15, True), (18, 20, True), (20, 25, False)]
    assert held_by(after, "two") == held_by(pool, "two")
    assert release_in(after, "one", [Range(0, 100)]) == after


def test_free_neighbours_are_one() -> None:
    """Ten runs that stored all they had leave one range."""
    pool = Pool()
    for run in range(10):
        pool = allot_in(pool, want(f"run-{run}", 10, Source.CREATE), now=0.0)
    for run in range(10):
        pool = release_in(pool, f"run-{run}", held_by(pool, f"run-{run}"))
    assert pool == Pool(100, (Range(0, 100, stored=True),))


def test_pool_in_a_store() -> None:
    """Allotting and releasing go through the blob; its form is the documented one."""
    store = MemoryStore()
    ranges = allot(store, KEY, "one", 10, Source.CREATE, until=50.0, now=0.0)
    assert ranges == (Range(0, 10, "one", 50.0),)
    assert allot(store, KEY, "one", 10, Source.CREATE, until=50.0, now=0.0) == ranges
    held = store.read(KEY)
    assert held is not None
    assert held.body == (
        b'{"next":10,"ranges":[{"first":0,"count":10,"holder":"one","until":50.0,"stored":false}],"format":1}'
    )
    release(store, KEY, "one", iter([Range(0, 4)]))
    assert allot(store, KEY, "two", 3, Source.STORED_ONLY, until=50.0, now=0.0) == (Range(0, 3, "two", 50.0, True),)


def test_refused_run_leaves_the_pool_alone() -> None:
    """Nothing is written for a run that gets nothing."""
    store = MemoryStore()
    with pytest.raises(RunRefused):
        allot(store, KEY, "one", 10, Source.STORED_ONLY, until=50.0, now=0.0)
    assert store.read(KEY) is None


def test_pool_that_cannot_be_read_is_an_error() -> None:
    """A blob of another format is never taken for an empty pool."""
    store = MemoryStore()
    store.create(KEY, b'{"next": 5, "ranges": [], "format": 2}')
    with pytest.raises(StoreError, match="not a pool of format 1"):
        allot(store, KEY, "one", 10, Source.CREATE, until=50.0, now=0.0)


def test_racing_runs_never_share_a_name() -> None:
    """Twenty threads that ask at once, for stored and new names, get names of their own."""
    store, gate = MemoryStore(), Barrier(20)
    allot(store, KEY, "before", 100, Source.CREATE, until=50.0, now=0.0)
    release(store, KEY, "before", [Range(0, 100)])
    got: dict[str, tuple[Range, ...]] = {}

    def run(run_id: str, count: int) -> None:
        gate.wait()
        got[run_id] = allot(store, KEY, run_id, count, Source.REUSE_OR_CREATE, until=50.0, now=0.0)

    threads = [Thread(target=run, args=(f"run-{number}", 5 + number)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [index for ranges in got.values() for range_ in ranges for index in range(range_.first, range_.end)]
    assert len(names) == len(set(names)) == sum(5 + number for number in range(20))
    assert set(range(100)) < set(names)


class PoolLife(RuleBasedStateMachine):
    """Runs that come, hold, store and go, against a plain account of who has which name."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.now = 0.0
        self.held: dict[str, set[int]] = {}
        self.until: dict[str, float] = {}
        self.stored: set[int] = set()
        self.used: set[int] = set()

    @rule(
        run=st.sampled_from("abcdef"),
        count=st.integers(1, 12),
        source=st.sampled_from(Source),
        start=st.none() | st.integers(0, 60),
        for_s=st.integers(1, 5),
    )
    def ask(self, run: str, count: int, source: Source, start: int | None, for_s: int) -> None:
        """A run asks for names."""
        asked = Want(run, count, source, self.now + for_s, start)
        try:
            after = allot_in(self.pool, asked, now=self.now)
        except RunRefused as refused:
            self._justify(refused, asked)
            return
        names = _names(held_by(after, run))
        if run in self.held:
            assert names == self.held[run]
        else:
            self._forget_expired()
            self._check_new(asked, names)
        self.pool, self.held[run], self.until[run] = after, names, asked.until
        self.used |= names

    @rule(run=st.sampled_from("abcdef"), keep=st.integers(0, 3))
    def go(self, run: str, keep: int) -> None:
        """A run releases what it has, with state for some of it."""
        kept = {name for name in self.held.get(run, set()) if name % 4 < keep}
        self.pool = release_in(self.pool, run, [Range(name, 1) for name in sorted(kept)])
        self.stored = self.stored - self.held.pop(run, set()) | kept
        self.until.pop(run, None)

    @rule(for_s=st.integers(1, 3))
    def wait(self, for_s: int) -> None:
        """Time passes."""
        self.now += for_s

    @invariant()
    def account_agrees(self) -> None:
        """The pool says of every name what the account says."""
        for run, names in self.held.items():
            if self.until[run] > self.now:
                assert _names(held_by(self.pool, run)) == names
        assert {name for range_ in self.pool.ranges if range_.stored for name in _names((range_,))} == self.stored

    @invariant()
    def form_is_normal(self) -> None:
        """Sorted, apart, and no two neighbours that could be one."""
        for left, right in zip(self.pool.ranges, self.pool.ranges[1:], strict=False):
            assert left.end <= right.first
            if left.end == right.first:
                assert (left.holder, left.until, left.stored) != (right.holder, right.until, right.stored)
        assert all(range_.count > 0 for range_ in self.pool.ranges)

    def _forget_expired(self) -> None:
        for run in [run for run, until in self.until.items() if until <= self.now]:
            del self.held[run], self.until[run]

    def _check_new(self, asked: Want, names: set[int]) -> None:
        assert not names & {name for others in self.held.values() for name in others}
        free = self.stored - {name for others in self.held.values() for name in others}
        if asked.source is not Source.STORED_ONLY:
            assert len(names) == asked.count
        if asked.start_index is not None:
            assert names <= set(range(asked.start_index, asked.start_index + asked.count))
        elif asked.source is Source.CREATE:
            assert not names & self.used
        else:
            assert names & self.stored == set(sorted(free)[: asked.count])
            assert not (names - self.stored) & self.used

    def _justify(self, refused: RunRefused, asked: Want) -> None:
        others = {name for run, names in self.held.items() if run != asked.run_id for name in names}
        if refused.reason == "overlap":
            assert asked.start_index is not None
            assert others & set(range(asked.start_index, asked.start_index + asked.count))
        else:
            assert asked.source is Source.STORED_ONLY


def _names(ranges: tuple[Range, ...]) -> set[int]:
    return {name for range_ in ranges for name in range(range_.first, range_.end)}


TestPoolLife = PoolLife.TestCase
TestPoolLife.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=40))
def test_pool_stays_small(runs: list[tuple[int, bool]]) -> None:
    """However many runs came and went one after the other, what is left is a range or two."""
    pool = Pool()
    for number, (count, keeps) in enumerate(runs):
        run_id = f"run-{number}"
        pool = allot_in(pool, want(run_id, count), now=0.0)
        pool = release_in(pool, run_id, held_by(pool, run_id) if keeps else [])
    assert len(pool.ranges) <= 2


def test_names_are_taken_back() -> None:
    """Those very ones, whether somebody stored state under them or not; what the run still holds it keeps."""
    store = MemoryStore()
    allot(store, KEY, "run-a", 10, Source.CREATE, until=100.0, now=0.0)
    release(store, KEY, "run-a", [Range(2, 3)])
    allot(store, KEY, "run-b", 2, Source.REUSE_OR_CREATE, until=100.0, now=0.0)
    with pytest.raises(RunRefused, match="devices 2 to 3 are held by run run-b"):
        retake(store, KEY, "run-a", [Range(0, 10)], until=500.0, now=50.0)
    assert holdings(store, KEY, "run-a") == ()
    retake(store, KEY, "run-a", [Range(0, 10)], until=500.0, now=101.0)
    held = holdings(store, KEY, "run-a")
    assert sum(each.count for each in held) == 10
    assert {each.until for each in held} == {500.0}
    assert [(each.first, each.count) for each in held if each.stored] == [(2, 3)]
    retake(store, KEY, "run-a", [Range(4, 2)], until=600.0, now=102.0)
    assert sum(each.count for each in holdings(store, KEY, "run-a")) == 10
