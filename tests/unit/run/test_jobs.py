"""Workers launched and awaited, in virtual time."""

from typing import Any

import pytest

from doubles.clock import VirtualClock
from doubles.launcher import NotedLauncher
from doubles.means import deliver, make_means, plan
from engine.adapters.memory import MemoryStore
from engine.errors import LaunchError
from engine.run import jobs
from engine.run.claims import SKEW_S, Claims
from engine.run.means import Means

SPEC: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 10},
    "execution": {"runner": "job", "cpu": 2, "batchSize": 2, "maxParallelBatches": 2},
}
"""Ten batches of a device each, in waves of four, four and two."""

WAVE = {"runId": "run-a", "attempt": 1, "wave": 2}
BATCH = {"runId": "run-a", "attempt": 1, "batch": 3}


def planned() -> tuple[Means, NotedLauncher]:
    """A run that is planned, and who would launch its workers."""
    store = MemoryStore()
    launcher = NotedLauncher(store)
    means = make_means(store, launcher=launcher)
    assert plan(means, "run-a", SPEC)["launches"] is True
    return means, launcher


class Watched(VirtualClock):
    """A clock that calls back whenever somebody sleeps."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call

    def sleep(self, for_s: float) -> None:
        """Time passes, and then something happens."""
        super().sleep(for_s)
        self._call(self)


def test_wave_gets_the_replicas_that_its_batches_need_once() -> None:
    """A process per batch, two to a replica; tried again, nothing is started again."""
    means, launcher = planned()
    assert jobs.launch_wave({**WAVE, "wave": 0}, means) == {"wave": 0, "replicas": 2}
    assert jobs.launch_wave({**WAVE, "wave": 0}, means) == {"wave": 0, "replicas": 2}
    jobs.launch_wave(WAVE, means)
    assert launcher.launched == [("run-a", 2, 2), ("run-a", 1, 2)]
    jobs.launch_wave({**WAVE, "attempt": 2}, means)
    assert len(launcher.launched) == 3, "a resumed run has workers of its own"


def test_launch_that_failed_can_be_tried_again() -> None:
    """Nothing was noted, so the next try starts."""
    means, launcher = planned()
    launcher.is_away = True
    with pytest.raises(LaunchError):
        jobs.launch_wave(WAVE, means)
    launcher.is_away = False
    jobs.launch_wave(WAVE, means)
    assert launcher.launched == [("run-a", 1, 2)]


def test_nothing_is_launched_where_no_job_runner_is_set_up() -> None:
    """The setting was taken away since the run was accepted."""
    means, _ = planned()
    with pytest.raises(LaunchError, match="not set up"):
        jobs.launch_wave(WAVE, make_means(means.store))


def test_batch_that_a_worker_finished_is_done() -> None:
    """At once, and nobody is launched for it, however often it is asked for."""
    means, launcher = planned()
    deliver(means, "run-a", 3)
    for _ in range(2):
        assert jobs.await_batch(BATCH, means) == {"batch": 3, "stop": "done-by-worker"}
    assert launcher.launched == []


def test_batch_is_awaited_as_long_as_somebody_holds_it() -> None:
    """Through many leases, as long as they are renewed."""
    means, launcher = planned()
    claim = Claims(means.store, means.clock, means.lease_s).take("run-a", 3, "worker")
    assert claim is not None

    def renew(clock: VirtualClock) -> None:
        claims = Claims(means.store, clock, means.lease_s)
        if clock.now() < 10 * means.lease_s:
            claims.renew(claim)
        else:
            claims.release(claim)

    clock = Watched(renew)
    jobs.await_batch(BATCH, make_means(means.store, clock=clock, launcher=launcher))
    assert clock.now() >= 10 * means.lease_s
    assert launcher.launched == []


def test_batch_that_nobody_comes_for_is_launched_for_by_the_next_attempt() -> None:
    """The first attempt fails after the time a worker may take; every one after it launches one replica more."""
    means, launcher = planned()
    for attempt in range(3):
        before = means.clock.now()
        with pytest.raises(LaunchError, match="no worker comes"):
            jobs.await_batch(BATCH, means)
        assert means.clock.now() - before == pytest.approx(means.lease_s + jobs.COMING_S, abs=1)
        assert launcher.launched == [("run-a", 1, 1)] * attempt


def test_batch_of_a_dead_worker_is_given_up_after_its_lease() -> None:
    """The time for another to come begins when the lease is over."""
    means, _ = planned()
    Claims(means.store, means.clock, means.lease_s).take("run-a", 3, "dead")
    before = means.clock.now()
    with pytest.raises(LaunchError):
        jobs.await_batch(BATCH, means)
    assert means.clock.now() - before == pytest.approx(2 * means.lease_s + SKEW_S + jobs.COMING_S, abs=2)


def test_batch_that_somebody_holds_for_ever_is_given_up_by_its_deadline() -> None:
    """A worker that renews and renews is not awaited for ever."""
    means, launcher = planned()
    claim = Claims(means.store, means.clock, means.lease_s).take("run-a", 3, "slow")
    assert claim is not None
    clock = Watched(lambda clock: Claims(means.store, clock, means.lease_s).renew(claim))
    with pytest.raises(LaunchError, match="does not finish"):
        jobs.await_batch(BATCH, make_means(means.store, clock=clock, launcher=launcher))
