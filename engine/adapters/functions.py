"""Azure Functions' requests and Durable Functions' client, to and from plain values."""

import logging
from collections.abc import Mapping
from typing import Any

import azure.functions as func
import grpc
from azure.durable_functions import DurableFunctionsClient

from engine.errors import LaunchError

_log = logging.getLogger("certfleet.http")


def headers_of(request: func.HttpRequest) -> dict[str, str]:
    """The request's headers, names in lower case."""
    return {str(name).lower(): str(value) for name, value in request.headers.items()}


def response(status: int, body: bytes, *, headers: Mapping[str, str], content_type: str) -> func.HttpResponse:
    """An HTTP answer of these."""
    return func.HttpResponse(body, status_code=status, headers=dict(headers), mimetype=content_type)


async def start(client: DurableFunctionsClient, orchestrator: str, instance_id: str, order: Mapping[str, Any]) -> None:
    """The orchestration runs; one that was started before is left alone. Raises LaunchError."""
    try:
        await client.schedule_new_orchestration(orchestrator, input=dict(order), instance_id=instance_id)
    except grpc.RpcError as refused:
        if refused.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise LaunchError(instance_id, f"its orchestration could not be started: {refused.code()}") from refused
        _log.info("the orchestration was started before")


async def purge(client: DurableFunctionsClient, instance_id: str) -> None:
    """Nothing is left of the orchestration, so that its id is as good as new; one that was never there is no
    failure."""
    try:
        await client.purge_orchestration(instance_id)
    except grpc.RpcError as refused:
        _log.warning("the orchestration was not purged: %s", refused.code())


async def tell(client: DurableFunctionsClient, instance_id: str, event: str) -> None:
    """The orchestration has the event; one that has ended does not need it."""
    try:
        await client.raise_orchestration_event(instance_id, event, data={})
    except grpc.RpcError as gone:
        _log.info("the orchestration did not take the event %s: %s", event, gone.code())
