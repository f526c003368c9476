"""The device registry: devices of namespaces, and the operations that create, change and delete them.

Theory of operation. Every namespace exists. A change is made at once and its operation ends a little later: until then
a device that was created or patched says so in its `provisioningState`, and one that is being deleted can be read.
What ends as `Failed` changes nothing. Devices live as long as the process does.

Checked in this order: the token, throttling and outages, the path and method, the API version, the body.
Source: azure-iot-scale, src/locust_pkg/adr_utils.py (calls, statuses, headers, as used live); Azure Resource Manager
RPC, "Asynchronous operations" (the operation's resource, 204 for what is gone, 200 for a PUT that replaces).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from engine.emulator import arm
from engine.emulator.arm import Answer, Refused
from engine.emulator.faults import Dice, Fault, Faults
from engine.emulator.names import Names
from engine.emulator.stats import Stats
from engine.emulator.throttle import Bucket
from engine.emulator.timers import Timers
from engine.protocol.http import Request, Response

KEPT_S = 600.0
"""How long an operation can be asked for: an assumption."""

MAX_DEVICES = 100_000
"""Devices of all namespaces together, so that memory has a bound; the service has 10,000 in each.

Source: article "Best practices for Azure Device Registry namespaces".
"""

_NAME = r"[A-Za-z0-9._:()-]{1,128}"
_DEVICE = re.compile(
    rf"/subscriptions/{_NAME}/resourceGroups/{_NAME}"
    rf"/providers/Microsoft\.DeviceRegistry/namespaces/{_NAME}/devices/(?P<name>{_NAME})",
    re.ASCII | re.IGNORECASE,
)
_OPERATION = re.compile(
    rf"/subscriptions/{_NAME}/providers/Microsoft\.DeviceRegistry/locations/{_NAME}"
    r"/operationStatuses/(?P<name>[0-9a-f-]{36})",
    re.ASCII | re.IGNORECASE,
)
_LOCATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ]{0,63}", re.ASCII)
_KINDS = {"PUT": "create", "GET": "get", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long an operation takes, and after how many whole seconds the client is told to ask."""

    operation_s: float = 0.2
    poll_after_s: int = 1


