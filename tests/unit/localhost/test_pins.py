"""Tests for engine/localhost/pins.py: the guard, and every private name behind it."""

import inspect
from dataclasses import fields

import azure_functions_runtime  # type: ignore[import-untyped]
import pytest
from azure.durable_functions.internal.compat import history_projection
from durabletask.internal import helpers, orchestrator_service_pb2, orchestrator_service_pb2_grpc
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend, OrchestrationInstance

from engine.localhost.backend import Backend
from engine.localhost.errors import HostError
from engine.localhost.pins import PINS, check_pins

ATTRIBUTES = [
    "_instances",
    "_lock",
    "_server",
    "_port",
    "_next_completion_token",
    "_orchestration_queue",
    "_orchestration_queue_set",
    "_orchestration_in_flight",
]
CALLED = ["CompleteOrchestratorTask", "_is_terminal_status", "start", "stop", "reset"]
REPLACED = [
    "start",
    "PurgeInstances",
    "_enqueue_orchestration",
    "_process_schedule_task_action",
    "_process_create_timer_action",
    "_process_send_entity_message_action",
    "_watch_sub_orchestration",
    "_terminate_instance_internal",
]
REFUSED = [
    "CompleteActivityTask",
    "GetWorkItems",
    "SuspendInstance",
    "ResumeInstance",
    "RewindInstance",
    "RestartInstance",
    "SignalEntity",
    "GetEntity",
    "QueryEntities",
    "CleanEntityStorage",
]
FIELDS = [
    "instance_id",
    "name",
    "status",
    "version",
    "input",
    "output",
    "custom_status",
    "created_at",
    "last_updated_at",
    "completed_at",
    "failure_details",
    "history",
    "pending_events",
    "dispatched_events",
    "completion_token",
    "tags",
]
HELPERS = [
    "new_orchestrator_started_event",
    "new_timer_created_event",
    "new_timer_fired_event",
    "new_sub_orchestration_completed_event",
]
RUNTIME = [
    "worker_init_request",
    "functions_metadata_request",
    "invocation_request",
    "start_threadpool_executor",
    "get_threadpool_executor",
]


def test_pins_are_what_is_installed() -> None:
    """The packages here are the ones the host was written for."""
    check_pins(PINS)


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        ({"durabletask": "0.0.1"}, "durabletask 1.12.0 (want 0.0.1)"),
        ({"no-such-package": "1.0"}, "no-such-package not installed (want 1.0)"),
    ],
)
def test_pins_that_differ_are_named(pins: dict[str, str], words: str) -> None:
    """A wrong version and a missing package are refused with what was found and what was expected."""
    with pytest.raises(HostError) as refused:
        check_pins(pins)
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_backend_has_the_attribute(name: str) -> None:
    """The stock backend keeps its state under the names we use."""
    assert hasattr(InMemoryOrchestrationBackend(), name)


@pytest.mark.parametrize("name", CALLED + REFUSED)
def test_backend_has_the_method(name: str) -> None:
    """The stock backend has the methods that we call or refuse."""
    assert callable(getattr(InMemoryOrchestrationBackend, name))


@pytest.mark.parametrize("name", REPLACED)
def test_backend_method_takes_what_ours_takes(name: str) -> None:
    """The methods that we replace are called with the parameters ours have."""
    stock, ours = getattr(InMemoryOrchestrationBackend, name), getattr(Backend, name)
    assert list(inspect.signature(stock).parameters) == list(inspect.signature(ours).parameters)


def test_instance_has_the_fields_the_journal_keeps() -> None:
    """No field was renamed, and none added that a journal would lose."""
    assert {field.name for field in fields(OrchestrationInstance)} == set(FIELDS)


@pytest.mark.parametrize("name", HELPERS)
def test_helpers_make_the_events(name: str) -> None:
    """The event builders are there."""
    assert callable(getattr(helpers, name))


@pytest.mark.parametrize("name", RUNTIME)
def test_runtime_has_the_handler(name: str) -> None:
    """The worker library has the handlers we call."""
    assert callable(getattr(azure_functions_runtime, name))


def test_protocol_and_history_projection_are_there() -> None:
    """The generated protocol classes and the SDK's own rendering of a history are where we import them from."""
    assert callable(orchestrator_service_pb2.HistoryEvent)
    assert callable(orchestrator_service_pb2_grpc.add_TaskHubSidecarServiceServicer_to_server)
    parameters = inspect.signature(history_projection.project_history).parameters
    assert list(parameters) == ["events", "show_input", "show_history_output"]
