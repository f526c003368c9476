"""Microsoft's in-memory Durable Task backend, mended for a host that lives on.

The stock class keeps the state machine: what an orchestrator's actions do to its instance. It is inherited because
it has no seam but its methods. Changed here, besides what each method says:

- it listens on loopback only, and serves clients only: work is taken and finished by calls in this process, one
  item when there is a slot for it, so that what is queued can still be dropped;
- every change is written through to the journal, one transaction for all that a turn changes, and a backend that
  opens a journal goes on where the last one stopped; activities in flight then are started again;
- one thread for all timers, none for sub-orchestrations, which may take longer than 30 s;
- an answer to an execution that is over (continue-as-new, an id used again) is dropped;
- turns after the first wait a moment, so that answers which arrive together share one replay.

As in Azure, activities that an execution leaves behind when it ends or continues as new still run, unless it was
terminated; after a crash they are not started again.
"""

import itertools
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Never, cast, override

import grpc
from durabletask.internal import helpers
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as stubs
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend, OrchestrationInstance

from engine.localhost import events
from engine.localhost.alarm import Alarm
from engine.localhost.errors import HostError
from engine.localhost.events import Activity, Execution
from engine.localhost.journal import Journal

CLIENT_THREADS = 64
"""One is held by every client that waits for an instance."""

NO_CLIENT = cast("grpc.ServicerContext", None)
"""The stock backend asks its caller's context only to refuse a history over its limit, which is out of reach."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of an orchestrator: what happened so far and what is new."""

    orchestrator: str
    request: pb.OrchestratorRequest
    token: str


def turn_delay_s(events_so_far: int) -> float:
    """How long a turn waits for more answers.

    Replay costs about 5 µs an event (the stock backend replayed 1,000 activities 1,000 times in 7 s). Waiting 20
    times as long keeps it near a twentieth of the time, and the limit keeps a long run responsive.
    """
    return min(0.25, events_so_far * 0.0001)


def _refuse(_backend: object, request: Any, context: grpc.ServicerContext) -> Never:
    """Any call that the local host does not answer."""
    context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the local host has no {type(request).__name__}")
    raise AssertionError("abort raises")


