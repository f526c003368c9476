"""The Durable management API over HTTP: start, status, query, event, terminate, purge.

Source: Durable Functions documentation, "HTTP API reference".
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc
from aiohttp import web
from azure.durable_functions.internal.compat.history_projection import project_history
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationQuery, OrchestrationState, OrchestrationStatus
from durabletask.grpc_options import GrpcChannelOptions

from engine.localhost.links import HOOK, Links

log = logging.getLogger("durabletask.management")
"""The SDK client's, quiet with the rest of the SDK."""

ENDED = (OrchestrationStatus.COMPLETED, OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED)
STATUSES: Mapping[str, OrchestrationStatus] = {
    "Pending": OrchestrationStatus.PENDING,
    "Running": OrchestrationStatus.RUNNING,
    "Completed": OrchestrationStatus.COMPLETED,
    "ContinuedAsNew": OrchestrationStatus.CONTINUED_AS_NEW,
    "Failed": OrchestrationStatus.FAILED,
    "Terminated": OrchestrationStatus.TERMINATED,
    "Suspended": OrchestrationStatus.SUSPENDED,
}
NAMES = {status: name for name, status in STATUSES.items()}


class Management:
    """The API's handlers. Must be made on the event loop that serves them."""

    def __init__(self, links: Links, orchestrators: frozenset[str]) -> None:
        self._links = links
        self._orchestrators = orchestrators
        unlimited = GrpcChannelOptions(max_receive_message_length=-1, max_send_message_length=-1)
        self._client = AsyncTaskHubGrpcClient(host_address=links.backend, channel_options=unlimited, logger=log)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the API."""
        router.add_post(HOOK + "/orchestrators/{name}{slash:/?}", self._start)
        router.add_post(HOOK + "/orchestrators/{name}/{id}", self._start)
        router.add_get(HOOK + "/instances{slash:/?}", self._query)
        router.add_get(HOOK + "/instances/{id}", self._status)
        router.add_delete(HOOK + "/instances/{id}", self._purge)
        router.add_post(HOOK + "/instances/{id}/raiseEvent/{event}", self._raise_event)
        router.add_post(HOOK + "/instances/{id}/terminate", self._terminate)

    async def close(self) -> None:
        """Let go of the backend."""
        await self._client.close()

    async def _start(self, request: web.Request) -> web.Response:
        name, wanted = request.match_info["name"], request.match_info.get("id")
        if name not in self._orchestrators:
            return _refusal(404, f"the app has no orchestrator function {name!r}")
        try:
            instance_id = await self._client.schedule_new_orchestration(
                name, input=await _json_body(request), instance_id=wanted
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
            return _refusal(409, error.details() or "the instance exists")
        links = self._links.of(instance_id)
        headers = {"Location": links["statusQueryGetUri"], "Retry-After": "10"}
        return web.json_response(links, status=202, headers=headers)

    async def _status(self, request: web.Request) -> web.Response:
        state = await self._client.get_orchestration_state(request.match_info["id"])
        if state is None:
            return _unknown(request)
        body = state_json(state, with_input=_flag(request, "showInput", default=True))
        if _flag(request, "showHistory", default=False):
            body["historyEvents"] = await self._history(request)
        if state.runtime_status not in ENDED:
            headers = {"Location": str(request.url), "Retry-After": "10"}
            return web.json_response(body, status=202, headers=headers)
        failed = state.runtime_status is OrchestrationStatus.FAILED
        broken = failed and _flag(request, "returnInternalServerErrorOnFailure", default=False)
        return web.json_response(body, status=500 if broken else 200)

    async def _history(self, request: web.Request) -> list[dict[str, Any]]:
        return project_history(
            await self._client.get_orchestration_history(request.match_info["id"]),
            show_input=_flag(request, "showInput", default=False),
            show_history_output=_flag(request, "showHistoryOutput", default=False),
        )

    async def _query(self, request: web.Request) -> web.Response:
        names = [name.strip() for name in request.query.get("runtimeStatus", "").split(",") if name.strip()]
        if unknown := [name for name in names if name not in STATUSES]:
            return _refusal(400, f"runtimeStatus {', '.join(unknown)} is unknown, expected {', '.join(STATUSES)}")
        with_input = _flag(request, "showInput", default=True)
        query = OrchestrationQuery(
            created_time_from=_time(request, "createdTimeFrom"),
            created_time_to=_time(request, "createdTimeTo"),
            runtime_status=[STATUSES[name] for name in names] or None,
            instance_id_prefix=request.query.get("instanceIdPrefix"),
            fetch_inputs_and_outputs=True,
        )
        states = await self._client.get_all_orchestration_states(query)
        return web.json_response([state_json(state, with_input=with_input) for state in states])

    async def _purge(self, request: web.Request) -> web.Response:
        instance_id = request.match_info["id"]
        purged = await self._client.purge_orchestration(instance_id)
        if not purged.deleted_instance_count:
            return _refusal(404, f"instance {instance_id!r} is not known, or has not ended")
        return web.json_response({"instancesDeleted": purged.deleted_instance_count})

    async def _raise_event(self, request: web.Request) -> web.Response:
        if refusal := await self._refusal_of_ended(request):
            return refusal
        instance_id, event = request.match_info["id"], request.match_info["event"]
        await self._client.raise_orchestration_event(instance_id, event, data=await _json_body(request))
        return web.Response(status=202)

    async def _terminate(self, request: web.Request) -> web.Response:
        if refusal := await self._refusal_of_ended(request):
            return refusal
        reason = request.query.get("reason")
        await self._client.terminate_orchestration(request.match_info["id"], output=reason)
        return web.Response(status=202)

    async def _refusal_of_ended(self, request: web.Request) -> web.Response | None:
        """404 for an instance that is not there, 410 for one that has ended, None for one that runs."""
        instance_id = request.match_info["id"]
        state = await self._client.get_orchestration_state(instance_id, fetch_payloads=False)
        if state is None:
            return _unknown(request)
        if state.runtime_status in ENDED:
            return _refusal(410, f"instance {instance_id!r} is {NAMES[state.runtime_status]}")
        return None


def state_json(state: OrchestrationState, *, with_input: bool) -> dict[str, Any]:
    """An instance's state in the API's words."""
    return {
        "name": state.name,
        "instanceId": state.instance_id,
        "runtimeStatus": NAMES[state.runtime_status],
        "input": _value(state.serialized_input) if with_input else None,
        "customStatus": _value(state.serialized_custom_status),
        "output": state.failure_details.message if state.failure_details else _value(state.serialized_output),
        "createdTime": _utc(state.created_at),
        "lastUpdatedTime": _utc(state.last_updated_at),
    }


def _utc(when: datetime) -> str:
    """The SDK gives UTC without saying so."""
    return when.replace(tzinfo=None).isoformat() + "Z"


def _value(text: str | None) -> Any:
    """What the JSON says; text that is none is itself."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


async def _json_body(request: web.Request) -> Any:
    """The body's value, None if there is no body. Answers 400 if it is not JSON."""
    text = await request.text()
    try:
        return json.loads(text) if text else None
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {error}") from error


def _flag(request: web.Request, name: str, *, default: bool) -> bool:
    return request.query.get(name, str(default)).lower() == "true"


def _time(request: web.Request, name: str) -> datetime | None:
    """The time of a query parameter, UTC unless it says otherwise. Answers 400 if it is none."""
    if (text := request.query.get(name)) is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{name} is not a time: {error}") from error
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _unknown(request: web.Request) -> web.Response:
    return _refusal(404, f"instance {request.match_info['id']!r} is not known")
