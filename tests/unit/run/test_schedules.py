"""What a schedule is: when it fires next, what is due, and what is kept of it in the store."""

import json
from dataclasses import replace

import pytest

from doubles.means import make_means
from engine.adapters.memory import MemoryStore
from engine.errors import StoreError
from engine.ports import Held
from engine.run import keys, schedules
from engine.run.schedules import Became, Firing, Overlap, Schedule, Wish
from unit.run.asking import accepted

NOW = 1_700_000_000.0
"""2023-11-14T22:13:20Z."""

HOURLY = Wish({"scenario": "provision"}, cron="0 0 * * * *")
ONCE = Wish({"scenario": "provision"}, at=NOW + 90.0)
HOUR = 3600.0
NEXT_HOUR = 1_700_002_800.0


def made(wish: Wish = HOURLY, **changes: object) -> Schedule:
    """A schedule that was put now."""
    return replace(Schedule("nightly", wish, {}, created=NOW, changed=NOW, seen=NOW), **changes)  # type: ignore[arg-type]


def test_next_firings_come_after_now_and_after_what_is_dealt_with() -> None:
    """Whichever is later."""
    assert made().next(2, now=NOW) == [NEXT_HOUR, NEXT_HOUR + HOUR]
    assert made(seen=NEXT_HOUR).next(1, now=NOW) == [NEXT_HOUR + HOUR]
    assert made().next(1, now=NEXT_HOUR) == [NEXT_HOUR + HOUR]


def test_schedule_with_a_moment_fires_once() -> None:
    """And is done after that."""
    assert made(ONCE).next(5, now=NOW) == [NOW + 90.0]
    assert made(ONCE, seen=NOW + 90.0).next(5, now=NOW) == []


def test_disabled_schedule_never_fires() -> None:
    """Neither by a cron nor at a moment; what it would have missed is not missed."""
    for wish in (HOURLY, ONCE):
        held = made(replace(wish, enabled=False))
        assert (held.next(5, now=NOW), held.due(NOW + 10 * HOUR)) == ([], [])


def test_firing_is_due_from_its_time_on_until_it_is_dealt_with() -> None:
    """Never a second before."""
    assert made().due(NEXT_HOUR - 1.0) == []
    assert made().due(NEXT_HOUR) == made().due(NEXT_HOUR + 300.0) == [NEXT_HOUR]
    assert made(seen=NEXT_HOUR).due(NEXT_HOUR + 300.0) == []
    assert made(ONCE).due(NOW + 90.0) == [NOW + 90.0]


def test_of_firings_that_nobody_looked_at_the_last_that_was_missed_is_due_and_all_that_were_not() -> None:
    """After two hours of silence: an hour that was missed, and the minutes of the last five."""
    assert made().due(NEXT_HOUR + 2 * HOUR - 1.0) == [NEXT_HOUR + HOUR]
    minutely = made(replace(HOURLY, cron="30 * * * * *"))
    end = NOW + 2 * HOUR + 10.0  # 00:13:30
    assert minutely.due(end) == [end - minutes * 60.0 for minutes in (6, 5, 4, 3, 2, 1, 0)]
    assert [schedules.is_missed(at, end) for at in minutely.due(end)] == [True] + 6 * [False]
    assert made(ONCE).due(NOW + HOUR) == [NOW + 90.0]
    assert made(ONCE, seen=NOW + 90.0).due(NOW + HOUR) == []


def test_run_id_is_name_and_minute_in_utc() -> None:
    """So that a firing has one run, whoever starts it how often."""
    assert made().run_id(NEXT_HOUR) == "nightly-20231114-2300"


def test_only_the_last_firings_are_kept_and_the_last_run() -> None:
    """A firing that starts nothing leaves the last run what it was."""
    held = made().with_firing(Firing(1.0, Became.STARTED, "nightly-1"))
    for n in range(2, 20):
        held = held.with_firing(Firing(float(n), Became.SKIPPED, why="run nightly-1 was running"))
    assert (held.seen, held.started, len(held.lately)) == (19.0, "nightly-1", 10)
    assert held.lately[0].at == 19.0


def test_schedule_put_is_found_and_listed_until_it_is_deleted() -> None:
    """By name; a name that was never put is nobody's."""
    store = MemoryStore()
    kept, is_new = schedules.put(store, "nightly", HOURLY, {"baseline": None}, now=NOW)
    schedules.put(store, "early", ONCE, {}, now=NOW)
    assert (is_new, kept) == (True, made(echo={"baseline": None}))
    assert schedules.find(store, "nightly") == kept
    assert schedules.names(store) == ["early", "nightly"]
    schedules.delete(store, "nightly")
    assert schedules.find(store, "nightly") is None


