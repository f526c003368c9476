"""What happens once a minute."""

import json
from dataclasses import replace
from typing import Any

import pytest

from doubles.means import make_means, plan
from engine.adapters.memory import MemoryStore
from engine.errors import StoreUnavailable
from engine.plan.target import Targets
from engine.ports import Held
from engine.run import keys, schedules, state
from engine.run.answers import Answer
from engine.run.closing import give_up
from engine.run.means import Means
from engine.run.schedules import Became, Overlap, Wish
from engine.run.state import Stage
from engine.run.tick import ENDED_AT_ONCE, LOOK_AT, tick
from unit.run.asking import Away, accepted, finish

SPEC: dict[str, Any] = {"scenario": "cert-renewal"}
HOURLY = Wish(SPEC, cron="0 0 * * * *")
FIRST, SECOND = "hourly-20231114-2300", "hourly-20231115-0000"
TO_FIRST_S, HOUR = 2800.0, 3600.0


def scheduled(wish: Wish = HOURLY, means: Means | None = None, name: str = "hourly") -> Means:
    """Means with a schedule that was put at 22:13:20."""
    means = means or make_means()
    schedules.put(means.store, name, wish, {}, now=means.clock.wall())
    return means


def lately(means: Means, name: str = "hourly") -> list[tuple[Became, str]]:
    """What became of the schedule's firings, newest first, with the run or the reason."""
    held = schedules.find(means.store, name)
    assert held is not None
    return [(firing.became, firing.run_id or firing.why) for firing in held.lately]


def starts(found: list[Answer]) -> list[str]:
    """The orchestrations to start."""
    return [answer.start[0] for answer in found if answer.start]


def test_nothing_is_due_without_schedules_and_runs() -> None:
    """The timer ticks anyway."""
    assert list(tick(make_means())) == []


def test_due_firing_starts_a_run_and_is_noted() -> None:
    """Not a second before its time; and who asked for the run is known."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S - 1.0)
    assert list(tick(means)) == []
    means.clock.sleep(1.0)
    found = list(tick(means))
    assert [answer.status for answer in found] == [202]
    assert starts(found) == [FIRST]
    assert lately(means) == [(Became.STARTED, FIRST)]
    assert state.read_state(means.store, FIRST).started_by == "schedule:hourly"
    assert list(tick(means)) == []


def test_doubled_tick_starts_one_run() -> None:
    """Two that find nothing noted start the same run, and it is noted once."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S)
    both = [tick(means), tick(means)]
    assert [starts([next(one)]) for one in both] == [[FIRST], [FIRST]]
    assert [list(one) for one in both] == [[], []]
    assert [found.run_id for found in state.list_runs(means.store)] == [FIRST]
    assert lately(means) == [(Became.STARTED, FIRST)]


def test_firing_whose_note_was_lost_is_the_run_it_started() -> None:
    """The process died in between; the next tick finds the run, also when the firing is long past."""
    for later in (60.0, HOUR):
        means = scheduled()
        means.clock.sleep(TO_FIRST_S)
        next(tick(means))
        assert lately(means) == []
        means.clock.sleep(later)
        list(tick(means))
        assert (Became.STARTED, FIRST) in lately(means)


def test_run_that_was_started_is_not_skipped_when_the_one_before_it_is_resumed() -> None:
    """What became of the firing was lost, not what it started."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S)
    list(tick(means))
    finish(means, FIRST)
    means.clock.sleep(HOUR)
    next(tick(means))
    state.advance(means.store, FIRST, state.Event.RESUMED, now=means.clock.wall())
    list(tick(means))
    assert lately(means)[0] == (Became.STARTED, SECOND)


def test_firing_is_skipped_while_the_last_run_goes_on() -> None:
    """Whatever other runs do; and the one after the run's end starts the next."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S)
    list(tick(means))
    state.advance(means.store, FIRST, state.Event.PLANNED, now=means.clock.wall())
    means.clock.sleep(600)
    assert starts(list(tick(means))) == []
    means.clock.sleep(HOUR - 600)
    list(tick(means))
    assert lately(means)[0] == (Became.SKIPPED, f"run {FIRST} was running")
    give_up({"runId": FIRST, "attempt": 1, "why": "it is over"}, means)
    plan(means, "by-hand", SPEC)
    means.clock.sleep(HOUR)
    assert starts(list(tick(means))) == ["hourly-20231115-0100"]


