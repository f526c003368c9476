"""Moves work from the backend to the app's functions and answers back, as the Durable extension does.

Two lanes, orchestrator turns and activities, each with as many slots as host.json allows. An item is taken only
when a slot is free. A function that raises is an answer; anything else that goes wrong ends the pump, and with it
the host.
"""

import asyncio
import base64
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb

from engine.localhost import events
from engine.localhost.backend import Backend, Turn
from engine.localhost.errors import HostError
from engine.localhost.events import Activity
from engine.localhost.hostfile import HostFile
from engine.localhost.messages import parameter
from engine.localhost.worker import Function, InvocationFailed, Worker

log = logging.getLogger(__name__)

CUSTOM_STATUS_BYTES = 16 * 1024
"""Source: Durable Functions documentation, "Custom orchestration status": 16 KB of UTF-16 JSON at most."""


class Lane:
    """Slots for one kind of work, and a bell that rings when some may have arrived."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.bell = asyncio.Event()


class Pump:
    """Runs what the backend has to run, until told to stop feeding."""

    def __init__(self, worker: Worker, limits: HostFile) -> None:
        """Must be made on the event loop that runs it. Raises HostError if the app has entities."""
        refuse_entities(worker)
        self._loop = asyncio.get_running_loop()
        self._worker = worker
        self._orchestrators = by_task_name(worker.of_kind("orchestrationTrigger"), "orchestration")
        self._activities = by_task_name(worker.of_kind("activityTrigger"), "activity")
        self._turn_lane = Lane(limits.max_orchestrators)
        self._activity_lane = Lane(limits.max_activities)
        self._feeds: list[asyncio.Task[None]] = []

    @property
    def orchestrators(self) -> frozenset[str]:
        """The names by which orchestrations can be started."""
        return frozenset(self._orchestrators)

    def ring(self) -> None:
        """There may be work. From any thread."""
        for lane in (self._turn_lane, self._activity_lane):
            self._loop.call_soon_threadsafe(lane.bell.set)

    async def run(self, backend: Backend) -> None:
        """Take work and run it; after `stop_feeding`, return when what was taken is done."""
        async with asyncio.TaskGroup() as group:
            turn, activity = partial(self._run_turn, backend), partial(self._run_activity, backend)
            turns = feed(group, self._turn_lane, take=backend.take_turn, work=turn)
            activities = feed(group, self._activity_lane, take=backend.take_activity, work=activity)
            self._feeds = [group.create_task(turns), group.create_task(activities)]

    def stop_feeding(self) -> None:
        """Take nothing more."""
        for feed in self._feeds:
            feed.cancel()

    async def _run_turn(self, backend: Backend, turn: Turn) -> None:
        response = await self._ask_orchestrator(turn)
        response.completionToken = turn.token
        await asyncio.to_thread(backend.finish_turn, response)

    async def _ask_orchestrator(self, turn: Turn) -> pb.OrchestratorResponse:
        function = self._orchestrators.get(turn.orchestrator)
        if function is None:
            return failed_turn(turn.request.instanceId, missing("orchestrator", turn.orchestrator))
        body = base64.b64encode(turn.request.SerializeToString()).decode()
        try:
            answer = await self._worker.invoke(function, [parameter(function.trigger["name"], string=body)])
        except InvocationFailed as failed:
            log.error("orchestrator %s failed\n%s", function.name, failed.stack)
            return failed_turn(turn.request.instanceId, failure_details(failed))
        if answer is None:
            raise HostError(f"orchestrator {function.name} gave the host no answer, expected its actions")
        return within_limits(pb.OrchestratorResponse.FromString(base64.b64decode(answer.string)))

    async def _run_activity(self, backend: Backend, activity: Activity) -> None:
        answer = await self._ask_activity(activity)
        await asyncio.to_thread(backend.finish_activity, activity, answer)

    async def _ask_activity(self, activity: Activity) -> pb.HistoryEvent:
        function = self._activities.get(activity.name)
        if function is None:
            return events.task_failed(activity.task_id, missing("activity", activity.name))
        try:
            answer = await self._worker.invoke(function, [parameter(function.trigger["name"], string=activity.input)])
        except InvocationFailed as failed:
            log.warning("activity %s failed in %s\n%s", function.name, activity.asker.instance_id, failed.stack)
            return events.task_failed(activity.task_id, failure_details(failed))
        return events.task_completed(activity.task_id, answer.json if answer else None)


async def feed[Item](
    group: asyncio.TaskGroup,
    lane: Lane,
    *,
    take: Callable[[], Item | None],
    work: Callable[[Item], Coroutine[Any, Any, None]],
) -> None:
    """Take an item whenever the lane has a slot free, and work on it in the group; for ever."""
    while True:
        await lane.slots.acquire()
        while (item := await asyncio.to_thread(take)) is None:
            await lane.bell.wait()
            lane.bell.clear()
        group.create_task(work(item)).add_done_callback(lambda _: lane.slots.release())


def refuse_entities(worker: Worker) -> None:
    """Return if the app has no entity functions. Raises HostError naming them."""
    if entities := worker.of_kind("entityTrigger"):
        names = ", ".join(entity.name for entity in entities)
        raise HostError(f"the local host has no entities, the app has {names}")


def by_task_name(functions: list[Function], key: str) -> dict[str, Function]:
    """The functions by the name that callers use: the trigger's own, else the function's."""
    return {function.trigger.get(key) or function.name: function for function in functions}


def within_limits(response: pb.OrchestratorResponse) -> pb.OrchestratorResponse:
    """The response, or a failed turn in its place if its custom status is larger than Azure takes."""
    size_bytes = len(response.customStatus.value.encode("utf-16-le"))
    if size_bytes <= CUSTOM_STATUS_BYTES:
        return response
    text = f"custom status is {size_bytes} bytes of UTF-16 JSON, at most {CUSTOM_STATUS_BYTES} allowed"
    return failed_turn(response.instanceId, events.failure("ArgumentException", text))


def failed_turn(instance_id: str, details: pb.TaskFailureDetails) -> pb.OrchestratorResponse:
    """The response of an orchestrator that failed before it could say so itself."""
    status = pb.ORCHESTRATION_STATUS_FAILED
    ending = pb.CompleteOrchestrationAction(orchestrationStatus=status, failureDetails=details)
    action = pb.OrchestratorAction(id=-1, completeOrchestration=ending)
    return pb.OrchestratorResponse(instanceId=instance_id, actions=[action])


def failure_details(failed: InvocationFailed) -> pb.TaskFailureDetails:
    """What the caller of a failed function is told: the exception's type and text, and its traceback."""
    kind, _, text = str(failed).partition(": ")
    return events.failure(kind, text or kind, stack=failed.stack)


def missing(kind: str, name: str) -> pb.TaskFailureDetails:
    """What the caller is told of a function that is not there."""
    return events.failure("ValueError", f"the app has no {kind} function {name!r}")
