"""HTTP triggers and the host's own admin calls."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from multidict import MultiMapping

from engine.localhost.links import Links
from engine.localhost.messages import Message, parameter
from engine.localhost.routes import Route, parse_route
from engine.localhost.timers import Timers
from engine.localhost.worker import Function, InvocationFailed, Worker

log = logging.getLogger(__name__)

BODY_BYTES = 100 * 2**20
"""Source: Azure Functions HTTP trigger, "Limits": requests of 100 MB at most."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP function, its route and its methods; no methods means any."""

    function: Function
    route: Route
    methods: frozenset[str]


class Web:
    """The app's HTTP functions, and `/admin`."""

    def __init__(self, worker: Worker, links: Links, *, timers: Timers, prefix: str) -> None:
        """Raises HostError on a route that cannot be read."""
        self._worker = worker
        self._links = links
        self._timers = timers
        found = [_endpoint(function, prefix) for function in worker.of_kind("httpTrigger")]
        self._endpoints = sorted(found, key=lambda endpoint: endpoint.route.ranks)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them; whatever was added before wins, and every other path is taken."""
        router.add_get("/admin/host/status", self._status)
        router.add_post("/admin/functions/{name}", self._fire)
        router.add_route("*", "/{path:.*}", self._trigger)

    async def _status(self, _request: web.Request) -> web.Response:
        return web.json_response({"state": "Running"})

    async def _fire(self, request: web.Request) -> web.Response:
        fired = await self._timers.fire(request.match_info["name"])
        return web.Response(status=202 if fired else 404)

    async def _trigger(self, request: web.Request) -> web.Response:
        for endpoint in self._endpoints:
            parameters = endpoint.route.match(request.rel_url.raw_path)
            if parameters is not None and (not endpoint.methods or request.method in endpoint.methods):
                return await self._call(endpoint.function, request, parameters)
        return web.Response(status=404)

    async def _call(self, function: Function, request: web.Request, parameters: Mapping[str, str]) -> web.Response:
        http = Message(
            method=request.method,
            url=str(request.url),
            headers={name.lower(): value for name, value in _joined(request.headers).items()},
            query=_joined(request.query),
            params=parameters,
            body=Message(bytes=await request.read()),
        )
        arguments = [parameter(function.trigger["name"], http=http), *self._links.client_bindings(function)]
        try:
            return _response(await self._worker.invoke(function, arguments))
        except InvocationFailed as failed:
            error_id = str(uuid.uuid4())
            log.error("HTTP function %s failed, error id %s\n%s", function.name, error_id, failed.stack)
            return web.json_response({"id": error_id, "message": "internal server error"}, status=500)


def _endpoint(function: Function, prefix: str) -> Endpoint:
    route = parse_route(f"{prefix}/{function.trigger.get('route') or function.name}")
    return Endpoint(function, route, frozenset(function.trigger.get("methods") or ()))


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    """Each name once, its values joined by commas, as the Functions host does."""
    return {name: ",".join(values.getall(name)) for name in values}


def _response(returned: Message | None) -> web.Response:
    """What a function returned, as HTTP: a response of its own, plain text, or nothing (204)."""
    if returned is None:
        return web.Response(status=204)
    if returned.http is None:
        return web.Response(text=returned.string or returned.json or "")
    body = returned.http.body.bytes or b""
    return web.Response(status=int(returned.http.status_code), headers=returned.http.headers, body=body)
