"""History events of the Durable Task protocol: the ones this host makes, and what they say together."""

import itertools
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from durabletask.internal import helpers
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.testing.in_memory_backend import OrchestrationInstance
from google.protobuf import wrappers_pb2  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of an instance; continue-as-new begins another.

    An answer to a question of an earlier execution must not reach a later one, whose task ids start over.
    """

    instance_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class Activity:
    """A call of an activity function that an execution asked for; input is JSON."""

    asker: Execution
    task_id: int
    name: str
    input: str


def execution_of(instance: OrchestrationInstance) -> Execution:
    """The execution that the instance is in, which its second event names."""
    events = (instance.history[:2], instance.dispatched_events[:2], instance.pending_events[:2])
    started = next(event for event in itertools.chain(*events) if event.HasField("executionStarted"))
    return Execution(instance.instance_id, started.executionStarted.orchestrationInstance.executionId.value)


def name_execution(instance: OrchestrationInstance) -> None:
    """Give the execution that is about to start an id, unless it has one: the stock backend gives none."""
    for event in instance.pending_events[:2]:
        if event.HasField("executionStarted"):
            execution = event.executionStarted.orchestrationInstance
            execution.executionId.value = execution.executionId.value or uuid.uuid4().hex


def scheduled_activity(asker: Execution, event: pb.HistoryEvent) -> Activity:
    """The activity that a taskScheduled event asks for."""
    task = event.taskScheduled
    return Activity(asker, event.eventId, name=task.name, input=task.input.value if task.HasField("input") else "null")


def unanswered(events: Iterable[pb.HistoryEvent]) -> list[pb.HistoryEvent]:
    """The questions of an execution that have no answer yet: tasks, timers and sub-orchestrations, oldest first.

    A retried task keeps its id, so an answer closes only what was asked before it, and a task that failed and was
    asked again is open.
    """
    questions: dict[int, pb.HistoryEvent] = {}
    for event in events:
        match event.WhichOneof("eventType"):
            case "taskScheduled" | "timerCreated" | "subOrchestrationInstanceCreated":
                questions[event.eventId] = event
            case "timerFired":
                questions.pop(event.timerFired.timerId, None)
            case "taskCompleted" | "taskFailed" as answer:
                questions.pop(getattr(event, answer).taskScheduledId, None)
            case "subOrchestrationInstanceCompleted" | "subOrchestrationInstanceFailed" as answer:
                questions.pop(getattr(event, answer).taskScheduledId, None)
    return list(questions.values())


def stamp(events: Iterable[pb.HistoryEvent], now: datetime) -> None:
    """Give now to every event that has no time: the stock backend leaves 1970 in most."""
    for event in events:
        if not event.timestamp.seconds:
            event.timestamp.FromDatetime(now)


def task_scheduled(action: pb.OrchestratorAction) -> pb.HistoryEvent:
    """What the history keeps of an action that asks for an activity."""
    task = pb.TaskScheduledEvent(name=action.scheduleTask.name)
    if action.scheduleTask.HasField("input"):
        task.input.CopyFrom(action.scheduleTask.input)
    return pb.HistoryEvent(eventId=action.id, taskScheduled=task)


def task_completed(task_id: int, result: str | None) -> pb.HistoryEvent:
    """The answer of an activity that returned; result is JSON."""
    value = None if result is None else wrappers_pb2.StringValue(value=result)
    return pb.HistoryEvent(eventId=-1, taskCompleted=pb.TaskCompletedEvent(taskScheduledId=task_id, result=value))


def task_failed(task_id: int, details: pb.TaskFailureDetails) -> pb.HistoryEvent:
    """The answer of an activity that raised."""
    return pb.HistoryEvent(eventId=-1, taskFailed=pb.TaskFailedEvent(taskScheduledId=task_id, failureDetails=details))


def child_ended(task_id: int, child: OrchestrationInstance) -> pb.HistoryEvent:
    """The answer of a sub-orchestration that came to an end, good or bad."""
    if child.status == pb.ORCHESTRATION_STATUS_COMPLETED:
        return helpers.new_sub_orchestration_completed_event(task_id, child.output)
    details = child.failure_details or failure("OrchestrationTerminated", f"{child.instance_id} was terminated")
    event = pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=task_id, failureDetails=details)
    return pb.HistoryEvent(eventId=-1, subOrchestrationInstanceFailed=event)


def failure(kind: str, message: str, *, stack: str = "") -> pb.TaskFailureDetails:
    """Why something failed; stack is a traceback."""
    trace = wrappers_pb2.StringValue(value=stack)
    return pb.TaskFailureDetails(errorType=kind, errorMessage=message, stackTrace=trace)