class Backend(InMemoryOrchestrationBackend):
    """Orchestrations: clients reach them over gRPC, the pump by calling. Safe for several threads."""

    def __init__(self, journal: Journal, *, worked: Callable[[], None], broken: Callable[[Exception], None]) -> None:
        """`worked` is called from any thread when there may be work, `broken` when state can no longer be kept."""
        super().__init__(max_history_size=2**31, port=0)
        self._journal = journal
        self._worked = worked
        self._broken = broken
        self._alarm = Alarm(lambda: broken(HostError("a durable timer could not be delivered")))
        self._activities: deque[Activity] = deque()
        self._parents: dict[str, tuple[Execution, int]] = {}
        self._terminating: set[str] = set()
        self._gathering: set[str] = set()
        self._unwritten: set[str] = set()
        self._in_turn = False
        with self._lock:
            self._recover()

    @override
    def start(self) -> str:
        """Serve clients on a free port of 127.0.0.1; the address."""
        pool = futures.ThreadPoolExecutor(CLIENT_THREADS, thread_name_prefix="durable-client")
        self._server = server = grpc.server(pool)
        stubs.add_TaskHubSidecarServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        self._port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return f"127.0.0.1:{self._port}"

    def close(self) -> None:
        """Stop serving and close the journal; what happens after is lost, and found again at the next start."""
        self.stop(grace=0)
        with self._lock:
            self._journal.close()
            self.reset()  # type: ignore[no-untyped-call]  # wakes waiting clients: their threads would outlive us

    # Work

    def take_turn(self) -> Turn | None:
        """The next turn to run, None if nobody waits for one. It must be given to `finish_turn`."""
        with self._lock:
            while self._orchestration_queue:
                instance_id = self._orchestration_queue.popleft()
                self._orchestration_queue_set.discard(instance_id)
                instance = self._instances.get(instance_id)
                if instance and instance.pending_events and instance_id not in self._orchestration_in_flight:
                    return self._begin_turn(instance)
        return None

    def finish_turn(self, response: pb.OrchestratorResponse) -> None:
        """Do what the orchestrator asked for at the end of its turn."""
        with self._lock:
            self._in_turn = True
            instance = self._instances[response.instanceId]
            before = len(instance.history)
            super().CompleteOrchestratorTask(response, NO_CLIENT)
            events.stamp(instance.history[before:], datetime.now(UTC))
            if self._is_terminal_status(instance.status):
                self._end(instance)
            self._in_turn = False
            self._write(instance.instance_id)
        self._worked()

    def take_activity(self) -> Activity | None:
        """The next activity to run, None if there is none; those of terminated or purged instances are dropped."""
        with self._lock:
            while self._activities:
                activity = self._activities.popleft()
                instance = self._instances.get(activity.asker.instance_id)
                if instance and not self._is_terminated(instance):
                    return activity
        return None

    def finish_activity(self, activity: Activity, answer: pb.HistoryEvent) -> None:
        """Give the orchestrator its answer."""
        self._deliver(activity.asker, answer)

    # What the stock backend does otherwise

    @override
    def PurgeInstances(
        self, request: pb.PurgeInstancesRequest, context: grpc.ServicerContext
    ) -> pb.PurgeInstancesResponse:
        """Forget instances, in the journal too."""
        with self._lock:
            before = set(self._instances)
            reply = super().PurgeInstances(request, context)
            self._write(*before.difference(self._instances))
            return reply

    CompleteActivityTask = CompleteOrchestratorTask = GetWorkItems = _refuse
    SuspendInstance = ResumeInstance = RewindInstance = RestartInstance = _refuse
    SignalEntity = GetEntity = QueryEntities = CleanEntityStorage = _refuse

    @override
    def _enqueue_orchestration(self, instance_id: str) -> None:
        """Called whenever an event has arrived: write it down, and see that a turn follows."""
        instance = self._instances[instance_id]
        if not instance.history:
            events.name_execution(instance)
        self._write(instance_id)
        if not instance.history:
            self._queue_turn(instance_id)
        elif instance_id not in self._gathering:
            self._gathering.add(instance_id)
            due_s = time.time() + turn_delay_s(len(instance.history))
            self._alarm.at(due_s, lambda: self._queue_turn(instance_id))

    @override
    def _process_schedule_task_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        event = events.task_scheduled(action)
        instance.history.append(event)
        self._activities.append(events.scheduled_activity(events.execution_of(instance), event))

    @override
    def _process_create_timer_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        event = helpers.new_timer_created_event(action.id, action.createTimer.fireAt.ToDatetime(tzinfo=UTC))
        instance.history.append(event)
        self._set_timer(events.execution_of(instance), event)

    @override
    def _process_send_entity_message_action(
        self, instance: OrchestrationInstance, action: pb.OrchestratorAction
    ) -> None:
        raise NotImplementedError("the local host has no entities")

    @override
    def _watch_sub_orchestration(self, parent_instance_id: str, sub_instance_id: str, task_id: int) -> None:
        self._parents[sub_instance_id] = (events.execution_of(self._instances[parent_instance_id]), task_id)

    @override
    def _terminate_instance_internal(self, instance_id: str, output: str | None, recursive: bool = False) -> None:
        """Start no more of its activities, from now on, and tell it; its children too if recursive."""
        if not self._is_alive(instance_id):
            return
        self._terminating.add(instance_id)
        super()._terminate_instance_internal(instance_id, output)
        children = [child for child, (parent, _) in self._parents.items() if parent.instance_id == instance_id]
        for child in children if recursive else ():
            self._terminate_instance_internal(child, output, recursive)

    # Ours

    def _queue_turn(self, instance_id: str) -> None:
        with self._lock:
            self._gathering.discard(instance_id)
            if self._is_alive(instance_id) and instance_id not in self._orchestration_in_flight:
                super()._enqueue_orchestration(instance_id)
        self._worked()

    def _begin_turn(self, instance: OrchestrationInstance) -> Turn:
        now = datetime.now(UTC)
        arrived, instance.pending_events = instance.pending_events, []
        if instance.history:
            arrived.insert(0, helpers.new_orchestrator_started_event(now))
        events.stamp(arrived, now)
        instance.dispatched_events = arrived
        self._orchestration_in_flight.add(instance.instance_id)
        request = pb.OrchestratorRequest(
            instanceId=instance.instance_id, pastEvents=instance.history, newEvents=arrived
        )
        return Turn(instance.name, request, token=str(instance.completion_token))

    def _end(self, instance: OrchestrationInstance) -> None:
        """Tell the parent, if there is one that still waits."""
        self._terminating.discard(instance.instance_id)
        if parent := self._parents.pop(instance.instance_id, None):
            asker, task_id = parent
            self._deliver(asker, events.child_ended(task_id, instance))

    def _deliver(self, asker: Execution, answer: pb.HistoryEvent) -> None:
        with self._lock:
            instance = self._instances.get(asker.instance_id)
            if instance and self._is_alive(asker.instance_id) and events.execution_of(instance) == asker:
                instance.pending_events.append(answer)
                instance.last_updated_at = datetime.now(UTC)
                self._enqueue_orchestration(asker.instance_id)

    def _set_timer(self, asker: Execution, created: pb.HistoryEvent) -> None:
        due = created.timerCreated.fireAt.ToDatetime(tzinfo=UTC)
        fired = helpers.new_timer_fired_event(created.eventId, due)
        self._alarm.at(due.timestamp(), lambda: self._deliver(asker, fired))

    def _is_alive(self, instance_id: str) -> bool:
        instance = self._instances.get(instance_id)
        return instance is not None and not self._is_terminal_status(instance.status)

    def _is_terminated(self, instance: OrchestrationInstance) -> bool:
        """Whether it was, or is about to be."""
        return instance.instance_id in self._terminating or instance.status == pb.ORCHESTRATION_STATUS_TERMINATED

    def _write(self, *instance_ids: str) -> None:
        """Write these instances through, at the turn's end if one is being finished."""
        self._unwritten.update(instance_ids)
        if self._in_turn:
            return
        changed = [self._instances[name] for name in self._unwritten if name in self._instances]
        try:
            self._journal.write(changed, self._unwritten.difference(self._instances))
        except sqlite3.Error as error:
            self._broken(HostError(f"state cannot be written: {error}"))
            raise
        self._unwritten.clear()

    def _recover(self) -> None:
        """Take up every instance where the journal left it."""
        for instance in self._journal.read():
            instance.completion_token = self._next_completion_token
            self._next_completion_token += 1
            self._instances[instance.instance_id] = instance
        for instance in self._instances.values():
            if not self._is_terminal_status(instance.status):
                self._take_up(instance)

    def _take_up(self, instance: OrchestrationInstance) -> None:
        asker = events.execution_of(instance)
        for event in events.unanswered(itertools.chain(instance.history, instance.pending_events)):
            match event.WhichOneof("eventType"):
                case "taskScheduled":
                    self._activities.append(events.scheduled_activity(asker, event))
                case "timerCreated":
                    self._set_timer(asker, event)
                case _:
                    self._parents[event.subOrchestrationInstanceCreated.instanceId] = (asker, event.eventId)
        if any(event.HasField("executionTerminated") for event in instance.pending_events):
            self._terminating.add(instance.instance_id)
        if instance.pending_events:
            self._queue_turn(instance.instance_id)
