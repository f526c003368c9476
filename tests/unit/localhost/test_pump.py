"""Tests for engine/localhost/pump.py: its limits and how it feeds; the rest is seen in integration."""

import asyncio
from collections import deque

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf import wrappers_pb2  # type: ignore[import-untyped]

from engine.localhost.pump import Lane, failed_turn, failure_details, feed, missing, within_limits
from engine.localhost.worker import InvocationFailed


def response(custom_status: str) -> pb.OrchestratorResponse:
    return pb.OrchestratorResponse(instanceId="a", customStatus=wrappers_pb2.StringValue(value=custom_status))


@pytest.mark.parametrize("text", ["", "x" * 8192, "\N{GRINNING FACE}" * 4096])
def test_custom_status_within_16_kb_passes(text: str) -> None:
    """The limit counts bytes of UTF-16: a character outside the basic plane takes four."""
    assert within_limits(response(text)) == response(text)


@pytest.mark.parametrize("text", ["x" * 8193, "\N{GRINNING FACE}" * 4096 + "x"])
def test_custom_status_over_16_kb_fails_the_turn(text: str) -> None:
    """In place of its actions the turn fails, and the status is not kept."""
    (action,) = within_limits(response(text)).actions
    assert action.completeOrchestration.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
    assert "16386 bytes" in action.completeOrchestration.failureDetails.errorMessage
    assert not within_limits(response(text)).HasField("customStatus")


def test_failure_details_have_type_text_and_stack() -> None:
    """The worker's message is split into the exception's type and text; a bare type is its own text."""
    details = failure_details(InvocationFailed("ValueError: a: b", "the stack"))
    assert (details.errorType, details.errorMessage, details.stackTrace.value) == ("ValueError", "a: b", "the stack")
    assert failure_details(InvocationFailed("KeyError: ", "")).errorMessage == "KeyError"


def test_missing_function_is_named() -> None:
    """The caller learns which function is not there."""
    ending = failed_turn("a", missing("orchestrator", "nobody")).actions[0].completeOrchestration
    assert ending.failureDetails.errorMessage == "the app has no orchestrator function 'nobody'"


def test_feed_takes_an_item_only_when_a_slot_is_free() -> None:
    """With two slots two items are taken, the rest stay where they can still be dropped."""

    async def run() -> None:
        items, running, gate = deque(range(5)), list[int](), asyncio.Event()

        async def work(item: int) -> None:
            running.append(item)
            await gate.wait()

        async with asyncio.TaskGroup() as group:
            lane = Lane(2)
            feeding = group.create_task(feed(group, lane, take=lambda: items.popleft() if items else None, work=work))
            while len(running) < 2:
                await asyncio.sleep(0)
            assert len(items) == 3
            gate.set()
            while len(running) < 5:
                await asyncio.sleep(0)
            items.append(5)
            lane.bell.set()
            while len(running) < 6:
                await asyncio.sleep(0)
            feeding.cancel()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_feed_that_breaks_breaks_its_group() -> None:
    """An error while taking or working leaves the group at once: nothing goes on in silence."""

    def take() -> int:
        raise RuntimeError("no more")

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            await feed(group, Lane(1), take=take, work=lambda _item: asyncio.sleep(0))

    with pytest.raises(ExceptionGroup) as broken:
        asyncio.run(run())
    assert str(broken.value.exceptions[0]) == "no more"
