"""Runs and their devices' leavings, deleted by request."""

import json
from dataclasses import replace
from typing import Any

import pytest

from doubles.failing_store import FailingStore
from doubles.means import contents, deliver, make_means, plan, post
from engine.device.bundle import Bundle
from engine.errors import IllegalMove, RunRefused, StoreUnavailable
from engine.run import api, pool, state
from engine.run.answers import Answer, Handler, Request, answer
from engine.run.closing import close_run
from engine.run.home import DeviceState, Span
from engine.run.means import Means
from engine.run.removal import delete_devices, delete_run, remove_run
from engine.run.state import Event, read_state

ORDER = {"runId": "run-a", "attempt": 1}
KEY = "counter/device-.json"
SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 4}, "execution": {"batchSize": 2}}


def ask(handler: Handler, means: Means, run_id: str = "run-a") -> Answer:
    """A request about a run."""
    return answer(handler, Request(run_id=run_id), means)


def code(found: Answer) -> str:
    """The code of a refusal."""
    return str(json.loads(found.body)["code"])


def closed(means: Means | None = None, run_id: str = "run-a", **spec: Any) -> Means:
    """Means with a run that has ended, and whose devices have state."""
    means = means or make_means()
    plan(means, run_id, {**SPEC, **spec})
    (held,) = pool.holdings(means.store, KEY, run_id)
    devices = DeviceState(means.store, "data", "device-", means.wrapping_key)
    kept = [Bundle(f"device-{held.first + n}", "hub", b"key", (b"leaf",)) for n in range(4)]
    devices.add(Span(held.first, 4), f"0-{run_id}", kept)
    for batch in range(2):
        deliver(means, run_id, batch)
    close_run({**ORDER, "runId": run_id}, means)
    return means


def test_clean_up_is_begun_and_its_orchestration_started() -> None:
    """202 with how it stands; the names are the run's again, so that no other run takes the devices meanwhile."""
    means = closed()
    found = ask(delete_devices, means)
    assert (found.status, found.orchestrator) == (202, "clean")
    assert found.start == ("run-a.clean-1", {"runId": "run-a"})
    assert json.loads(found.body)["cleanup"]["isOver"] is False
    assert [(one.first, one.count) for one in pool.holdings(means.store, KEY, "run-a")] == [(0, 4)]
    assert read_state(means.store, "run-a").cleaning == state.Cleaning(
        1, means.clock.wall() + state.CLEANS_FOR_S, is_asked=True
    )


def test_clean_up_that_is_asked_for_again_is_the_same_until_it_has_ended() -> None:
    """Then it is a new one, with an orchestration of its own."""
    means = closed()
    first = ask(delete_devices, means)
    assert ask(delete_devices, means).start == first.start
    ended = lambda found: replace(found, cleaning=replace(found.cleaning, ended_at=1.0))  # noqa: E731
    state.amend(means.store, "run-a", ended)
    assert ask(delete_devices, means).start == ("run-a.clean-2", {"runId": "run-a"})


def test_clean_up_that_the_run_itself_carries_out_is_not_begun_a_second_time() -> None:
    """202 with how it stands, and no orchestration is started: the run's own is at it."""
    means = closed(cleanup="delete")
    found = ask(delete_devices, means)
    assert (found.status, found.start) == (202, None)
    assert read_state(means.store, "run-a").cleaning == state.Cleaning(1, means.clock.wall() + state.CLEANS_FOR_S)


def test_clean_up_that_nobody_ended_in_time_is_begun_anew() -> None:
    """Its names are free by then, too."""
    means = closed()
    ask(delete_devices, means)
    means.clock.sleep(state.CLEANS_FOR_S + 1)
    assert ask(delete_devices, means).start == ("run-a.clean-2", {"runId": "run-a"})


def test_devices_that_another_run_holds_are_refused() -> None:
    """409, and nothing is begun."""
    means = closed()
    pool.allot(means.store, KEY, "run-b", 1, pool.Source.REUSE_OR_CREATE, until=9e9, now=0.0)
    found = ask(delete_devices, means)
    assert (found.status, code(found)) == (409, "overlap")
    assert read_state(means.store, "run-a").cleaning is None
    assert pool.holdings(means.store, KEY, "run-a") == ()


@pytest.mark.parametrize("handler", [delete_devices, delete_run])
def test_live_run_is_left_alone(handler: Handler) -> None:
    """409 as long as anything may happen by itself; nothing is changed."""
    means = make_means()
    plan(means, "run-a", SPEC)
    before = contents(means.store)
    found = ask(handler, means)
    assert (found.status, code(found)) == (409, "in-use")
    assert contents(means.store) == before


