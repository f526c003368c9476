"""How a run ends: judged, or given up, but always ended and its names free."""

import json
from typing import Any

import pytest

from doubles.failing_store import FailingStore
from doubles.means import contents, deliver, make_means, plan, post
from engine.adapters.memory import MemoryStore
from engine.device.bundle import Bundle
from engine.errors import StoreUnavailable
from engine.run import keys, planning, pool, state
from engine.run.claims import Claims
from engine.run.closing import close_run, give_up
from engine.run.home import DeviceState, Span
from engine.run.means import Means
from engine.run.state import Event, Stage

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 4}, "execution": {"batchSize": 2}}
WAVES: dict[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 4},
    "execution": {"batchSize": 2, "maxParallelBatches": 1},
}
ORDER = {"runId": "run-a", "attempt": 1}


def run_of(means: Means) -> state.RunState:
    """The run's state."""
    return state.read_state(means.store, "run-a")


def ranges(means: Means) -> list[tuple[int, int, str | None, bool]]:
    """The pool: first, count, holder, stored."""
    held = means.store.read("counter/device-.json")
    assert held is not None
    found = json.loads(held.body)["ranges"]
    return [(one["first"], one["count"], one["holder"], one["stored"]) for one in found]


def keep_state(means: Means, *indexes: int) -> None:
    """Devices that have state."""
    devices = DeviceState(means.store, "data", "device-", means.wrapping_key)
    kept = [Bundle(f"device-{index}", "hub", b"key", (b"leaf",)) for index in indexes]
    devices.add(Span(0, 10), "0-blob", kept)


def test_run_is_judged_and_written() -> None:
    """Verdict and counts in the state, five documents among the results, the names free again."""
    means = make_means()
    plan(means, "run-a", SPEC)
    keep_state(means, 0, 1, 3)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    assert close_run(ORDER, means) == {"verdict": "passed", "exitCode": 0}
    found = run_of(means)
    assert (found.stage, found.verdict, found.reasons) == (Stage.FINISHED, "passed", ())
    assert (found.batches.planned, found.batches.done, found.batches.lost) == (2, 2, 0)
    documents = ("summary.json", "timeline.csv", "charts.json", "report.md", "report.html")
    assert set(contents(means.results)) == {f"run-a/{name}" for name in documents}
    assert ranges(means) == [(0, 2, None, True), (3, 1, None, True)]


def test_closing_again_is_the_same() -> None:
    """The receipt of a run that is closed already, and nothing is written."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    receipt = close_run(ORDER, means)
    before = contents(means.store) | contents(means.results)
    assert close_run(ORDER, means) == receipt
    assert contents(means.store) | contents(means.results) == before


@pytest.mark.parametrize("after", range(1, 30))
def test_closing_that_failed_half_way_is_finished_by_the_next_try(after: int) -> None:
    """Wherever the store went away, the next try comes to the same end."""
    memory, documents = MemoryStore(), MemoryStore()
    means = make_means(memory, results=documents)
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    planning.stop_run(ORDER, means)
    failing = make_means(FailingStore(memory, after=after), results=documents, clock=means.clock)
    try:
        close_run(ORDER, failing)
    except StoreUnavailable:
        assert run_of(means).stage in (Stage.DRAINING, Stage.MERGING)
    assert close_run(ORDER, means) == {"verdict": "aborted", "exitCode": 97}
    assert run_of(means).reasons == ("the run was past its deadline",)
    assert all(holder is None for _, _, holder, _ in ranges(means))


def test_batch_without_a_result_is_an_error_that_names_it() -> None:
    """Somebody took it and never delivered."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    Claims(means.store, means.clock, 30.0).take("run-a", 1, "dead")
    assert close_run(ORDER, means)["verdict"] == "error"
    found = run_of(means)
    assert found.reasons[0] == "batch 1 was lost: it left no result and no checkpoint"
    assert (found.batches.done, found.batches.lost) == (1, 1)


def test_batch_that_nobody_took_is_an_error_that_names_it() -> None:
    """Its activity failed before it came to that."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    assert close_run(ORDER, means)["verdict"] == "error"
    assert run_of(means).reasons[0] == "batch 1 never began: nobody took it"


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ("refused", "batch 1 could not run: x"),
        ("invalid-stored-certificate", "batch 1 did not begin: x"),
    ],
)
def test_batch_that_could_not_finish_is_an_error(stop: str, words: str) -> None:
    """The verdict is error and the first reason says which batch and why."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1, stop=stop, detail="x")
    assert close_run(ORDER, means) == {"verdict": "error", "exitCode": 1}
    assert run_of(means).reasons[0] == words


def test_cancelled_run_is_cancelled_though_waves_never_began() -> None:
    """A person stopped it: batches that nobody took are nobody's fault."""
    means = make_means()
    plan(means, "run-a", WAVES)
    deliver(means, "run-a", 0, stop="cancelled")
    state.ask_cancel(means.store, "run-a", now=means.clock.wall())
    assert close_run(ORDER, means)["verdict"] == "cancelled"
    found = run_of(means)
    assert found.reasons[0] == "cancelled at 2023-11-14T22:13:20.000Z"
    assert (found.batches.done, found.batches.lost) == (1, 0)


def test_run_past_its_deadline_is_aborted() -> None:
    """The flag was raised by the run itself, which says why."""
    means = make_means()
    plan(means, "run-a", WAVES)
    deliver(means, "run-a", 0)
    planning.stop_run(ORDER, means)
    assert close_run(ORDER, means) == {"verdict": "aborted", "exitCode": 97}


