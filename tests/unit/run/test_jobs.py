"""Workers launched and looked at, in virtual time."""

from typing import Any

import pytest

from doubles.launcher import NotedLauncher
from doubles.means import deliver, make_means, plan
from engine.adapters.memory import MemoryStore
from engine.errors import LaunchError
from engine.run import jobs, keys, state
from engine.run.claims import SKEW_S, Claims
from engine.run.means import Means

SPEC: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 10},
    "execution": {"runner": "job", "cpu": 2, "batchSize": 2, "maxParallelBatches": 2},
}
"""Ten batches of a device each, in waves of four, four and two."""

WAVE = {"runId": "run-a", "attempt": 1, "wave": 0}
BLOCK = {"runId": "run-a", "attempt": 1, "first": 0, "count": 4}
LAUNCH = keys.launch_key("run-a", 1, 0, 1)


def planned(spec: dict[str, Any] = SPEC) -> tuple[Means, NotedLauncher]:
    """A run that is planned, and who would launch its workers."""
    store = MemoryStore()
    means = make_means(store)
    launcher = NotedLauncher(store, means.clock)
    means = make_means(store, launcher=launcher, clock=means.clock)
    plan(means, "run-a", spec)
    return means, launcher


def claims_of(means: Means, attempt: int = 1) -> Claims:
    """The run's claims."""
    return Claims(means.store, means.clock, means.lease_s, attempt=attempt)


def held(means: Means, *batches: int) -> None:
    """Workers have these batches."""
    for batch in batches:
        assert claims_of(means).take("run-a", batch, f"worker-{batch}") is not None


def test_first_wave_gets_the_replicas_that_a_wave_needs_once() -> None:
    """A process per batch, two to a replica; tried again, and in later waves, nothing is started again."""
    means, launcher = planned()
    assert jobs.begin_wave(WAVE, means) == {"wave": 0, "replicas": 2}
    assert jobs.begin_wave(WAVE, means) == {"wave": 0, "replicas": 0}
    assert jobs.begin_wave({**WAVE, "wave": 1}, means) == {"wave": 1, "replicas": 0}
    assert (launcher.launched, launcher.sized) == ([("run-a", 2, 2)], [2])
    assert state.read_state(means.store, "run-a").wave == 1


def test_later_wave_gets_replicas_when_all_workers_have_ended() -> None:
    """As many as the largest wave needs: they stay for those to come."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    launcher.over.add(LAUNCH)
    assert jobs.begin_wave({**WAVE, "wave": 2}, means) == {"wave": 2, "replicas": 2}
    assert means.store.read(keys.launch_key("run-a", 1, 2, 1)) is not None


def test_wave_that_is_done_gets_no_replicas() -> None:
    """The run is resumed, and goes on with a later wave."""
    means, launcher = planned()
    for batch in range(4):
        deliver(means, "run-a", batch)
    assert jobs.begin_wave(WAVE, means)["replicas"] == 0
    assert launcher.launched == []


def test_wave_is_reached_once() -> None:
    """Since when, as long as the attempt goes on: a retried activity does not put it off."""
    means, _ = planned()
    began = means.clock.wall()
    jobs.reach_wave(WAVE, means)
    means.clock.sleep(10)
    jobs.reach_wave(WAVE, means)
    found = state.read_state(means.store, "run-a")
    assert (found.wave, found.wave_at) == (0, began)
    for event in (state.Event.GIVEN_UP, state.Event.RESUMED):
        state.advance(means.store, "run-a", event, now=means.clock.wall())
    means.clock.sleep(5)
    jobs.reach_wave(WAVE, means)
    assert state.read_state(means.store, "run-a").wave_at == began + 15


def test_wave_of_activities_launches_nobody() -> None:
    """The state says which wave it is, and that is all."""
    means, launcher = planned({**SPEC, "execution": {"batchSize": 2, "maxParallelBatches": 2, "runner": "activity"}})
    assert jobs.begin_wave({**WAVE, "wave": 1}, means) == {"wave": 1, "replicas": 0}
    assert launcher.launched == []
    assert state.read_state(means.store, "run-a").wave == 1


def test_wave_of_a_run_that_is_over_launches_nobody() -> None:
    """It was given up meanwhile."""
    means, launcher = planned()
    state.advance(means.store, "run-a", state.Event.GIVEN_UP, now=1.0)
    assert jobs.begin_wave(WAVE, means)["replicas"] == 0
    assert jobs.look_at_block(BLOCK, means) == {"left": 0}
    assert launcher.launched == []


def test_resumed_run_has_workers_of_its_own() -> None:
    """The launch of an attempt does not count for the next."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    for event in (state.Event.GIVEN_UP, state.Event.RESUMED):
        state.advance(means.store, "run-a", event, now=1.0)
    jobs.begin_wave(WAVE, means)
    assert launcher.launched == [("run-a", 2, 2)] * 2


