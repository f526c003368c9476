"""A worker over a memory and in virtual time; its batches are refused, which takes no devices to finish one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from doubles.clock import VirtualClock
from doubles.failing_store import FailingStore
from doubles.means import FixedSecrets, deliver, make_means, plan
from engine.errors import NotFound, StoreError, StoreUnavailable
from engine.ports import Store
from engine.run import activities, jobs, keys, record, state
from engine.run.activities import AWAY_S
from engine.run.claims import Claims
from engine.run.means import Means
from engine.run.outcome import BatchOutcome
from engine.run.worker import work

WAVES: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 10},
    "execution": {"batchSize": 2, "maxParallelBatches": 3},
}


def planned(store: Store | None = None, **changes: Any) -> Means:
    """A run of two waves, batches 0 to 2 and 3 to 4, where no device can get its key."""
    means = make_means(store, secrets=FixedSecrets(), **changes)
    plan(means, "run-a", WAVES)
    return means


def result_of(means: Means, batch: int) -> BatchOutcome:
    """What a batch left."""
    fenced = record.read_fenced(means.store, keys.result_key("run-a", batch))
    assert fenced is not None
    return BatchOutcome.decode(fenced.body)


def done(receipts: list[dict[str, Any]]) -> list[int]:
    """The batches of these receipts, in the order in which they were finished."""
    return [receipt["batch"] for receipt in receipts]


@pytest.mark.parametrize(("seed", "order"), [(0, [0, 1, 2]), (7, [1, 2, 0])])
def test_worker_drives_every_batch_of_the_wave_from_a_place_of_its_own(seed: int, order: list[int]) -> None:
    """Each under a name of its own; then it waits for the next wave, and ends with the last."""
    clock = Calling(lambda: jobs.reach_wave({"runId": "run-a", "wave": 1}, means))
    means = planned(new_seed=lambda: seed, clock=clock)
    receipts = done(work("run-a", means))
    assert receipts[:3] == order
    assert sorted(receipts[3:]) == [3, 4]
    assert len({result_of(means, batch).holder for batch in range(5)}) == 5
    assert work("run-a", means) == []


def last_wave(**changes: Any) -> Means:
    """The same run, all of whose waves but the last are over: batches 0 to 2, for lack of others."""
    means = make_means(secrets=FixedSecrets(), **changes)
    plan(means, "run-a", {**WAVES, "devices": {"count": 6}})
    return means


def test_worker_leaves_what_is_done() -> None:
    """A batch is driven once."""
    means = last_wave(new_seed=lambda: 0)
    deliver(means, "run-a", 1)
    assert done(work("run-a", means)) == [0, 2]


@pytest.mark.parametrize("after", [0, 1, 5, 9, 14])
def test_worker_waits_for_a_store_that_is_away(after: int) -> None:
    """Whatever it was about to ask; then it drives every batch, those that it had to leave included."""
    means = last_wave(new_seed=lambda: 0)
    store = FailingStore(means.store, after=after, calls=20)
    assert sorted(set(done(work("run-a", replace(means, store=store))))) == [0, 1, 2]
    assert store.failed == 20
    assert means.clock.now() < AWAY_S


def test_worker_ends_when_the_store_stays_away() -> None:
    """With the store's error, after as long as a result waits to be delivered."""
    means = planned()
    with pytest.raises(StoreUnavailable):
        work("run-a", replace(means, store=FailingStore(means.store)))
    assert means.clock.now() >= AWAY_S


class Calling(VirtualClock):
    """A clock in which something happens whenever somebody sleeps."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call

    def sleep(self, for_s: float) -> None:
        """Time passes, and then it happens."""
        super().sleep(for_s)
        self._call()


class Renewing(VirtualClock):
    """A clock in whose every moment others renew the claims that they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Any] = []
        self.means: Means | None = None

    def sleep(self, for_s: float) -> None:
        """Time passes, and every holder lives."""
        super().sleep(for_s)
        if self.means is not None:
            claims = Claims(self.means.store, self, self.means.lease_s)
            self.held = [claims.renew(claim) for claim in self.held]


def test_surplus_worker_ends_when_all_holders_are_seen_to_live() -> None:
    """Whoever renewed is alive and needs nobody."""
    clock = Renewing()
    means = last_wave(clock=clock)
    claims = Claims(means.store, clock, means.lease_s)
    clock.held, clock.means = [claims.take("run-a", number, f"other-{number}") for number in range(3)], means
    before = clock.now()
    assert work("run-a", means) == []
    assert clock.now() - before < means.lease_s


def test_worker_takes_over_from_a_holder_that_died() -> None:
    """It stays while a lease runs that nobody renews, although another holder lives."""
    clock = Renewing()
    means = last_wave(clock=clock)
    claims = Claims(means.store, clock, means.lease_s)
    claims.take("run-a", 2, "dead")
    clock.held, clock.means = [claims.take("run-a", number, f"other-{number}") for number in range(2)], means
    assert done(work("run-a", means)) == [2]
    assert result_of(means, 2).token == 2


def test_worker_ends_with_the_run() -> None:
    """Nothing is driven of a run that is being closed, or has ended."""
    means = last_wave()
    for event in (state.Event.BATCHES_DONE, state.Event.GIVEN_UP):
        state.advance(means.store, "run-a", event, now=1.0)
        assert work("run-a", means) == []


def test_worker_of_a_cancelled_run_still_brings_results() -> None:
    """A run that drains wants to hear of every batch, also that nothing came of it."""
    means = last_wave()
    state.ask_cancel(means.store, "run-a", now=1.0)
    assert sorted(done(work("run-a", means))) == [0, 1, 2]


def test_worker_of_an_unknown_run_finds_nothing() -> None:
    """There is no plan."""
    with pytest.raises(NotFound):
        work("nobody", make_means())


def test_worker_that_fails_gives_its_claim_back() -> None:
    """Another may take the batch at once."""
    means = last_wave(new_seed=lambda: 0)
    held = means.store.read(keys.spec_key("run-a"))
    assert held is not None
    means.store.replace(keys.spec_key("run-a"), b"{", held.version)
    with pytest.raises(StoreError):
        work("run-a", means)
    assert not Claims(means.store, means.clock, means.lease_s).standing("run-a", 0).is_held


def test_worker_that_lost_its_batch_goes_on() -> None:
    """Somebody newer drives it; there are others."""
    means = last_wave(new_seed=lambda: 0)

    class Stolen(FixedSecrets):
        """Secrets whose first reading takes so long that the batch goes to somebody else."""

        def read(self, name: str) -> bytes:
            """Too late, once."""
            if means.clock.now() < means.lease_s:
                means.clock.sleep(2 * means.lease_s)
                assert activities.run_batch({"runId": "run-a", "attempt": 1, "batch": 0}, means)["stop"] == "refused"
            return super().read(name)

    assert done(work("run-a", make_means(means.store, clock=means.clock, secrets=Stolen(), new_seed=lambda: 0))) == [
        1,
        2,
    ]
    assert result_of(means, 0).token == 2
