"""Histories of finished runs, replayed against the orchestrator as it is now.

A change that asks for something else, or in another order, would break every run that is under way when it is
deployed. Then either the change is made compatible, or runs are drained first and the histories recorded anew:
see `integration/test_orchestrator.py`.
"""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.durable_functions.worker import DurableFunctionsWorker
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.json_format import ParseDict

from engine import wiring
from engine.adapters.durable import DurableOrchestration
from engine.run import workflow

HISTORIES = sorted((Path(__file__).parents[2] / "data" / "histories").glob("*.jsonl"))
OUTGOING = {"taskScheduled", "timerCreated", "subOrchestrationInstanceCreated", "executionCompleted"}
SILENT = OUTGOING | {"orchestratorCompleted"}

type Orchestrator = Callable[[Any, Any], Any]
type Asked = tuple[Any, ...]


def present(context: Any, order: Any) -> Any:
    """The orchestrator of runs, as function_app has it."""
    return (yield from wiring.orchestrate(workflow.orchestrate, context, order))


def block(context: Any, order: Any) -> Any:
    """The orchestrator of blocks, as function_app has it."""
    return (yield from wiring.orchestrate(workflow.drive_block, context, order))


def events_of(history: Path) -> list[pb.HistoryEvent]:
    """What a run went through."""
    lines = history.read_text(encoding="utf-8").splitlines()
    return [ParseDict(json.loads(line), pb.HistoryEvent()) for line in lines]


def turns_of(events: list[pb.HistoryEvent]) -> Iterator[tuple[list[pb.HistoryEvent], list[pb.HistoryEvent]]]:
    """Each turn, with all that went before it."""
    starts = [n for n, event in enumerate(events) if event.HasField("orchestratorStarted")]
    for start, end in zip(starts, [*starts[1:], len(events)], strict=True):
        yield events[:start], events[start:end]


def recorded(event: pb.HistoryEvent) -> Asked | None:
    """What the event says was asked for, None for what happened."""
    match event.WhichOneof("eventType"):
        case "taskScheduled":
            return ("task", event.eventId, event.taskScheduled.name, json.loads(event.taskScheduled.input.value))
        case "timerCreated":
            return ("timer", event.eventId)
        case "subOrchestrationInstanceCreated":
            child = event.subOrchestrationInstanceCreated
            return ("child", event.eventId, child.name, child.instanceId, json.loads(child.input.value))
        case "executionCompleted":
            return ("end", event.executionCompleted.orchestrationStatus, event.executionCompleted.result.value)
    return None


def asked(action: pb.OrchestratorAction) -> Asked:
    """What the orchestrator asks for now."""
    match action.WhichOneof("orchestratorActionType"):
        case "scheduleTask":
            return ("task", action.id, action.scheduleTask.name, json.loads(action.scheduleTask.input.value))
        case "createTimer":
            return ("timer", action.id)
        case "createSubOrchestration":
            child = action.createSubOrchestration
            return ("child", action.id, child.name, child.instanceId, json.loads(child.input.value))
        case "completeOrchestration":
            return ("end", action.completeOrchestration.orchestrationStatus, action.completeOrchestration.result.value)
    raise AssertionError(f"the orchestrator never did this before: {action}")


def replay(events: list[pb.HistoryEvent], orchestrator: Orchestrator) -> list[tuple[list[Asked], list[Asked]]]:
    """Per turn what the history has and what the orchestrator asks for, by the SDK's own worker."""
    pairs = []
    for before, turn in turns_of(events):
        new = [event for event in turn if event.WhichOneof("eventType") not in SILENT]
        request = pb.OrchestratorRequest(instanceId="run-a", pastEvents=before, newEvents=new)
        body = base64.b64encode(request.SerializeToString()).decode()
        worker = DurableFunctionsWorker()
        answer = worker.execute_orchestration_request(orchestrator, SimpleNamespace(body=body))
        response = pb.OrchestratorResponse.FromString(base64.b64decode(answer))
        pairs.append(([one for event in turn if (one := recorded(event))], [asked(one) for one in response.actions]))
    return pairs


def differs(events: list[pb.HistoryEvent], orchestrator: Orchestrator) -> bool:
    """Whether a run under way would notice the change."""
    return any(was != now for was, now in replay(events, orchestrator))


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.stem)
def test_finished_run_replays(history: Path) -> None:
    """Turn by turn the orchestrator asks for what it asked for then, and ends the same."""
    for was, now in replay(events_of(history), block if history.stem.startswith("block") else present):
        assert now == was


def test_histories_show_every_way_through() -> None:
    """Something is recorded of each: without them the test above would prove nothing."""
    ways = {"waves", "workers", "failed-batch", "refused", "deadline", "cancelled", "later-life"}
    ways |= {"block", "block-of-workers"}
    assert {history.stem for history in HISTORIES} >= ways
    kinds = {event.WhichOneof("eventType") for history in HISTORIES for event in events_of(history)}
    assert kinds >= {"taskFailed", "timerFired", "eventRaised", "timerCreated", "executionCompleted"}


def asks_first(context: Any, order: Any) -> Any:
    """A change that asks for one more thing at the beginning."""
    yield context.call_activity("check_quota", input=order)
    return (yield from wiring.orchestrate(workflow.orchestrate, context, order))


def asks_last(context: Any, order: Any) -> Any:
    """A change that asks for one more thing at the end."""
    closing = yield from wiring.orchestrate(workflow.orchestrate, context, order)
    yield context.call_activity("clean_up", input=order)
    return closing


def says_more(context: Any, order: Any) -> Any:
    """A change of what an activity is told."""
    return (yield from workflow.orchestrate(DurableOrchestration(context), {**order, "more": 1}))


class _Renamed(DurableOrchestration):
    """A change of what children are called."""

    def child(self, name: str, order: Any, *, key: str) -> Any:
        return super().child(name, order, key=f"other-{key}")


def renames_children(context: Any, order: Any) -> Any:
    """Blocks that would be driven again under other names."""
    return (yield from workflow.orchestrate(_Renamed(context), order))


class _Timeless(DurableOrchestration):
    """A change that leaves the deadline out."""

    def timer(self, for_s: float) -> Any:
        return self.event("never")

    def drop(self, timer: Any) -> None:
        pass


def has_no_deadline(context: Any, order: Any) -> Any:
    """A run without its timer."""
    return (yield from workflow.orchestrate(_Timeless(context), order))


@pytest.mark.parametrize("changed", [asks_first, asks_last, says_more, renames_children, has_no_deadline])
def test_incompatible_change_is_seen(changed: Orchestrator) -> None:
    """The replay bites: each of these changes breaks the recorded run of two waves."""
    history = next(one for one in HISTORIES if one.stem == "waves")
    assert differs(events_of(history), changed)
    assert not differs(events_of(history), present)
