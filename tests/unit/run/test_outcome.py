"""A batch's result as one body."""

import json
from dataclasses import replace

import pytest

from doubles.means import renewals
from engine.batch.checkpoint import Archived
from engine.batch.done import Done, Stop
from engine.measure.health import Health
from engine.measure.operation import Operation, Phase
from engine.run.claims import Claim
from engine.run.outcome import BatchOutcome, OutcomeUnreadable, of_done

OUTCOME = BatchOutcome(
    batch=3,
    holder="host/1/ab",
    token=2,
    stop="schedule",
    timeline=renewals(4),
    health=(Health(0, Phase.STEADY, lag_p99_s=0.001),),
    handed=4,
    mismatch="",
    load_start=1.5,
    durations_s={Phase.STEADY: 10.0},
    unprovisioned=1,
    uncleaned=0,
    store_failures=2,
    detail="",
    warnings=("one",),
    search={"unitS": 60.0, "stopWhen": "cert.issued:throttled share>0.05", "knee": {"held": 2.0}, "curve": []},
)


CLAIM = Claim(run_id="run-a", batch=3, holder="me", token=2, taken_at=0.0, expires_at=1.0, must_stop_at=1.0, attempt=4)


def done(stop: Stop, handed: int = 4) -> Done:
    """What a batch's loop returns."""
    return Done(
        timeline=renewals(4),
        health=(),
        stop=stop,
        handed=handed,
        load_start=1.5,
        durations_s={},
        unprovisioned=0,
        uncleaned=0,
        store_failures=1,
        store_detail="runs/x: nobody answers",
    )


def test_result_is_read_as_it_was_written() -> None:
    """Every field, and the timeline to the byte."""
    found = BatchOutcome.decode(OUTCOME.encode())
    assert found.encode() == OUTCOME.encode()
    assert found.timeline.encode() == OUTCOME.timeline.encode()
    assert found.search == OUTCOME.search
    assert (found.batch, found.token, found.health, found.durations_s) == (3, 2, OUTCOME.health, {Phase.STEADY: 10.0})


def test_result_has_what_a_search_found() -> None:
    """And nothing where the load was another."""
    found = of_done(replace(done(Stop.SCHEDULE), search={"curve": []}), CLAIM, warnings=())
    assert found.search == {"curve": []}
    plain = of_done(done(Stop.SCHEDULE), CLAIM, warnings=())
    assert BatchOutcome.decode(plain.encode()).search is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"\xff", json.dumps({"version": 2}).encode()])
def test_unreadable_result_says_so(body: bytes) -> None:
    """Damaged, or of another version."""
    with pytest.raises(OutcomeUnreadable):
        BatchOutcome.decode(body)


@pytest.mark.parametrize("name", ["timeline", "health", "durationsS", "handed", "stop", "search"])
def test_result_without_a_field_is_unreadable(name: str) -> None:
    """Nothing is guessed."""
    document = json.loads(OUTCOME.encode())
    del document[name]
    with pytest.raises(OutcomeUnreadable):
        BatchOutcome.decode(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("stop", "detail"),
    [
        (Stop.SCHEDULE, ""),
        (Stop.CANCELLED, ""),
        (Stop.INVALID_STATE, "a stored certificate was refused, and devices.onInvalid is fail"),
    ],
)
def test_stop_that_needs_words_has_them(stop: Stop, detail: str) -> None:
    """Why the batch ended before its schedule did."""
    found = of_done(done(stop), CLAIM, warnings=())
    assert (found.stop, found.detail) == (stop, detail)


def test_start_that_was_handed_out_and_not_counted_is_a_mismatch() -> None:
    """The batch's own sums are checked before they are merged."""
    assert of_done(done(Stop.SCHEDULE), CLAIM, warnings=()).mismatch == ""
    found = of_done(done(Stop.SCHEDULE, handed=5), CLAIM, warnings=())
    assert found.mismatch == "the schedule handed out 5 starts, 4 were counted"


def test_result_says_whose_it_is() -> None:
    """The claim's batch, holder and token, and the run's attempt."""
    found = BatchOutcome.decode(of_done(done(Stop.SCHEDULE), CLAIM, warnings=()).encode())
    assert (found.batch, found.holder, found.token, found.attempt) == (3, "me", 2, 4)


@pytest.mark.parametrize("stop", Stop)
def test_only_the_schedules_end_is_whole(stop: Stop) -> None:
    """Whatever else ended the batch, a later attempt may go on."""
    assert of_done(done(stop), CLAIM, warnings=()).is_whole == (stop is Stop.SCHEDULE)


def test_result_names_what_was_archived() -> None:
    """Which pieces, and what they add up to: the total is that and the timeline's."""
    kept = replace(OUTCOME, archived=(Archived(1, 7),), past=renewals(3).total())
    found = BatchOutcome.decode(kept.encode())
    assert found.archived == (Archived(1, 7),)
    assert found.total.select(Operation.ITERATION).due == kept.total.select(Operation.ITERATION).due == 7
    assert BatchOutcome.decode(OUTCOME.encode()).total.encode() == renewals(4).total().encode()
    ended = replace(done(Stop.SCHEDULE, handed=7), archived=(Archived(1, 7),), past=renewals(3).total())
    outcome = of_done(ended, CLAIM, warnings=())
    assert (outcome.archived, outcome.mismatch) == ((Archived(1, 7),), "")
    assert outcome.total.encode() == found.total.encode()