def test_runs_of_a_schedule_that_allows_it_overlap() -> None:
    """The first is still accepted when the second is."""
    means = scheduled(replace(HOURLY, overlap=Overlap.ALLOW))
    for sleep_s in (TO_FIRST_S, HOUR):
        means.clock.sleep(sleep_s)
        list(tick(means))
    assert lately(means) == [(Became.STARTED, SECOND), (Became.STARTED, FIRST)]


def test_last_run_that_was_deleted_does_not_go_on() -> None:
    """Nobody can say that it is live."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S)
    list(tick(means))
    state.forget_run(means.store, state.read_state(means.store, FIRST))
    means.clock.sleep(HOUR)
    assert starts(list(tick(means))) == [SECOND]


def test_firing_missed_by_more_than_five_minutes_is_skipped_and_shown() -> None:
    """Within five minutes it is made up for."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S + 300.0)
    assert starts(list(tick(means))) == [FIRST]
    means = scheduled()
    means.clock.sleep(TO_FIRST_S + 301.0)
    assert list(tick(means)) == []
    assert lately(means) == [(Became.MISSED, "nobody looked for more than 300 s")]
    means.clock.sleep(HOUR - 301.0)
    assert starts(list(tick(means))) == [SECOND]


def test_schedule_with_a_moment_fires_once() -> None:
    """And never again."""
    means = make_means()
    scheduled(Wish(SPEC, at=means.clock.wall() + 90.0), means, "once")
    means.clock.sleep(120)
    assert starts(list(tick(means))) == ["once-20231114-2214"]
    means.clock.sleep(60)
    assert starts(list(tick(means))) == []


def test_spec_is_read_afresh_at_every_firing() -> None:
    """Seed and date are those of the day; so is a target that has gone, which is told."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S)
    list(tick(means))
    assert state.read_state(means.store, FIRST).name == "cert-renewal-2023-11-14"
    finish(means, FIRST)
    means = replace(means, targets=Targets({}, "gone"))
    means.clock.sleep(HOUR)
    found = list(tick(means))
    assert [answer.status for answer in found] == [400]
    assert lately(means)[0][0] is Became.REFUSED
    assert lately(means)[0][1].startswith("spec-invalid: /target")


def test_firing_that_can_be_told_later_is_tried_again() -> None:
    """The store is away: nothing is noted, and the next tick starts the run."""
    means = scheduled()
    means.clock.sleep(TO_FIRST_S)
    counters = f"{means.counter_prefix}/"

    class Half(MemoryStore):
        """A store that has schedules, and keeps no names."""

        def read(self, key: str) -> Held | None:
            if key.startswith(counters):
                raise StoreUnavailable(key, "nobody answers")
            return means.store.read(key)

        keys = means.store.keys

    found = list(tick(replace(means, store=Half())))
    assert [answer.status for answer in found] == [503]
    assert lately(means) == []
    assert starts(list(tick(means))) == [FIRST]


def test_schedule_replaced_while_it_fires_is_left_alone() -> None:
    """What is due of it is for the next tick to find out."""
    means = scheduled(replace(HOURLY, cron="0 * * * * *"))
    means.clock.sleep(160.0)
    firing = tick(means)
    assert starts([next(firing)]) == ["hourly-20231114-2214"]
    scheduled(HOURLY, means)
    assert list(firing) == []
    assert lately(means) == []


def test_schedule_deleted_between_listing_and_reading_is_none() -> None:
    """There is nothing due."""
    means = scheduled()
    scheduled(HOURLY, means, "second")
    means.clock.sleep(TO_FIRST_S)
    firing = tick(means)
    assert starts([next(firing)]) == [FIRST]
    schedules.delete(means.store, "second")
    assert list(firing) == []


def test_broken_record_keeps_nothing_else_from_happening() -> None:
    """Neither a schedule nor a run that cannot be read, nor a place in the list that is no run's."""
    means = scheduled()
    means.store.create(keys.recent_key("nobody", means.clock.wall()), b"")
    means.store.create(keys.schedule_key("broken"), b"{")
    accepted(means, "orphan")
    accepted(means, "broken")
    held = means.store.read(keys.state_key("broken"))
    assert held is not None
    means.store.replace(keys.state_key("broken"), b"{", held.version)
    means.clock.sleep(TO_FIRST_S / 40)
    found = list(tick(means))
    assert [answer.status for answer in found if not answer.start] == [500, 500]
    assert starts(found) == ["orphan"]
    assert "schedules/broken.json" in json.loads(found[0].body)["message"]


