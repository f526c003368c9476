"""Which runs are removed because they are old."""

import pytest

from doubles.means import make_means
from engine.run import keys, schedules, state
from engine.run.means import Means
from engine.run.retention import LOOK_AT, REMOVED_AT_ONCE, remove_old
from engine.run.schedules import Wish
from unit.run.asking import accepted, finish

DAY_S = 86_400.0


@pytest.fixture
def means() -> Means:
    """Runs are kept for a week."""
    return make_means(retention_days=7)


def finished(means: Means, *run_ids: str) -> None:
    """Runs that finish now, the first one first."""
    for run_id in run_ids:
        accepted(means, run_id)
        finish(means, run_id)
        means.clock.sleep(1.0)


def removed(means: Means) -> list[str]:
    """The runs that were removed, in order."""
    return [found.purge[0] for found in remove_old(means)]


def left(means: Means) -> list[str]:
    """The runs that are there, newest first."""
    return [found.run_id for found in state.list_runs(means.store)]


def test_run_is_removed_a_week_after_it_finished(means: Means) -> None:
    """Not after it began; and its orchestrations are to go with it."""
    accepted(means, "long")
    means.clock.sleep(6 * DAY_S)
    finish(means, "long")
    means.clock.sleep(7 * DAY_S)
    assert removed(means) == []
    means.clock.sleep(1.0)
    found = list(remove_old(means))
    assert [(answer.status, answer.purge) for answer in found] == [(204, ("long",))]
    assert left(means) == []


def test_runs_are_kept_for_ever_by_default() -> None:
    """Nobody asked for anything else."""
    means = make_means()
    finished(means, "old1")
    means.clock.sleep(10_000 * DAY_S)
    assert removed(means) == []


def test_oldest_runs_go_first_and_a_few_at_a_time(means: Means) -> None:
    """The rest can wait for the next tick."""
    names = [f"run-{n}" for n in range(REMOVED_AT_ONCE + 2)]
    finished(means, *names)
    means.clock.sleep(8 * DAY_S)
    assert removed(means) == names[:REMOVED_AT_ONCE]
    assert removed(means) == names[REMOVED_AT_ONCE:]


def test_live_run_and_baseline_of_a_schedule_stay(means: Means) -> None:
    """However old they are."""
    accepted(means, "live", {"scenario": "cert-renewal", "devices": {"prefix": "other-"}})
    finished(means, "base", "old1")
    wish = Wish({"scenario": "provision"}, cron="0 0 * * * *")
    schedules.put(means.store, "nightly", wish, {"baseline": "base"}, now=means.clock.wall())
    means.clock.sleep(8 * DAY_S)
    assert removed(means) == ["old1"]
    assert left(means) == ["base", "live"]


def test_run_whose_devices_are_being_cleaned_up_is_left_for_later(means: Means) -> None:
    """It may not be removed now; others may."""
    finished(means, "busy", "old1")
    means.clock.sleep(8 * DAY_S)
    now = means.clock.wall()
    state.amend(means.store, "busy", lambda found: state.begin_cleaning(found, now=now, is_asked=True))
    assert removed(means) == ["old1"]
    assert left(means) == ["busy"]


def test_place_in_the_list_that_is_no_runs_is_removed(means: Means) -> None:
    """It would be looked at for ever."""
    place = keys.recent_key("nobody", means.clock.wall())
    means.store.create(place, b"")
    means.clock.sleep(8 * DAY_S)
    assert removed(means) == []
    assert means.store.read(place) is None


def test_only_so_many_runs_are_looked_at(means: Means) -> None:
    """A tick has a minute."""
    for n in range(LOOK_AT + 1):
        means.store.create(keys.recent_key(f"nobody-{n}", means.clock.wall()), b"")
    means.clock.sleep(8 * DAY_S)
    assert removed(means) == []
    assert len(list(means.store.keys(keys.RECENT))) == 1
