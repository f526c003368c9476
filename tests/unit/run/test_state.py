"""A run's life."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.memory import MemoryStore
from engine.errors import IllegalMove, NotFound, RunRefused, StoreError
from engine.ports import Held
from engine.run.keys import RECENT, recent_key, state_key
from engine.run.state import (
    MOVES,
    BatchCounts,
    Event,
    RunState,
    Stage,
    advance,
    amend,
    ask_cancel,
    decode_state,
    encode_state,
    forget_run,
    list_runs,
    move,
    open_run,
    read_state,
    with_batches,
)

RUN = RunState(run_id="run-1", name="nightly", created=1000.0, spec_digest="abc", labels={"team": "iot"})

STATES = st.builds(
    RunState,
    run_id=st.text(max_size=5),
    name=st.text(max_size=5),
    created=st.floats(0, 1e10),
    spec_digest=st.text(max_size=5),
    scenario=st.text(max_size=5),
    target=st.text(max_size=5),
    labels=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    stage=st.sampled_from(Stage),
    verdict=st.none() | st.text(max_size=5),
    attempt=st.integers(1, 99),
    cancel_requested_at=st.none() | st.floats(0, 1e10),
    deadline_at=st.none() | st.floats(0, 1e10),
    times=st.dictionaries(st.sampled_from(Stage), st.floats(0, 1e10)),
    reasons=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    warnings=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    batches=st.builds(BatchCounts, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)


def opened(store: MemoryStore, stage: Stage = Stage.ACCEPTED) -> None:
    """RUN is in the store, in that stage."""
    open_run(store, replace(RUN, stage=stage))


@given(STATES)
def test_state_survives_storage(state: RunState) -> None:
    """What is read is what was written, types included."""
    again = decode_state("k", encode_state(state))
    assert again == state
    assert type(again.stage) is Stage
    assert {type(stage) for stage in again.times} <= {Stage}


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b'"format":1', b'"format":2', "/format"),
        (b'"format":1', b'"format":1,"colour":"red"', "/colour"),
        (b'"stage":"accepted"', b'"stage":"resting"', "/stage"),
        (b'"attempt":1', b'"attempt":"1"', "/attempt"),
        (b'"lost":0', b'"lost":0,"found":1', "/batches/found"),
        (b'{"run_id"', b'{"id"', "/run_id"),
        (b"{", b"", "/"),
    ],
)
def test_state_that_is_not_ours_is_refused(old: bytes, new: bytes, path: str) -> None:
    """Another format, an unknown field, a wrong type: an error that says where."""
    body = encode_state(RUN)
    assert old in body
    with pytest.raises(StoreError, match=f"k: not a run state of format 1: {path}"):
        decode_state("k", body.replace(old, new, 1))


def test_every_stage_can_be_reached_and_left() -> None:
    """No stage but the first is without a way in, none is without a way out."""
    assert {after for (before, _), after in MOVES.items() if before is not after} == set(Stage) - {Stage.ACCEPTED}
    assert {before for (before, _), after in MOVES.items() if before is not after} == set(Stage)


def test_a_run_takes_its_course() -> None:
    """Planned, driven, merged, closed; each stage's time is when it was entered."""
    state = RUN
    for now, event in enumerate((Event.PLANNED, Event.BATCHES_DONE, Event.CLOSED)):
        state = move(state, event, now=float(now))
    assert state.stage is Stage.FINISHED
    assert state.times == {Stage.RUNNING: 0.0, Stage.MERGING: 1.0, Stage.FINISHED: 2.0}
    assert not state.is_live


@pytest.mark.parametrize(
    ("stage", "event"),
    [(Stage.RUNNING, Event.PLANNED), (Stage.MERGING, Event.BATCHES_DONE), (Stage.FINISHED, Event.CLOSED)],
)
def test_event_that_comes_twice_changes_nothing(stage: Stage, event: Event) -> None:
    """An activity that is tried again reports again, and the time of the first report stays."""
    state = replace(RUN, stage=stage, times={stage: 1.0})
    assert move(state, event, now=2.0) == state


@pytest.mark.parametrize(
    ("stage", "event"),
    [(stage, event) for stage in Stage for event in Event if (stage, event) not in MOVES],
)
def test_what_the_table_does_not_have_is_illegal(stage: Stage, event: Event) -> None:
    """Every other event is refused by name."""
    with pytest.raises(IllegalMove) as caught:
        move(replace(RUN, stage=stage), event, now=1.0)
    assert (caught.value.stage, caught.value.event) == (stage, event)


def test_resuming_begins_the_next_attempt() -> None:
    """The verdict and the cancel of the attempt before are gone, and the orchestration has another id."""
    ended = replace(RUN, stage=Stage.FINISHED, verdict="cancelled", cancel_requested_at=5.0, reasons=("asked",))
    resumed = move(ended, Event.RESUMED, now=9.0)
    assert (resumed.stage, resumed.attempt, resumed.verdict) == (Stage.RUNNING, 2, None)
    assert (resumed.cancel_requested_at, resumed.reasons) == (None, ())
    assert (RUN.instance_id, resumed.instance_id) == ("run-1", "run-1-a2")
    assert resumed.is_live


def test_counts_of_batches_change_one_by_one() -> None:
    """What is not named stays."""
    assert with_batches(with_batches(RUN, planned=4), done=1).batches == BatchCounts(planned=4, done=1)


def test_opening_a_run_twice_finds_the_first() -> None:
    """The same key and the same spec are the same run, whatever has become of it."""
    store = MemoryStore()
    state, is_new = open_run(store, RUN)
    assert is_new
    assert state.times == {Stage.ACCEPTED: 1000.0}
    advance(store, "run-1", Event.PLANNED, now=1001.0)
    again, is_new = open_run(store, replace(RUN, created=2000.0))
    assert not is_new
    assert (again.created, again.stage) == (1000.0, Stage.RUNNING)