def test_schedule_put_again_replaces_what_was_asked_and_keeps_what_became_of_it() -> None:
    """What would have fired before is over."""
    store = MemoryStore()
    first, _ = schedules.put(store, "nightly", HOURLY, {}, now=NOW)
    assert schedules.note(store, first, Firing(NEXT_HOUR, Became.STARTED, "nightly-1"))
    wish = replace(HOURLY, overlap=Overlap.ALLOW)
    kept, is_new = schedules.put(store, "nightly", wish, {"a": 1}, now=NOW + 9 * HOUR)
    assert not is_new
    assert (kept.wish, kept.echo, kept.revision, kept.created) == (wish, {"a": 1}, 2, NOW)
    assert (kept.seen, kept.changed, kept.started) == (NOW + 9 * HOUR, NOW + 9 * HOUR, "nightly-1")


def test_same_schedule_put_again_loses_no_firing() -> None:
    """Only the defaults that are shown are those of now."""
    store = MemoryStore()
    first, _ = schedules.put(store, "nightly", HOURLY, {}, now=NOW)
    again, is_new = schedules.put(store, "nightly", HOURLY, {"a": 1}, now=NOW + HOUR)
    assert (again, is_new) == (replace(first, echo={"a": 1}), False)


def test_firing_is_noted_once() -> None:
    """Of two who saw to it the first says what became of it."""
    store = MemoryStore()
    read, _ = schedules.put(store, "nightly", HOURLY, {}, now=NOW)
    assert schedules.note(store, read, Firing(NEXT_HOUR, Became.STARTED, "nightly-1"))
    assert not schedules.note(store, read, Firing(NEXT_HOUR, Became.SKIPPED, why="run nightly-1 was running"))
    found = schedules.find(store, "nightly")
    assert found is not None
    assert [firing.became for firing in found.lately] == [Became.STARTED]


def test_firing_of_a_schedule_that_was_replaced_or_deleted_is_not_noted() -> None:
    """Nor of one that was deleted and put anew."""
    store = MemoryStore()
    read, _ = schedules.put(store, "nightly", HOURLY, {}, now=NOW)
    firing = Firing(NEXT_HOUR + HOUR, Became.STARTED, "nightly-1")
    schedules.put(store, "nightly", ONCE, {}, now=NOW + 1.0)
    assert not schedules.note(store, read, firing)
    schedules.delete(store, "nightly")
    assert not schedules.note(store, read, firing)
    assert schedules.find(store, "nightly") is None
    schedules.put(store, "nightly", HOURLY, {}, now=NOW + 2.0)
    assert not schedules.note(store, read, firing)


def test_record_survives_encoding() -> None:
    """Enumerations and nested records are what they were."""
    store = MemoryStore()
    wish = Wish({"a": [1, {"b": None}]}, cron="0 0 * * * *", time_zone="Europe/Berlin", overlap=Overlap.ALLOW)
    read, _ = schedules.put(store, "nightly", wish, {}, now=NOW)
    schedules.note(store, read, Firing(NEXT_HOUR, Became.REFUSED, why="blocked: no"))
    found = schedules.find(store, "nightly")
    assert found == read.with_firing(Firing(NEXT_HOUR, Became.REFUSED, why="blocked: no"))
    assert found.wish.zone.key == "Europe/Berlin"


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"format": 2}'])
def test_record_of_another_form_is_refused(body: bytes) -> None:
    """The message names the key and the place."""
    store = MemoryStore()
    store.create(keys.schedule_key("nightly"), body)
    with pytest.raises(StoreError, match=r"schedules/nightly\.json: not a schedule of format 1"):
        schedules.find(store, "nightly")


def test_baselines_of_schedules_are_protected() -> None:
    """By run id as it is; a name no run of which has passed protects none."""
    means = make_means()
    accepted(means, "a-run")
    for name, baseline in (("a", None), ("b", "a-run"), ("c", "name:nightly"), ("d", "a-run")):
        schedules.put(means.store, name, HOURLY, {"baseline": baseline}, now=NOW)
    assert schedules.protected(means.store) == {"a-run"}


def test_schedule_deleted_while_all_are_read_protects_nothing() -> None:
    """It was listed, and is gone."""

    class Fading(MemoryStore):
        """A store from which whatever is read is gone."""

        def read(self, key: str) -> Held | None:
            self.delete(key)
            return super().read(key)

    store = Fading()
    store.create(keys.schedule_key("nightly"), json.dumps({}).encode())
    assert schedules.protected(store) == frozenset()
