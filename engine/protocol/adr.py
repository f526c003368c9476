"""Azure Device Registry over ARM: the calls of the registry scenarios, as HTTP values.

A call that changes something may go on after its answer: the answer then says where to ask how it stands (`Running`),
and every answer from there says so again, or how it ended.

Source: azure-iot-scale, src/locust_pkg/adr_utils.py and adr_user.py, which run against the live service; Azure
Resource Manager, "Track asynchronous Azure operations" (headers, status words).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.protocol import headers
from engine.protocol.body import Fields, one_line, read_object, write_json
from engine.protocol.http import Request, Response
from engine.protocol.status import outcome_of_status

API_VERSION = "2025-11-01-preview"
ENDPOINT = "https://management.azure.com"

_ENDED_BADLY = ("failed", "canceled")


@dataclass(frozen=True, slots=True)
class Namespace:
    """One device-registry namespace; endpoint is a URL without a path."""

    subscription: str
    resource_group: str
    name: str
    location: str
    endpoint: str = ENDPOINT

    def device_url(self, device_id: str) -> str:
        """Where a device of the namespace is."""
        path = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        path += f"/providers/Microsoft.DeviceRegistry/namespaces/{self.name}/devices/{device_id}"
        return f"{self.endpoint}{path}?api-version={API_VERSION}"

    def serves(self, url: str) -> bool:
        """Whether a URL is at the endpoint itself, where its callers' token belongs."""
        own, other = Request("GET", self.endpoint), Request("GET", url)
        return (own.scheme, own.host, own.port) == (other.scheme, other.host, other.port)


@dataclass(frozen=True, slots=True)
class Running:
    """The call has been accepted and is not done: url says how it stands. is_operation: it always does so in words.

    retry_after_s is None where the service named no time to wait.
    """

    url: str
    retry_after_s: float | None = None
    is_operation: bool = True


type State = Running | Failure | None
"""How a call stands: under way, refused or failed, or done."""


def create(namespace: Namespace, device_id: str, token: str) -> Request:
    """Make the device, unless there is one: then the answer is 412 or 409."""
    properties = {
        "enabled": True,
        "externalDeviceId": device_id,
        "operatingSystem": "Linux",
        "attributes": {"createdBy": "certfleet"},
    }
    body = {"location": namespace.location, "properties": properties}
    return _request("PUT", namespace.device_url(device_id), token, body=body, more=(("If-None-Match", "*"),))


def get(namespace: Namespace, device_id: str, token: str) -> Request:
    """Read the device; 404 when there is none."""
    return _request("GET", namespace.device_url(device_id), token)


def patch(namespace: Namespace, device_id: str, token: str, *, version: str) -> Request:
    """Change the device's operating system version."""
    body = {"properties": {"operatingSystemVersion": version}}
    return _request("PATCH", namespace.device_url(device_id), token, body=body)


def delete(namespace: Namespace, device_id: str, token: str) -> Request:
    """Remove the device; 404 when there is none."""
    return _request("DELETE", namespace.device_url(device_id), token)


def poll(url: str, token: str) -> Request:
    """Ask how a call stands."""
    return _request("GET", url, token)


def read_answer(response: Response, url: str) -> State:
    """How a call of url stands after its own answer.

    Raises RemoteProtocolError on a 202 that does not say where to ask, and on a place that is no URL.
    """
    if (failure := read_failure(response)) is not None:
        return failure
    if operation := response.header("azure-asyncoperation"):
        return Running(headers.resolve(url, operation), headers.retry_after_s(response))
    if response.status not in (201, 202):
        return None
    if location := response.header("location"):
        return Running(headers.resolve(url, location), headers.retry_after_s(response), is_operation=False)
    if response.status == 202:
        raise RemoteProtocolError("a call was accepted, and the answer does not say where to ask about it")
    return None


def read_poll(response: Response, asked: Running) -> State:
    """How the call stands that was asked about.

    A `Location` may say it by its status alone: 202 until it is done. Raises RemoteProtocolError on a body that is no
    JSON object, and on an operation without status.
    """
    if (failure := read_failure(response)) is not None:
        return failure
    fields = read_object(response.body) if response.body.strip() else Fields({})
    status = fields.optional_text("status") if asked.is_operation or response.status == 202 else ""
    if status.lower() in _ENDED_BADLY:
        code, message = _error_of(fields)
        return Failure(Outcome.SERVER, code or status, message)
    if not status and asked.is_operation:
        raise RemoteProtocolError("an operation does not say how it stands")
    if status.lower() == "succeeded" or (not status and response.status != 202):
        return None
    return Running(asked.url, headers.retry_after_s(response), asked.is_operation)


def read_failure(response: Response) -> Failure | None:
    """The failure that an answer tells, None for a 2xx. Its outcome is the status's, its code the body's where it
    has one.

    A body that is not ARM's is no mistake here: gateways on the way answer in their own words.
    """
    outcome = outcome_of_status(response.status)
    if outcome is Outcome.OK:
        return None
    try:
        code, message = _error_of(read_object(response.body))
    except RemoteProtocolError:
        code, message = "", ""
    correlation = response.header("x-ms-correlation-request-id")
    detail = one_line(f"{message} (correlation {correlation})" if correlation else message)
    return Failure(outcome, code or str(response.status), detail, headers.retry_after_s(response))


def _error_of(fields: Fields) -> tuple[str, str]:
    """Code and message of an ARM error, "" where there is none.

    Source: Azure Resource Manager RPC, "Error Response Content".
    """
    error = fields.optional_object("error")
    return error.optional_code("code"), one_line(error.optional_text("message"))


def _request(
    method: str,
    url: str,
    token: str,
    *,
    body: Mapping[str, object] | None = None,
    more: tuple[tuple[str, str], ...] = (),
) -> Request:
    kind = () if body is None else (("Content-Type", "application/json"),)
    sent = (("Authorization", f"Bearer {token}"), ("Accept", "application/json"), *kind, *more)
    return Request(method, url, sent, b"" if body is None else write_json(body))


def token_scope(endpoint: str) -> str:
    """What a token must be good for at an endpoint.

    Source: Microsoft identity platform, "Scopes and permissions", the .default scope.
    """
    return f"{endpoint}/.default"


def local_token(group_key: bytes) -> str:
    """The bearer token that an emulator takes: whoever knows its group key (raw, not base64) can make it."""
    signature = hmac.digest(group_key, b"adr", hashlib.sha256)
    return base64.urlsafe_b64encode(signature).decode("ascii").rstrip("=")