def test_a_key_with_another_spec_is_refused() -> None:
    """A run id stands for one spec."""
    store = MemoryStore()
    opened(store)
    with pytest.raises(RunRefused) as caught:
        open_run(store, replace(RUN, spec_digest="xyz"))
    assert caught.value.reason == "key-reused"


class Raced(MemoryStore):
    """A store in which another request opens RUN, and perhaps deletes it, just before we create it."""

    def __init__(self, *, deleted: bool) -> None:
        super().__init__()
        self.deleted = deleted

    def create(self, key: str, body: bytes) -> str:
        """The other request's write first, then ours."""
        if key == state_key("run-1"):
            super().create(key, encode_state(replace(RUN, name="the other")))
        return super().create(key, body)

    def read(self, key: str) -> Held | None:
        """What key holds, but nothing after a deletion."""
        return None if self.deleted and key == state_key("run-1") else super().read(key)


def test_of_two_that_open_a_run_at_once_one_does() -> None:
    """The slower one finds the other's run, and the list has it once."""
    store = Raced(deleted=False)
    state, is_new = open_run(store, replace(RUN, created=1000.5))
    assert (state.name, is_new) == ("the other", False)
    MemoryStore.create(store, recent_key("run-1", RUN.created), b"")
    assert len(list(store.keys(RECENT))) == 2
    assert [run.name for run in list_runs(store)] == ["the other"]


def test_a_run_deleted_while_it_is_opened_is_not_found() -> None:
    """Neither opened nor seen before: the caller may try again."""
    with pytest.raises(NotFound):
        open_run(Raced(deleted=True), RUN)


def test_advance_stores_the_move_and_what_came_with_it() -> None:
    """One write holds the stage, its time and the change."""
    store = MemoryStore()
    opened(store)
    counts = BatchCounts(planned=4)
    state = advance(store, "run-1", Event.PLANNED, now=1001.0, change=lambda state: replace(state, batches=counts))
    assert state == read_state(store, "run-1")
    assert (state.stage, state.batches) == (Stage.RUNNING, counts)
    assert state.times == {Stage.ACCEPTED: 1000.0, Stage.RUNNING: 1001.0}


def test_advance_refuses_what_is_illegal() -> None:
    """An illegal move leaves the stored state as it was."""
    store = MemoryStore()
    opened(store)
    with pytest.raises(IllegalMove):
        advance(store, "run-1", Event.CLOSED, now=1.0)
    assert read_state(store, "run-1").stage is Stage.ACCEPTED


def test_advance_refuses_a_report_from_an_earlier_attempt() -> None:
    """What an orchestration that was resumed has left behind cannot end the new attempt."""
    store = MemoryStore()
    opened(store, Stage.FINISHED)
    advance(store, "run-1", Event.RESUMED, now=1.0, attempt=1)
    with pytest.raises(IllegalMove, match="in attempt 2"):
        advance(store, "run-1", Event.BATCHES_DONE, now=2.0, attempt=1)
    assert advance(store, "run-1", Event.BATCHES_DONE, now=2.0, attempt=2).stage is Stage.MERGING


def test_unknown_run_is_not_found() -> None:
    """Reading, changing and cancelling what is not there say so."""
    store = MemoryStore()
    with pytest.raises(NotFound):
        read_state(store, "run-1")
    with pytest.raises(NotFound):
        amend(store, "run-1", lambda state: state)
    with pytest.raises(NotFound):
        ask_cancel(store, "run-1", now=1.0)


@pytest.mark.parametrize("stage", [Stage.ACCEPTED, Stage.RUNNING, Stage.DRAINING])
def test_cancel_raises_the_flag_once(stage: Stage) -> None:
    """The run drains; asking again, even after its end, is harmless and keeps the first time."""
    store = MemoryStore()
    opened(store, stage)
    state = ask_cancel(store, "run-1", now=5.0)
    assert (state.stage, state.cancel_requested_at) == (Stage.DRAINING, 5.0)
    ask_cancel(store, "run-1", now=6.0)
    advance(store, "run-1", Event.GIVEN_UP, now=7.0)
    assert ask_cancel(store, "run-1", now=8.0).cancel_requested_at == 5.0


def test_cancel_twice_by_event_keeps_the_first_time() -> None:
    """The table lets the event repeat, the flag does not move."""
    asked = move(replace(RUN, stage=Stage.RUNNING), Event.CANCEL_ASKED, now=5.0)
    assert move(asked, Event.CANCEL_ASKED, now=6.0) == asked


@pytest.mark.parametrize("stage", [Stage.MERGING, Stage.FINISHED])
def test_cancel_that_comes_too_late_is_refused(stage: Stage) -> None:
    """A run with nothing left to stop does not pretend to have been cancelled."""
    store = MemoryStore()
    opened(store, stage)
    with pytest.raises(IllegalMove):
        ask_cancel(store, "run-1", now=5.0)


def test_list_has_the_newest_first() -> None:
    """Runs come by age, whatever their names; one that is gone is skipped."""
    store = MemoryStore()
    for run_id, created in (("bbbb", 1.0), ("aaaa", 3.0), ("cccc", 2.0), ("dddd", 4.0)):
        open_run(store, replace(RUN, run_id=run_id, created=created))
    store.delete(state_key("dddd"))
    assert [run.run_id for run in list_runs(store)] == ["aaaa", "cccc", "bbbb"]


def test_forgotten_run_leaves_nothing() -> None:
    """State and place in the list are gone, and the id is free again."""
    store = MemoryStore()
    opened(store)
    forget_run(store, read_state(store, "run-1"))
    assert list(store.keys("")) == []
