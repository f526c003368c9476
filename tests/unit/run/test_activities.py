"""Driving a batch, as far as that goes without devices."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from doubles.failing_store import FailingStore
from doubles.means import FixedSecrets, deliver, make_means, plan
from engine.adapters.memory import MemoryStore
from engine.errors import LaunchError, RunRefused, SettingsError, StoreError, StoreUnavailable
from engine.plan.target import Target
from engine.ports import Wire
from engine.run import activities, keys, pool, record
from engine.run.claims import Claims
from engine.run.means import Means
from engine.run.outcome import BatchOutcome

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 10}, "execution": {"batchSize": 4}}
WAVES: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 10},
    "execution": {"batchSize": 2, "maxParallelBatches": 2},
}
ORDER = {"runId": "run-a", "attempt": 1, "batch": 0}


def held_by(means: Means, run_id: str) -> tuple[pool.Range, ...]:
    """The device names a run holds."""
    return pool.holdings(means.store, keys.counter_key("counter", "device-"), run_id)


def result_of(means: Means, batch: int = 0) -> BatchOutcome:
    """What a batch of run-a left."""
    fenced = record.read_fenced(means.store, keys.result_key("run-a", batch))
    assert fenced is not None
    return BatchOutcome.decode(fenced.body)


def test_batch_that_is_done_is_left_alone() -> None:
    """A doubled activity finds the result and returns."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    assert activities.run_batch(ORDER, means) == {"batch": 0, "stop": "done-before"}


def test_batch_that_was_delivered_but_not_released_is_not_driven_again() -> None:
    """Its holder died between the last two writes: the result stands."""
    means = make_means()
    plan(means, "run-a", SPEC)
    kept = deliver(means, "run-a", 0)
    means.store.delete(keys.claim_key("run-a", 0))
    assert activities.run_batch(ORDER, means) == {"batch": 0, "stop": "delivered-before"}
    assert result_of(means).handed == kept.handed
    assert activities.run_batch(ORDER, means)["stop"] == "done-before"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"descriptors": lambda _: 100}, "the batch needs 204 file descriptors, the process may open 100"),
        ({"descriptors": lambda _: 60_000, "strict_descriptors": True}, "needs 65536 file descriptors"),
        ({"secrets": FixedSecrets()}, "local-group-key: missing"),
    ],
)
def test_batch_that_cannot_run_here_says_so(changes: dict[str, Any], detail: str) -> None:
    """The refusal is a result: trying again on this machine would not help, and the run ends with it."""
    means = make_means(**changes)
    plan(means, "run-a", SPEC)
    assert activities.run_batch(ORDER, means) == {"batch": 0, "stop": "refused"}
    assert detail in result_of(means).detail


@pytest.mark.parametrize(("scenario", "needs_token"), [("adr-patch", True), ("http-probe", False)])
def test_batch_of_the_registry_needs_its_token(scenario: str, needs_token: bool) -> None:
    """No identity, no load; who does not talk to the registry is not asked."""

    def refuse(target: Target) -> Callable[[], str]:
        raise SettingsError({"AZURE_CLIENT_ID": f"no token for {target.name}"})

    def reach(*_: object) -> Wire:
        raise RunRefused("blocked", "the wire was reached")

    means = make_means(tokens=refuse, wire=reach)
    plan(means, "run-a", {"scenario": scenario, "devices": {"count": 2}})
    assert activities.run_batch(ORDER, means)["stop"] == "refused"
    assert result_of(means).detail == ("AZURE_CLIENT_ID: no token for local" if needs_token else "the wire was reached")


def test_batch_with_an_unreadable_checkpoint_is_refused() -> None:
    """Starting over would count again what was counted."""
    means = make_means()
    plan(means, "run-a", SPEC)
    record.fenced_write(means.store, keys.checkpoint_key("run-a", 0), 1, b"{}")
    assert activities.run_batch(ORDER, means)["stop"] == "refused"
    assert "cannot go on" in result_of(means).detail


def test_descriptors_are_raised_towards_the_minimum() -> None:
    """Enough for the batch is enough, unless the minimum is strict."""
    asked: list[int] = []
    means = make_means(descriptors=lambda wanted: asked.append(wanted) or 1000)
    target = means.targets.by_name["local"]
    activities._preflight(800, target, means)
    assert asked == [65_536]
    for devices, changes in ((801, {}), (4, {"strict_descriptors": True})):
        with pytest.raises(RunRefused):
            activities._preflight(devices, target, replace(means, **changes))


def test_batch_waits_for_a_dead_holder() -> None:
    """It takes over when the lease is over, under the next token."""
    means = make_means(secrets=FixedSecrets())
    plan(means, "run-a", SPEC)
    Claims(means.store, means.clock, means.lease_s).take("run-a", 0, "dead")
    before = means.clock.now()
    activities.run_batch(ORDER, means)
    assert means.clock.now() - before >= means.lease_s
    assert result_of(means).token == 2


def test_batch_that_somebody_holds_for_ever_is_given_up() -> None:
    """After the batch's own deadline the activity fails, and names the batch."""
    means = make_means()
    plan(means, "run-a", SPEC)
    claims = Claims(means.store, means.clock, means.lease_s)
    claim = claims.take("run-a", 0, "slow")
    assert claim is not None

    class Renewing(type(means.clock)):  # type: ignore[misc]
        """A clock in whose every moment the other holder renews."""

        def sleep(self, for_s: float) -> None:
            super().sleep(for_s)
            nonlocal claim
            claim = Claims(means.store, self, means.lease_s).renew(claim)

    with pytest.raises(LaunchError, match="batch 0 of run-a"):
        activities.run_batch(ORDER, make_means(means.store, clock=Renewing()))


@pytest.mark.parametrize("spec", [b"{", b'{"version": 2}', b'{"version": 1, "spec": {}, "createdAt": 1}'])
def test_batch_that_fails_gives_its_claim_back(spec: bytes) -> None:
    """The next try need not wait until the lease is over."""
    means = make_means()
    plan(means, "run-a", SPEC)
    held = means.store.read(keys.spec_key("run-a"))
    assert held is not None
    means.store.replace(keys.spec_key("run-a"), spec, held.version)
    with pytest.raises(StoreError):
        activities.run_batch(ORDER, means)
    assert Claims(means.store, means.clock, means.lease_s).take("run-a", 0, "next") is not None


def test_result_is_delivered_when_the_store_comes_back() -> None:
    """A store that is away at the end costs waiting, and nothing that was measured."""
    memory = MemoryStore()
    means = make_means(memory, secrets=FixedSecrets())
    plan(means, "run-a", SPEC)
    store = FailingStore(memory, "runs/run-a/batches/000000/result", after=2, calls=20)
    activities.run_batch(ORDER, make_means(store, clock=means.clock, secrets=FixedSecrets()))
    assert store.failed == 20
    assert result_of(means).stop == "refused"


def test_result_that_cannot_be_delivered_fails_the_activity() -> None:
    """After two minutes the activity says so, and another may try."""
    memory = MemoryStore()
    means = make_means(memory, secrets=FixedSecrets())
    plan(means, "run-a", SPEC)
    store = FailingStore(memory, "runs/run-a/batches/000000/result", after=2)
    with pytest.raises(StoreUnavailable):
        activities.run_batch(ORDER, make_means(store, clock=means.clock, secrets=FixedSecrets()))
    assert means.clock.now() == pytest.approx(activities.DELIVER_FOR_S, abs=2)
