"""Azure Functions' requests and Durable Functions' client."""

import asyncio
from typing import Any

import azure.functions as func
import grpc
import pytest

from engine.adapters.functions import headers_of, purge, response, start, tell
from engine.errors import LaunchError


class Refused(grpc.RpcError):
    """What a call over gRPC raises."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        """Why."""
        return self._code


class Client:
    """As much of a Durable Functions client as is used; notes what it is asked, and refuses it."""

    def __init__(self, code: grpc.StatusCode | None = None) -> None:
        self.asked: list[Any] = []
        self._code = code

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
        """Start one."""
        return self._note((name, input, instance_id))

    async def raise_orchestration_event(self, instance_id: str, name: str, *, data: Any) -> None:
        """Tell one."""
        self._note((instance_id, name, data))

    async def purge_orchestration(self, instance_id: str) -> None:
        """Forget one."""
        self._note(instance_id)

    def _note(self, asked: Any) -> str:
        self.asked.append(asked)
        if self._code is not None:
            raise Refused(self._code)
        return ""


def test_headers_are_in_lower_case() -> None:
    """However the client wrote them."""
    request = func.HttpRequest("POST", "/api/runs", headers={"Idempotency-Key": "nightly", "X": "1"}, body=b"")
    assert headers_of(request) == {"idempotency-key": "nightly", "x": "1"}


def test_answer_is_passed_on_whole() -> None:
    """Status, body, headers and content type."""
    found = response(202, b"{}", headers={"Location": "/x"}, content_type="application/json")
    assert (found.status_code, found.get_body(), found.headers["Location"]) == (202, b"{}", "/x")
    assert found.mimetype == "application/json"


def test_orchestration_is_started_under_the_runs_id() -> None:
    """With plain values as its order."""
    client = Client()
    asyncio.run(start(client, "run", "run-a", {"runId": "run-a"}))  # type: ignore[arg-type]
    assert client.asked == [("run", {"runId": "run-a"}, "run-a")]


def test_orchestration_that_was_started_is_left_alone() -> None:
    """A repeated request starts nothing twice."""
    asyncio.run(start(Client(grpc.StatusCode.ALREADY_EXISTS), "run", "run-a", {}))  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
def test_orchestration_that_cannot_be_started_is_an_error(code: grpc.StatusCode) -> None:
    """Ours, and retryable by asking again; the cause is kept."""
    with pytest.raises(LaunchError, match="run-a: its orchestration could not be started") as failed:
        asyncio.run(start(Client(code), "run", "run-a", {}))  # type: ignore[arg-type]
    assert isinstance(failed.value.__cause__, Refused)


@pytest.mark.parametrize("code", [None, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE])
def test_cancel_does_not_depend_on_the_event(code: grpc.StatusCode | None) -> None:
    """The flag in the store is what stops the batches; an orchestration that has ended needs no event."""
    client = Client(code)
    asyncio.run(tell(client, "run-a", "cancel"))  # type: ignore[arg-type]
    assert client.asked == [("run-a", "cancel", {})]


@pytest.mark.parametrize("code", [None, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE])
def test_purge_that_fails_keeps_nobody(code: grpc.StatusCode | None) -> None:
    """The run is gone from the store by then: there is nobody to tell."""
    client = Client(code)
    asyncio.run(purge(client, "run-a"))  # type: ignore[arg-type]
    assert client.asked == ["run-a"]