def test_store_that_is_away_is_told() -> None:
    """Once for the schedules, once for the runs; removing old ones was not asked for."""
    assert [answer.status for answer in tick(make_means(Away()))] == [503, 503]


def test_run_that_was_never_started_is_picked_up() -> None:
    """Its request died between accepting and starting; a younger run may yet be started by its own."""
    means = make_means()
    accepted(means, "orphan")
    assert list(tick(means)) == []
    means.clock.sleep(61)
    accepted(means, "young")
    plan(means, "planned", SPEC)
    assert [found.start for found in tick(means)] == [("orphan", {"runId": "orphan", "attempt": 1})]


def test_run_past_its_deadline_is_asked_to_drain_and_told() -> None:
    """Its state says why it ends."""
    means = make_means()
    plan(means, "late", SPEC)
    means.clock.sleep(state.read_state(means.store, "late").deadline_at - means.clock.wall())  # type: ignore[operator]
    assert list(tick(means)) == []
    means.clock.sleep(1.0)
    assert [found.cancel for found in tick(means)] == ["late"]
    found = state.read_state(means.store, "late")
    assert (found.stage, found.stopped) == (
        Stage.DRAINING,
        state.Stopped("aborted", ("the run was past its deadline",)),
    )


def test_runs_that_nobody_carries_out_end_one_at_a_tick() -> None:
    """Each merge takes its time; none is forgotten."""
    means = make_means()
    for name in ("one1", "two2", "three"):
        accepted(means, name)
    means.clock.sleep(state.LASTS_S[Stage.ACCEPTED] + 601.0)
    finished = []
    for _ in range(3):
        list(tick(means))
        finished.append(sum(not found.is_live for found in state.list_runs(means.store)))
    assert finished == [ENDED_AT_ONCE * n for n in (1, 2, 3)]


@pytest.mark.parametrize("count", [LOOK_AT, LOOK_AT + 1, 3 * LOOK_AT + 7])
def test_every_run_has_its_turn(count: int) -> None:
    """The newest at every tick, and within as many minutes as there are pages every older one."""
    means = make_means()
    for n in range(count):
        accepted(means, f"run-{n:04d}", {"scenario": "cert-renewal", "devices": {"prefix": f"p{n}-"}})
        means.clock.sleep(0.01)
    means.clock.sleep(61.0)
    seen: set[str] = set()
    for _ in range(-(-count // LOOK_AT)):
        found = starts(list(tick(means)))
        assert found[0] == f"run-{count - 1:04d}"
        assert len(found) <= 2 * LOOK_AT
        seen |= set(found)
        means.clock.sleep(60.0)
    assert len(seen) == count


def test_old_runs_are_removed_where_that_is_asked_for() -> None:
    """By the same tick."""
    means = make_means()
    accepted(means, "old1")
    finish(means, "old1")
    means.clock.sleep(2 * 86_400.0)
    assert list(tick(means)) == []
    found = list(tick(replace(means, retention_days=1)))
    assert [answer.purge for answer in found] == [("old1",)]
    assert list(state.list_runs(means.store)) == []
