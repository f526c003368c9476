"""Tests for engine/localhost/events.py and the journal's view of an inbox."""

from datetime import UTC, datetime

import pytest
from durabletask.internal import helpers
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.testing.in_memory_backend import OrchestrationInstance

from engine.localhost import events
from engine.localhost.backend import turn_delay_s
from engine.localhost.journal import inbox

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ASKED = helpers.new_task_scheduled_event(1, "work")
TIMER = helpers.new_timer_created_event(2, NOW)
FIRED = helpers.new_timer_fired_event(2, NOW)
CHILD = helpers.new_sub_orchestration_created_event(3, "child", "id")
DONE = events.task_completed(1, "1")
FAILED = events.task_failed(1, events.failure("ValueError", "no"))
STARTED = helpers.new_orchestrator_started_event(NOW)


@pytest.mark.parametrize(
    ("history", "open_questions"),
    [
        ([], []),
        ([ASKED, TIMER, CHILD], [ASKED, TIMER, CHILD]),
        ([ASKED, TIMER, CHILD, FIRED, DONE], [CHILD]),
        ([ASKED, FAILED], []),
        ([ASKED, FAILED, TIMER, FIRED, ASKED], [ASKED]),
        ([ASKED, FAILED, TIMER, FIRED, ASKED, DONE], []),
        ([CHILD, helpers.new_sub_orchestration_failed_event(3, ValueError("no"))], []),
        ([CHILD, helpers.new_sub_orchestration_completed_event(3, None)], []),
    ],
)
def test_unanswered_are_the_questions_still_open(
    history: list[pb.HistoryEvent], open_questions: list[pb.HistoryEvent]
) -> None:
    """An answer closes what was asked before it: a task asked again after it failed is open."""
    assert events.unanswered(history) == open_questions


def test_stamp_leaves_a_time_that_is_set() -> None:
    """Only events from 1970 get the time."""
    old = helpers.new_orchestrator_started_event(datetime(2020, 1, 1, tzinfo=UTC))
    new = events.task_completed(1, None)
    events.stamp([old, new], NOW)
    assert [event.timestamp.ToDatetime().year for event in (old, new)] == [2020, 2026]


def test_activity_without_input_gets_null() -> None:
    """What an orchestrator passes as nothing is JSON null to the function."""
    asker = events.Execution("a", "1")
    assert events.scheduled_activity(asker, ASKED) == events.Activity(asker, 1, name="work", input="null")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (pb.ORCHESTRATION_STATUS_COMPLETED, "subOrchestrationInstanceCompleted"),
        (pb.ORCHESTRATION_STATUS_TERMINATED, "subOrchestrationInstanceFailed"),
    ],
)
def test_child_that_ends_answers_its_parent(status: pb.OrchestrationStatus, kind: str) -> None:
    """Completed is an answer, any other end a failure, with a message even if the child has none."""
    event = events.child_ended(3, OrchestrationInstance("b", "any", status))
    assert event.WhichOneof("eventType") == kind
    assert getattr(event, kind).taskScheduledId == 3
    if kind == "subOrchestrationInstanceFailed":
        assert event.subOrchestrationInstanceFailed.failureDetails.errorMessage == "b was terminated"


def test_inbox_leaves_out_the_mark_of_the_turn_under_way() -> None:
    """What was dispatched but not finished still waits, without the mark this turn was given."""
    instance = OrchestrationInstance("a", "any", pb.ORCHESTRATION_STATUS_RUNNING)
    instance.dispatched_events, instance.pending_events = [STARTED, DONE], [FIRED]
    assert inbox(instance) == [STARTED, DONE, FIRED]
    instance.history = [STARTED]
    assert inbox(instance) == [DONE, FIRED]


def test_turn_delay_grows_with_the_history_to_a_limit() -> None:
    """A new run answers at once, a long one gathers answers, none waits more than a quarter of a second."""
    assert turn_delay_s(0) == 0
    assert turn_delay_s(200) < turn_delay_s(2000)
    assert turn_delay_s(10**6) == 0.25