@pytest.mark.parametrize("handler", [delete_devices, delete_run])
def test_unknown_run_is_not_found(handler: Handler) -> None:
    """Whatever its id looks like."""
    for run_id in ("nobody", "../x", ""):
        assert ask(handler, make_means(), run_id).status == 404


def test_run_that_was_never_planned_has_no_devices() -> None:
    """404 that says so."""
    means = make_means()
    post(means, "run-a", SPEC)
    close_run({**ORDER, "why": "no such target"}, means)
    found = ask(delete_devices, means)
    assert (found.status, "never planned" in found.body.decode()) == (404, True)


def test_run_that_is_being_cleaned_up_is_not_resumed() -> None:
    """Its devices would be driven and deleted at the same time."""
    means = closed()
    ask(delete_devices, means)
    with pytest.raises(IllegalMove):
        state.advance(means.store, "run-a", Event.RESUMED, now=means.clock.wall())
    means.clock.sleep(state.CLEANS_FOR_S + 1)
    state.advance(means.store, "run-a", Event.RESUMED, now=means.clock.wall())


def test_nothing_is_left_of_a_removed_run_but_what_its_devices_have() -> None:
    """204, then 404 everywhere, also in the list; another run's blobs and all device state stay."""
    means = closed(closed(), "run-b")
    others = {key: body for key, body in contents(means.store).items() if "run-a" not in key or key.startswith("data/")}
    results = {key: body for key, body in contents(means.results).items() if key.startswith("run-b/")}
    found = ask(delete_run, means)
    assert (found.status, found.body) == (204, b"")
    assert found.purge == ("run-a",)
    assert contents(means.store) == others
    assert contents(means.results) == results
    assert ask(api.get_run, means).status == 404
    listed = json.loads(answer(api.get_runs, Request(), means).body)["runs"]
    assert [one["runId"] for one in listed] == ["run-b"]
    assert ask(delete_run, means).status == 404


def test_orchestrations_of_a_removed_run_are_purged_all() -> None:
    """Of every attempt and every clean-up: under its old id a run can begin anew."""
    means = closed()
    cleaned = state.Cleaning(2, 0.0, is_asked=True, ended_at=1.0)
    state.amend(means.store, "run-a", lambda found: replace(found, attempt=2, cleaning=cleaned))
    assert ask(delete_run, means).purge == ("run-a", "run-a-a2", "run-a.clean-1", "run-a.clean-2")


def test_run_that_is_being_cleaned_up_is_not_removed() -> None:
    """409: the clean-up reads its plan."""
    means = closed()
    ask(delete_devices, means)
    found = ask(delete_run, means)
    assert (found.status, code(found)) == (409, "in-use")
    assert "runs/run-a/spec.json" in contents(means.store)


def test_names_that_a_removed_run_still_held_are_free() -> None:
    """A clean-up that was lost held them."""
    means = closed()
    ask(delete_devices, means)
    means.clock.sleep(state.CLEANS_FOR_S + 1)
    assert pool.holdings(means.store, KEY, "run-a")
    assert ask(delete_run, means).status == 204
    assert pool.holdings(means.store, KEY, "run-a") == ()


@pytest.mark.parametrize("after", range(0, 25, 2))
def test_removal_that_failed_half_way_is_done_by_the_next(after: int) -> None:
    """The state goes last: as long as the run can be found it can be removed, and it is never live again."""
    means = closed()
    failing = replace(means, store=FailingStore(means.store, after=after))
    found = read_state(means.store, "run-a")
    try:
        remove_run(found, failing)
    except StoreUnavailable:
        assert "states/run-a.json" in contents(means.store)
        if read_state(means.store, "run-a").removed_at is not None:
            with pytest.raises(IllegalMove):
                state.advance(means.store, "run-a", Event.RESUMED, now=means.clock.wall())
        assert ask(delete_run, means).status == 204
    assert not [key for key in contents(means.store) if "run-a" in key and not key.startswith("data/")]
    assert not contents(means.results)


def test_removal_of_a_run_that_was_resumed_meanwhile_is_refused() -> None:
    """What was read a moment ago does not count."""
    means = closed()
    found = read_state(means.store, "run-a")
    state.advance(means.store, "run-a", Event.RESUMED, now=means.clock.wall())
    with pytest.raises(RunRefused, match="running"):
        remove_run(found, means)
    assert "runs/run-a/spec.json" in contents(means.store)
