"""What every call of Azure Resource Manager has: the token, the API version, a body of JSON, and errors of one form.

Source: Azure Resource Manager RPC, "Common API details"; azure-iot-scale, src/locust_pkg/adr_utils.py (headers).
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engine.errors import LocalProtocolError, RemoteProtocolError
from engine.protocol.body import read_object, write_json
from engine.protocol.http import Request, Response
from engine.protocol.topic import parse_query

MAX_PROPERTIES_BYTES = 16 * 1024
"""The largest properties of one resource, as JSON: an assumption."""

MAX_DEPTH = 32
"""How deep they may be nested: an assumption."""

_SCHEME = "bearer "
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what goes with it; no document is no body."""

    status: int
    document: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """What ends a call early: answer is what the client gets."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"error": {"code": code, "message": message}}, headers or {})


def throttled(wait_s: int) -> Refused:
    """Too many requests; the next may come after wait_s."""
    return Refused(429, "TooManyRequests", "The request rate is too high.", {"retry-after": str(wait_s)})


def not_allowed(method: str, allowed: str) -> Refused:
    """A method that the resource does not know; allowed are those it knows."""
    return Refused(405, "MethodNotAllowed", f"The method {method} is not allowed here.", {"allow": allowed})


def check_token(request: Request, token: str) -> None:
    """Raise Refused unless the request bears the token."""
    given = request.header("authorization")
    if given[: len(_SCHEME)].lower() != _SCHEME:
        message = "The 'Authorization' header is missing or has another scheme than Bearer."
        raise Refused(401, "AuthenticationFailed", message, {"www-authenticate": "Bearer"})
    if not hmac.compare_digest(given[len(_SCHEME) :].strip().encode(), token.encode()):
        headers = {"www-authenticate": 'Bearer error="invalid_token"'}
        raise Refused(401, "InvalidAuthenticationToken", "The access token is invalid.", headers)


def check_version(request: Request) -> None:
    """Raise Refused unless the request names an API version, any."""
    try:
        version = parse_query(urlsplit(request.url).query).get("api-version", "")
    except RemoteProtocolError:
        version = ""
    if not version:
        raise Refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
    if not _VERSION.fullmatch(version):
        raise Refused(400, "InvalidApiVersionParameter", "The api-version is none.")


def read_body(request: Request) -> Mapping[str, object]:
    """The JSON object that was sent. Raises Refused."""
    try:
        return read_object(request.body).values
    except RemoteProtocolError as error:
        raise Refused(400, "InvalidRequestContent", f"The request content is invalid: {error}.") from error


def check_properties(value: object) -> Mapping[str, object]:
    """The value, an object of a size and depth that can be kept. Raises Refused."""
    if not isinstance(value, dict):
        raise Refused(400, "InvalidRequestContent", "The properties are not an object.")
    if _is_deeper(value, MAX_DEPTH):
        raise Refused(400, "InvalidRequestContent", f"The properties are nested deeper than {MAX_DEPTH}.")
    try:
        size = len(write_json(value))
    except LocalProtocolError as error:
        raise Refused(400, "InvalidRequestContent", "A number is out of range.") from error
    if size > MAX_PROPERTIES_BYTES:
        raise Refused(400, "RequestContentTooLarge", f"At most {MAX_PROPERTIES_BYTES} bytes of properties are kept.")
    return value


def _is_deeper(value: object, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(depth == 0 or _is_deeper(one, depth - 1) for one in inner)


def merge(held: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """The held object with the changes made; null removes. Source: RFC 7396."""
    merged = dict(held)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            inner = merged.get(key)
            merged[key] = merge(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def respond(answer: Answer, correlation_id: str) -> Response:
    """The answer as it goes out."""
    headers = [("x-ms-correlation-request-id", correlation_id), *answer.headers.items()]
    if answer.document is None:
        return Response(answer.status, tuple(headers))
    headers.append(("content-type", "application/json; charset=utf-8"))
    return Response(answer.status, tuple(headers), write_json(answer.document))