@dataclass(slots=True)
class _Device:
    """version counts its changes; it is being changed until settled_at, and gone from gone_at on."""

    location: str
    properties: Mapping[str, object]
    version: int
    settled_at: float
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Operation:
    """A change of a device under way; has_failed says how it ends."""

    name: str
    device: str
    ready_at: float
    has_failed: bool


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, taken apart. key tells devices apart: ARM does not look at case."""

    request: Request
    kind: str
    faults: Faults
    now: float
    path: str = ""
    name: str = ""

    @property
    def key(self) -> str:
        return self.path.lower()


class DeviceRegistry:
    """Devices of every namespace, for whoever has the token; bucket holds all calls together to a rate."""

    def __init__(self, token: str, *, names: Names, dice: Dice, stats: Stats, pace: Pace) -> None:
        self._token, self._names, self._dice, self._stats, self._pace = token, names, dice, stats, pace
        self._devices: dict[str, _Device] = {}
        self._operations: dict[str, _Operation] = {}
        self._ends: Timers[str] = Timers()
        self._deletions: Timers[str] = Timers()
        self.bucket: Bucket | None = None

    def answer(self, request: Request, *, faults: Faults, now: float) -> Response:
        """The answer to a call of ARM."""
        self._forget(now)
        call = _take_apart(request, faults, now)
        try:
            self._admit(call)
            answer = self._serve(call)
        except Refused as refused:
            answer = refused.answer
        self._stats.add_to("adr", f"{call.kind}.{answer.status}")
        return arm.respond(answer, self._names.uuid())

    def _admit(self, call: _Call) -> None:
        """Who asks, and whether the service is up to it."""
        arm.check_token(call.request, self._token)
        drawn_for = call.name
        if call.kind == "poll":  # how many there are depends on time: they must not shift what the device meets else
            operation = self._operations.get(call.name.lower())
            drawn_for = f"poll:{operation.device if operation else ''}"
        if self._dice.happens(Fault.ADR_THROTTLED, call.faults, drawn_for):
            raise arm.throttled(call.faults.retry_after_s)
        if self.bucket is not None and not self.bucket.take(call.now):
            raise arm.throttled(self.bucket.wait_s)
        if self._dice.happens(Fault.ADR_SERVER, call.faults, drawn_for):
            if self._dice.alternates(f"adr:{drawn_for}"):
                raise Refused(503, "ServiceUnavailable", "The service is unavailable.")
            raise Refused(504, "GatewayTimeout", "The gateway did not receive a response in time.")

    def _serve(self, call: _Call) -> Answer:
        method = call.request.method
        match call.kind:
            case "poll" if method != "GET":
                raise arm.not_allowed(method, "GET")
            case "poll":
                return self._poll(call)
            case "other" if call.name:
                raise arm.not_allowed(method, ", ".join(_KINDS))
            case "other":
                raise Refused(404, "ResourceNotFound", "There is nothing at this path.")
        arm.check_version(call.request)
        match call.kind:
            case "create":
                return self._create(call)
            case "get":
                return Answer(200, _show(call, self._find(call)))
            case "patch":
                return self._patch(call)
            case _:
                return self._delete(call)

    def _poll(self, call: _Call) -> Answer:
        operation = self._operations.get(call.name.lower())
        if operation is None:
            raise Refused(404, "OperationNotFound", "There is no such operation.")
        document: dict[str, object] = {"id": call.path, "name": operation.name, "status": "Succeeded"}
        if call.now < operation.ready_at:
            document["status"] = "InProgress"
            return Answer(200, document, {"retry-after": str(self._pace.poll_after_s)})
        if operation.has_failed:
            document["status"] = "Failed"
            document["error"] = {"code": "InternalServerError", "message": "The operation failed."}
        return Answer(200, document)

    def _create(self, call: _Call) -> Answer:
        held = self._devices.get(call.key)
        if held is not None and call.request.header("if-none-match") == "*":
            raise Refused(412, "PreconditionFailed", "The device exists already.")
        body = arm.read_body(call.request)
        location, properties = body.get("location"), arm.check_properties(body.get("properties", {}))
        if not isinstance(location, str) or not _LOCATION.fullmatch(location):
            raise Refused(400, "LocationRequired", "The location property is required for this definition.")
        if held is None and len(self._devices) >= MAX_DEVICES:
            raise Refused(409, "QuotaExceeded", f"There are {MAX_DEVICES} devices already.")
        version = held.version + 1 if held else 1
        device = _Device(location, properties, version, call.now + self._pace.operation_s)
        return self._change(call, device, 200 if held else 201)

    def _patch(self, call: _Call) -> Answer:
        held = self._find(call)
        if held.gone_at is not None:
            raise Refused(409, "Conflict", "The device is being deleted.")
        changes = arm.check_properties(arm.read_body(call.request).get("properties", {}))
        properties = arm.check_properties(arm.merge(held.properties, changes))
        device = _Device(held.location, properties, held.version + 1, call.now + self._pace.operation_s)
        return self._change(call, device, 202)

    def _change(self, call: _Call, device: _Device, status: int) -> Answer:
        """Accept the device as it is to be; a failing operation leaves everything as it was."""
        headers, has_failed = self._begin(call, device.location)
        if not has_failed:
            self._devices[call.key] = device
        return Answer(status, _show(call, device), headers)

    def _delete(self, call: _Call) -> Answer:
        held = self._devices.get(call.key)
        if held is None:
            return Answer(204)
        headers, has_failed = self._begin(call, held.location)
        if not has_failed and held.gone_at is None:
            held.gone_at = call.now + self._pace.operation_s
            self._deletions.add(held.gone_at, call.key)
        return Answer(202, None, headers)

    def _begin(self, call: _Call, location: str) -> tuple[Mapping[str, str], bool]:
        """The headers that tell of a new operation, and whether it will fail."""
        has_failed = self._dice.happens(Fault.ADR_FAILED, call.faults, call.name)
        operation = _Operation(self._names.uuid(), call.name, call.now + self._pace.operation_s, has_failed)
        self._operations[operation.name] = operation
        self._ends.add(call.now + KEPT_S, operation.name)
        url = urlsplit(call.request.url)
        subscription = call.path.split("/")[2]
        path = f"/subscriptions/{subscription}/providers/Microsoft.DeviceRegistry/locations/"
        path += f"{location.replace(' ', '').lower()}/operationStatuses/{operation.name}"
        where = f"{url.scheme}://{url.netloc}{path}?{url.query}"
        return {"azure-asyncoperation": where, "retry-after": str(self._pace.poll_after_s)}, has_failed

    def _find(self, call: _Call) -> _Device:
        if (device := self._devices.get(call.key)) is None:
            raise Refused(404, "ResourceNotFound", f"The device '{call.name}' was not found.")
        return device

    def _forget(self, now: float) -> None:
        for key in self._deletions.pop(now):
            device = self._devices.get(key)
            if device is not None and device.gone_at is not None and device.gone_at <= now:
                del self._devices[key]
        for name in self._ends.pop(now):
            self._operations.pop(name, None)


def _take_apart(request: Request, faults: Faults, now: float) -> _Call:
    path = unquote(urlsplit(request.url).path)
    if (operation := _OPERATION.fullmatch(path)) is not None:
        return _Call(request, "poll", faults, now, path, operation["name"])
    if (device := _DEVICE.fullmatch(path)) is not None:
        return _Call(request, _KINDS.get(request.method, "other"), faults, now, path, device["name"])
    return _Call(request, "other", faults, now, path)


def _show(call: _Call, device: _Device) -> Mapping[str, object]:
    """The device as its resource."""
    state = "Succeeded" if device.settled_at <= call.now else "Accepted"
    return {
        "id": call.path,
        "name": call.name,
        "type": "Microsoft.DeviceRegistry/namespaces/devices",
        "location": device.location,
        "etag": f'"{device.version:08x}"',
        "properties": {
            **device.properties,
            "version": device.version,
            "provisioningState": state if device.gone_at is None else "Deleting",
        },
    }
