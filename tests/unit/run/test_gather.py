"""What the batches of a run have left, put together."""

from typing import Any

import pytest

from doubles.means import deliver, make_means, plan, renewals
from engine.batch import checkpoint
from engine.batch.checkpoint import Archived
from engine.measure.operation import Operation, Phase
from engine.measure.tally import Tally
from engine.run import keys, record
from engine.run.claims import Claims
from engine.run.files import read_plan, read_spec
from engine.run.gather import LOST, NOT_STARTED, UNFINISHED, Gathered, difference, gather
from engine.run.means import Means
from engine.run.state import Event, advance, read_state

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 6}, "execution": {"batchSize": 2}}
WAVES: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 6},
    "execution": {"batchSize": 2, "maxParallelBatches": 2},
}


def gathered(means: Means, missing: str = LOST) -> Gathered:
    """What run-a's batches left."""
    found, planned = read_state(means.store, "run-a"), read_plan(means.store, "run-a")
    return gather(found, planned, read_spec(means.store, "run-a"), means, missing=missing)


def leave(means: Means, key: str, body: bytes, token: int = 1) -> None:
    """Batch 1 was taken and left something."""
    Claims(means.store, means.clock, 30.0).take("run-a", 1, "somebody")
    record.fenced_write(means.store, key, token, body)


def test_results_are_merged() -> None:
    """The total is the sum of the parts, whoever came first."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for batch in (2, 0, 1):
        deliver(means, "run-a", batch)
    found = gathered(means)
    assert [outcome.batch for outcome in found.outcomes] == [0, 1, 2]
    assert found.timeline.total().select(Operation.CERT_ISSUED).ok == 15


def test_phases_of_waves_follow_each_other() -> None:
    """Batches of one wave share the time, waves add it up."""
    means = make_means()
    plan(means, "run-a", WAVES)
    for batch, steady_s in enumerate([10.0, 12.0, 5.0]):
        deliver(means, "run-a", batch, durations_s={Phase.STEADY: steady_s})
    assert gathered(means).durations_s[Phase.STEADY] == 17.0


@pytest.mark.parametrize("missing", [LOST, UNFINISHED])
def test_batch_without_a_result_is_counted_by_its_checkpoint(missing: str) -> None:
    """What it had measured is kept, and that there is no more is said."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    body = checkpoint.encode([renewals(3).encode()], {}, handed=3)
    leave(means, keys.checkpoint_key("run-a", 1), body, token=2)
    found = gathered(means, missing)
    assert (found.outcomes[1].stop, found.outcomes[1].handed, found.outcomes[1].token) == (missing, 3, 2)
    assert found.timeline.total().select(Operation.CERT_ISSUED).ok == 8


def test_batch_that_was_taken_and_left_nothing_is_missing() -> None:
    """It may be on its way, or gone."""
    means = make_means()
    plan(means, "run-a", SPEC)
    leave(means, keys.progress_key("run-a", 1), b"")
    assert [outcome.stop for outcome in gathered(means).outcomes] == [NOT_STARTED, LOST, NOT_STARTED]
    assert [outcome.stop for outcome in gathered(means, UNFINISHED).outcomes] == [NOT_STARTED, UNFINISHED, NOT_STARTED]


@pytest.mark.parametrize("key", [keys.result_key("run-a", 1), keys.checkpoint_key("run-a", 1)])
def test_unreadable_result_is_a_lost_batch(key: str) -> None:
    """Whether the run goes on or not: it will not become readable."""
    means = make_means()
    plan(means, "run-a", SPEC)
    leave(means, key, b"damaged")
    assert gathered(means, UNFINISHED).outcomes[1].stop == LOST


def resumed(means: Means) -> None:
    """The run is in its second attempt."""
    for event in (Event.GIVEN_UP, Event.RESUMED):
        advance(means.store, "run-a", event, now=1.0)