def test_launch_that_failed_can_be_tried_again() -> None:
    """Nothing was noted, so the next try starts."""
    means, launcher = planned()
    launcher.is_away = True
    with pytest.raises(LaunchError):
        jobs.begin_wave(WAVE, means)
    launcher.is_away = False
    jobs.begin_wave(WAVE, means)
    assert launcher.launched == [("run-a", 2, 2)]


def test_nothing_is_launched_where_no_job_runner_is_set_up() -> None:
    """The setting was taken away since the run was accepted."""
    means, _ = planned()
    bare = make_means(means.store, clock=means.clock)
    for ask in (lambda: jobs.begin_wave(WAVE, bare), lambda: jobs.look_at_block(BLOCK, bare)):
        with pytest.raises(LaunchError, match="not set up"):
            ask()


def test_block_is_left_as_long_as_its_batches_are_not_done() -> None:
    """Held ones and those that workers still come for count alike; nobody is launched for them."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    assert jobs.look_at_block(BLOCK, means) == {"left": 4}
    held(means, 1, 2)
    means.clock.sleep(launcher.coming_s)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 3)
    assert jobs.look_at_block(BLOCK, means) == {"left": 2}
    assert len(launcher.launched) == 1


def test_batches_that_nobody_comes_for_are_launched_for_again() -> None:
    """After the time a worker may take, with as many replicas as they need, as often as the spec says; then they are
    left undone."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    deliver(means, "run-a", 0)
    for launches in (2, 3):
        means.clock.sleep(launcher.coming_s + 1)
        assert jobs.look_at_block(BLOCK, means) == {"left": 3}
        assert len(launcher.launched) == launches
        assert jobs.look_at_block(BLOCK, means) == {"left": 3}, "they are coming"
    assert launcher.launched[1:] == [("run-a", 2, 2)] * 2
    assert means.store.read(keys.launch_key("run-a", 1, 0, 3)) is not None
    means.clock.sleep(launcher.coming_s + 1)
    assert jobs.look_at_block(BLOCK, means) == {"left": 0, "lost": 3}


def test_batches_are_launched_for_at_once_when_all_workers_have_ended() -> None:
    """Nobody is left to take over: what ended the host, say, ended them."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    launcher.over.add(LAUNCH)
    assert jobs.look_at_block(BLOCK, means) == {"left": 4}
    assert len(launcher.launched) == 2


def test_batch_of_a_dead_worker_is_left_to_the_others_for_a_while() -> None:
    """The time for another to come begins when the lease is over."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    held(means, 0, 1, 2, 3)
    means.clock.sleep(means.lease_s + SKEW_S + launcher.coming_s)
    jobs.look_at_block(BLOCK, means)
    assert len(launcher.launched) == 1
    means.clock.sleep(1)
    jobs.look_at_block(BLOCK, means)
    assert len(launcher.launched) == 2


def test_workers_of_an_earlier_wave_get_their_time_to_come_to_the_next() -> None:
    """It counts from when the wave began, not from when they were started."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    means.clock.sleep(1000)
    jobs.begin_wave({**WAVE, "wave": 1}, means)
    second = {**BLOCK, "first": 4}
    assert jobs.look_at_block(second, means) == {"left": 4}
    assert len(launcher.launched) == 1
    means.clock.sleep(launcher.coming_s + 1)
    assert jobs.look_at_block(second, means) == {"left": 4}
    assert len(launcher.launched) == 2


def test_launch_that_was_never_noted_is_made_up_for() -> None:
    """The activity that should have launched failed for good."""
    means, launcher = planned()
    assert jobs.look_at_block(BLOCK, means) == {"left": 4}
    assert launcher.launched == [("run-a", 2, 2)]


def test_all_workers_of_the_attempt_are_stopped() -> None:
    """However often some were launched."""
    means, launcher = planned()
    jobs.begin_wave(WAVE, means)
    launcher.over.add(LAUNCH)
    jobs.begin_wave({**WAVE, "wave": 1}, means)
    launcher.over.clear()
    assert jobs.stop_workers(WAVE, means) == {"stopped": 2}
    assert launcher.stopped == [LAUNCH, keys.launch_key("run-a", 1, 1, 1)]
