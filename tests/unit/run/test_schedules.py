"""What a tick of the timer starts."""

import json
from typing import Any

from doubles.means import make_means, plan, post
from engine.run import state
from engine.run.closing import give_up
from engine.run.schedules import tick

SPEC: dict[str, Any] = {"scenario": "cert-renewal"}
BODY = json.dumps(SPEC).encode()


def test_nothing_is_started_without_a_spec() -> None:
    """The timer ticks anyway."""
    assert list(tick(make_means())) == []


def test_doubled_tick_starts_one_run() -> None:
    """Within a minute the run is the same; the second tick finds it under way."""
    means = make_means(scheduled_spec=BODY)
    first = list(tick(means))
    again = list(tick(make_means(means.store, clock=means.clock, scheduled_spec=BODY)))
    assert [found.status for found in first] == [202]
    assert first[0].start == ("scheduled-20231114-2213", {"runId": "scheduled-20231114-2213", "attempt": 1})
    assert again == []
    assert [found.run_id for found in state.list_runs(means.store)] == ["scheduled-20231114-2213"]


def test_next_firing_is_skipped_while_the_last_run_goes_on() -> None:
    """Runs of the schedule do not overlap; other runs do not matter."""
    means = make_means(scheduled_spec=BODY)
    list(tick(means))
    plan_now(means, "scheduled-20231114-2213")
    means.clock.sleep(300)
    assert list(tick(means)) == []
    give_up({"runId": "scheduled-20231114-2213", "why": "it is over"}, means)
    plan(means, "by-hand", SPEC)
    means.clock.sleep(300)
    assert [found.start and found.start[0] for found in tick(means)] == ["scheduled-20231114-2223"]


def plan_now(means: Any, run_id: str) -> None:
    """The run is under way."""
    state.advance(means.store, run_id, state.Event.PLANNED, now=means.clock.wall())


def test_scheduled_spec_that_is_wrong_is_told() -> None:
    """The answer that a client would have got."""
    (found,) = tick(make_means(scheduled_spec=b'{"scenario": "nothing"}'))
    assert (found.status, json.loads(found.body)["code"]) == (400, "spec-invalid")


def test_run_that_was_never_started_is_picked_up() -> None:
    """Its request died between accepting and starting; a younger run may yet be started by its own."""
    means = make_means()
    post(means, "orphan", SPEC)
    assert list(tick(means)) == []
    means.clock.sleep(61)
    post(means, "young", SPEC)
    plan(means, "planned", SPEC)
    assert [found.start for found in tick(means)] == [("orphan", {"runId": "orphan", "attempt": 1})]
