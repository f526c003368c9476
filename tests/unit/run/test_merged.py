"""What a run measured, kept and found again."""

from typing import Any

import pytest

from doubles.means import deliver, make_means, plan, post, renewals
from engine.errors import NotFound, StoreError
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.run import keys, state
from engine.run.closing import close_run, give_up
from engine.run.means import Means
from engine.run.merged import has_merged, read_merged, side_of, write_merged

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 4}, "execution": {"batchSize": 2}}
ORDER = {"runId": "run-a", "attempt": 1}


def finished() -> Means:
    """Run-a has passed."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    close_run(ORDER, means)
    return means


def measured(means: Means) -> Measured:
    """What run-a measured."""
    return read_merged(state.read_state(means.store, "run-a"), means)


def forget(means: Means, prefix: str) -> None:
    """Nothing is left of these."""
    for key in list(means.store.keys(prefix)):
        means.store.delete(key)


def test_closed_run_keeps_what_it_measured() -> None:
    """All batches together, also when they are gone."""
    means = finished()
    forget(means, keys.batches_prefix("run-a"))
    forget(means, keys.plan_key("run-a"))
    assert measured(means).timeline.total().select(Operation.CERT_ISSUED).ok == 10
    assert measured(means).durations_s[Phase.STEADY] == 10.0
    assert has_merged(means.store, "run-a")


def test_run_that_kept_nothing_is_gathered_from_its_batches() -> None:
    """As runs from before measurements were kept: the same numbers."""
    means = finished()
    kept = measured(means)
    forget(means, keys.merged_key("run-a"))
    assert measured(means).encode() == kept.encode()
    assert has_merged(means.store, "run-a")


def test_run_that_goes_on_has_measured_what_its_batches_left() -> None:
    """What an earlier attempt kept is not the last word."""
    means = make_means()
    plan(means, "run-a", SPEC)
    write_merged(means.store, "run-a", Measured(renewals(1), {}))
    deliver(means, "run-a", 0)
    assert measured(means).timeline.total().select(Operation.CERT_ISSUED).ok == 5
    assert side_of(state.read_state(means.store, "run-a"), means).is_partial


def test_run_that_was_given_up_has_measured_what_its_batches_left() -> None:
    """It was never closed, and nothing is lost."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    give_up({**ORDER, "why": "for the test"}, means)
    assert measured(means).timeline.total().select(Operation.CERT_ISSUED).ok == 5
    assert has_merged(means.store, "run-a")


def test_run_without_measurements_says_why() -> None:
    """Not planned yet, never planned, or deleted: 404 in words, and no key in them."""
    means = make_means()
    post(means, "run-a", SPEC)
    with pytest.raises(NotFound, match="run run-a: there are no measurements, it is not planned yet"):
        measured(means)
    give_up({**ORDER, "why": "for the test"}, means)
    with pytest.raises(NotFound, match="it was never planned"):
        measured(means)
    assert not has_merged(means.store, "run-a")
    means = finished()
    forget(means, keys.merged_key("run-a"))
    forget(means, keys.batches_prefix("run-a"))
    with pytest.raises(NotFound, match="its batches left none or are deleted"):
        measured(means)
    assert not has_merged(means.store, "run-a")


def test_damaged_measurement_is_told_apart() -> None:
    """It is there and cannot be read: not the same as never measured, and not replaced by a guess."""
    means = finished()
    key = keys.merged_key("run-a")
    held = means.store.read(key)
    assert held is not None
    means.store.replace(key, held.body[:-4], held.version)
    with pytest.raises(StoreError, match="not a run's measurement") as broken:
        measured(means)
    assert not isinstance(broken.value, NotFound)


def test_keeping_again_is_the_same() -> None:
    """A closing that is tried again writes nothing new, a later attempt replaces it."""
    means = finished()
    before = means.store.read(keys.merged_key("run-a"))
    write_merged(means.store, "run-a", measured(means))
    assert means.store.read(keys.merged_key("run-a")) == before
    write_merged(means.store, "run-a", Measured(renewals(1), {}))
    assert measured(means).timeline.total().select(Operation.CERT_ISSUED).ok == 1


def test_side_tells_what_was_asked_and_what_came_of_it() -> None:
    """Enough to compare with, without the run's documents."""
    means = finished()
    found = side_of(state.read_state(means.store, "run-a"), means)
    assert (found.run_id, found.verdict, found.is_partial) == ("run-a", "passed", False)
    assert (found.scenario, found.target, found.devices) == ("cert-renewal", "local", 4)
    assert found.spec["devices"]["count"] == 4
    assert (found.main, found.counts(found.main).ok, found.load_s) == (Operation.CERT_ISSUED, 10, 10.0)