def test_what_an_earlier_attempt_did_not_finish_is_no_result() -> None:
    """Its last checkpoint is counted until the batch delivers again; what was whole stays as it is."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1, stop="cancelled")
    leave(means, keys.checkpoint_key("run-a", 1), checkpoint.encode([renewals(3).encode()], {}, handed=3))
    assert [outcome.stop for outcome in gathered(means).outcomes] == ["schedule", "cancelled", NOT_STARTED]
    resumed(means)
    found = gathered(means)
    assert [outcome.stop for outcome in found.outcomes] == ["schedule", NOT_STARTED, NOT_STARTED]
    assert found.timeline.total().select(Operation.CERT_ISSUED).ok == 8
    assert Claims(means.store, means.clock, means.lease_s, attempt=2).take("run-a", 1, "next") is not None
    assert [outcome.stop for outcome in gathered(means).outcomes] == ["schedule", LOST, NOT_STARTED]


def test_raised_fence_is_no_result() -> None:
    """A holder that only began has delivered nothing."""
    means = make_means()
    plan(means, "run-a", SPEC)
    leave(means, keys.result_key("run-a", 1), b"")
    assert gathered(means).outcomes[1].stop == LOST


def test_difference_of_counters() -> None:
    """Per name and per kind; what was not there before counts from 0; what is no count is left out."""
    after = {"connects": 7, "connacks": {"0": 6, "5": 1}, "seed": "x", "up": True}
    assert difference(after, {"connects": 2, "connacks": {"0": 1}}) == {"connects": 5, "connacks": {"0": 5, "5": 1}}
    assert difference(after, {}) == {"connects": 7, "connacks": {"0": 6, "5": 1}}


def archive(means: Means, token: int, *counts: int) -> tuple[Archived, Tally]:
    """Batch 1 has archived pieces of so many renewals each; what names them, and what they add up to."""
    past = Tally()
    for number, count in enumerate(counts):
        piece = renewals(count)
        past.merge(piece.total())
        means.store.create(keys.piece_key("run-a", 1, token, number), piece.encode())
    return Archived(token, len(counts)), past


def test_archived_pieces_are_counted() -> None:
    """Of a result and of a checkpoint alike, whoever of the holders left them; the outcomes know their totals."""
    for delivers in (True, False):
        means = make_means()
        plan(means, "run-a", SPEC)
        first, past = archive(means, 1, *[2] * 150)
        second, more = archive(means, 3, 4, 5)
        past.merge(more)
        if delivers:
            deliver(means, "run-a", 1, archived=(first, second), past=past)
        else:
            encoded = [renewals(5).encode()]
            body = checkpoint.encode(encoded, {}, handed=314, archived=(first, second), past=past)
            leave(means, keys.checkpoint_key("run-a", 1), body)
        found = gathered(means)
        assert found.timeline.total().select(Operation.CERT_ISSUED).ok == 314
        assert found.outcomes[1].total.encode() == found.timeline.total().encode()
        assert found.outcomes[1].timeline.windows == {}


def test_heat_has_every_batch_with_all_its_windows() -> None:
    """In the order of the plan: what was delivered, what is archived, and those that left nothing."""
    means = make_means()
    plan(means, "run-a", SPEC)
    first, past = archive(means, 1, 2, 3)
    deliver(means, "run-a", 1, archived=(first,), past=past)
    deliver(means, "run-a", 0)
    rows = gathered(means).heat.rows
    assert [(row.name, sum(cell.ended for cell in row.cells.values())) for row in rows] == [
        ("batch 0", 5),
        ("batch 1", 10),
        ("batch 2", 0),
    ]


@pytest.mark.parametrize("body", [None, b"damaged"])
def test_batch_whose_piece_is_missing_is_lost(body: bytes | None) -> None:
    """A part of its numbers would be mistaken for all of them; the others are counted."""
    means = make_means()
    plan(means, "run-a", SPEC)
    first, past = archive(means, 1, 2, 3)
    key = keys.piece_key("run-a", 1, 1, 1)
    means.store.delete(key)
    if body is not None:
        means.store.create(key, body)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1, archived=(first,), past=past)
    found = gathered(means)
    assert (found.outcomes[1].stop, found.timeline.total().select(Operation.CERT_ISSUED).ok) == (LOST, 5)
    assert key in found.outcomes[1].detail