def test_sums_that_do_not_agree_make_the_run_invalid() -> None:
    """What the schedule handed out was not all counted."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1, mismatch="the schedule handed out 6 starts, 5 were counted")
    assert close_run(ORDER, means) == {"verdict": "invalid", "exitCode": 98}
    assert "batch 1: the schedule handed out 6 starts, 5 were counted" in run_of(means).reasons


def test_warnings_of_batches_reach_the_state() -> None:
    """Store failures and stored state that could not be used."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0, store_failures=3)
    deliver(means, "run-a", 1, warnings=("stored state was not used: damaged",))
    close_run(ORDER, means)
    assert "batch 0: the store failed 3 times while it ran" in run_of(means).warnings
    assert "batch 1: stored state was not used: damaged" in run_of(means).warnings


def test_run_that_was_never_planned_ends_with_its_reason() -> None:
    """An error that says why; its names are free, and those with state are still known to have it."""
    means = make_means()
    keep_state(means, 1, 2)
    post(means, "run-0", {**SPEC, "devices": {"startIndex": 0, "count": 4}})
    give_up({"runId": "run-0", "attempt": 1, "why": "for the test"}, means)
    post(means, "run-a", SPEC)
    assert ranges(means) == [(1, 2, "run-a", True), (4, 2, "run-a", False)]
    assert close_run({**ORDER, "why": "held by run b"}, means) == {"verdict": "error", "exitCode": 1}
    assert run_of(means).reasons == ("the run was given up: held by run b",)
    assert ranges(means) == [(1, 2, None, True)]


def test_run_whose_plan_was_never_announced_is_given_up() -> None:
    """The plan was written, then the store went away: no batch was asked for."""
    memory = MemoryStore()
    means = make_means(memory)
    post(means, "run-a", SPEC)
    store = FailingStore(memory, "states/run-a", only_writes=True)
    with pytest.raises(StoreUnavailable):
        planning.plan_run(ORDER, make_means(store, clock=means.clock))
    assert close_run(ORDER, means)["verdict"] == "error"
    assert run_of(means).stage is Stage.FINISHED
    assert all(holder is None for _, _, holder, _ in ranges(means))


@pytest.mark.parametrize("key", [keys.spec_key("run-a"), keys.plan_key("run-a")])
@pytest.mark.parametrize("body", [None, b"not JSON", b'{"version": 7}'])
def test_run_with_unreadable_documents_is_given_up(key: str, body: bytes | None) -> None:
    """It ends, and says which document is at fault."""
    means = make_means()
    plan(means, "run-a", SPEC)
    held = means.store.read(key)
    assert held is not None
    if body is None:
        means.store.delete(key)
    else:
        means.store.replace(key, body, held.version)
    assert close_run(ORDER, means)["verdict"] == "error"
    assert key in run_of(means).reasons[0]


def test_giving_up_keeps_a_verdict_that_is_there() -> None:
    """A run that was closed is not given up afterwards."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    close_run(ORDER, means)
    assert give_up({**ORDER, "why": "late"}, means) == {"verdict": "passed", "exitCode": 0}
    assert run_of(means).reasons == ()


def test_giving_up_frees_the_names() -> None:
    """Whatever was wrong with closing: the next run can have them."""
    means = make_means()
    plan(means, "run-a", SPEC)
    give_up({**ORDER, "why": "it could not be closed"}, means)
    assert pool.holdings(means.store, "counter/device-.json", "run-a") == ()
    assert run_of(means).reasons == ("the run was given up: it could not be closed",)


@pytest.mark.parametrize(("cleanup", "is_kept"), [("keep", True), ("delete", False), ("delete-on-pass", True)])
def test_names_of_the_registry_have_state_where_it_keeps_them(cleanup: str, is_kept: bool) -> None:
    """The next run that may reuse devices gets those that the registry holds; deleted ones are used up."""
    means = make_means()
    spec = {"scenario": "adr-patch", "devices": {"count": 4, "prefix": "device-"}, "cleanup": cleanup}
    plan(means, "run-a", spec)
    give_up({**ORDER, "why": "it could not be closed"}, means)
    assert ranges(means) == ([(0, 4, None, True)] if is_kept else [])


def test_run_that_a_threshold_stopped_need_not_have_begun_everything() -> None:
    """The batches of later waves never began, and that is no error of ours: the run has failed by its threshold."""
    means = make_means()
    plan(means, "run-a", WAVES)
    deliver(means, "run-a", 0)
    state.ask_stop(means.store, "run-a", state.Stopped("failed", ("cert.issued p(95)<=1: found 9 ms",)), now=1.0)
    assert close_run(ORDER, means) == {"verdict": "failed", "exitCode": 99}
    assert run_of(means).reasons == ("cert.issued p(95)<=1: found 9 ms",)


def test_attempt_that_could_not_be_planned_is_an_error_that_says_why() -> None:
    """What the attempt before it had measured is still there to be read."""
    means = make_means()
    plan(means, "run-a", WAVES)
    deliver(means, "run-a", 0)
    state.ask_cancel(means.store, "run-a", now=1.0)
    close_run(ORDER, means)
    state.advance(means.store, "run-a", Event.RESUMED, now=2.0)
    assert close_run({**ORDER, "attempt": 2, "why": "held by run b"}, means)["verdict"] == "error"
    assert run_of(means).reasons[0] == "attempt 2 was not carried out: held by run b"


def test_run_is_given_up_by_its_own_attempt_only() -> None:
    """Whoever is late by an attempt ends nothing."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for event in (Event.GIVEN_UP, Event.RESUMED):
        state.advance(means.store, "run-a", event, now=1.0)
    give_up({**ORDER, "why": "late"}, means)
    assert run_of(means).stage is Stage.RUNNING
