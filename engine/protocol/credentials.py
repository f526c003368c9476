"""Certificate issuance by the hub, for both ends: a request, the 202, the 200 and every error.

A device subscribes to RESPONSES and publishes one request. The hub accepts it (202), signs, and pushes the chain
(200) under the same request id; an error can come instead of the 202 or after it. There is nothing to poll.

Source, unless a function names another: azure-iot-sdk-csharp, branch feature/iot-csr-preview,
iothub/device/src/csr-scenarions.md and CertificateSigningRequest*.cs. The article on MQTT writes `credential` in the
singular and shows PEM; every SDK and the recorded live run use the plural and base64 DER, and so do we.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from engine.errors import Failure, LocalProtocolError, RemoteProtocolError
from engine.protocol import topic
from engine.protocol.body import (
    Fields,
    from_base64,
    read_chain,
    read_failure,
    read_json,
    read_object,
    to_base64,
    write_json,
)

RESPONSES = "$iothub/credentials/res/#"

ANY = "*"
"""As `replace`: whatever request is active. Source: csr-scenarions.md."""

MAX_CSR_CHARS = 8 * 1024
"""The longest `csr`. Source: csr-scenarions.md; that the base64 text counts and not the DER is an assumption."""

LIFETIME_S = 12 * 3600.0
"""How long an accepted request is kept. Source: azure-iot-sdk-csharp, documentation of OperationExpires."""

_RESPONSE = "$iothub/credentials/res/"
_REQUEST = "$iothub/credentials/POST/issueCertificate/?"
_RID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,34}[A-Za-z0-9]", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Accepted:
    """202: the request is being signed. expires_at is Unix seconds, None when the service did not say."""

    rid: str
    correlation_id: str
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Issued:
    """200: the chain, DER, leaf first."""

    rid: str
    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """An error. active_rid is the request in the way (409), or the one that is not there (412)."""

    rid: str
    failure: Failure
    active_rid: str = ""


def request_topic(rid: str) -> str:
    """Where to publish a request; nothing may follow the id. Raises LocalProtocolError on an id the hub refuses."""
    return f"{_REQUEST}$rid={_check_rid(rid)}"


def request_payload(device_id: str, csr: bytes, replace: str | None = None) -> bytes:
    """The request; csr is DER, replace is ANY or the id of the active request, None to replace nothing."""
    body = {"id": device_id, "csr": to_base64(csr)}
    if replace is not None:
        body["replace"] = replace if replace == ANY else _check_rid(replace)
    return write_json(body)


def parse_response(name: str, payload: bytes) -> Accepted | Issued | Rejected:
    """One answer, from its topic's name and its payload; which kind it is, the topic's status alone tells.

    The 200 is an object with `certificates`, as the live service sends, or a bare array, as azure-sdk-for-c expects.
    Raises RemoteProtocolError on a topic or payload the service would not send.
    """
    head = topic.parse_response(name, _RESPONSE)
    if head.status == 202:
        fields = read_object(payload)
        return Accepted(head.rid, fields.text("correlationId"), _parse_time(fields.optional_text("operationExpires")))
    if head.status == 200:
        chain = _read_issued(payload)
        if not chain:
            raise RemoteProtocolError("a 200 without certificates")
        return Issued(head.rid, chain)
    if head.status < 400:
        raise RemoteProtocolError(f"status {head.status} is none that certificate issuance has")
    failure = read_failure(head.status, payload, topic.parse_seconds(head.extra.get("retry-after")))
    info = read_object(payload).optional_object("info") if payload.strip() else Fields({})
    return Rejected(head.rid, failure, info.optional_text("requestId"))


def _read_issued(payload: bytes) -> tuple[bytes, ...]:
    body = read_json(payload)
    match body:
        case list():
            return read_chain(body)
        case dict():
            return read_chain(body.get("certificates"))
        case _:
            raise RemoteProtocolError("a 200 that is neither an object nor an array")


def _parse_time(text: str) -> float | None:
    """Unix seconds from ISO 8601 with up to nine digits of fraction, None from ""."""
    if not text:
        return None
    try:
        if found := _TIME.fullmatch(text):
            whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
            return whole.timestamp() + float(f"0{found[2] or ''}")
    except ValueError as error:
        raise RemoteProtocolError(f"no such time: {text[:50]!r}") from error
    raise RemoteProtocolError(f"time {text[:50]!r} is not YYYY-MM-DDThh:mm:ss.fffZ")


def _check_rid(rid: str) -> str:
    """Source: azure-sdk-for-c, branch feature/dps-csr-preview, az_iot_hub_client.h (4 to 36 characters)."""
    if not _RID.fullmatch(rid):
        raise LocalProtocolError(f"request id {rid[:50]!r} is not 4 to 36 letters, digits and inner dashes")
    return rid


# The service's end.


class Reason(StrEnum):
    """Why a request is refused."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    BAD_CSR = "bad-csr"
    CONFLICT = "conflict"
    NOTHING_TO_REPLACE = "nothing-to-replace"
    THROTTLED = "throttled"
    BACKLOG_TIMEOUT = "backlog-timeout"
    SERVER = "server"
    UNAVAILABLE = "unavailable"


CODES: Mapping[Reason, int] = {
    Reason.MALFORMED: 400040,
    Reason.INVALID: 400040,
    Reason.BAD_CSR: 400040,
    Reason.CONFLICT: 409005,
    Reason.NOTHING_TO_REPLACE: 412001,
    Reason.THROTTLED: 429002,
    Reason.BACKLOG_TIMEOUT: 429003,
    Reason.SERVER: 500001,
    Reason.UNAVAILABLE: 503001,
}
"""The current codes; a status is a code's first three digits. Source: azure-iot-sdk-csharp, MqttTransportHandler.cs."""

CODES_JANUARY_2026: Mapping[Reason, int] = {
    **CODES,
    Reason.MALFORMED: 400006,
    Reason.INVALID: 400004,
    Reason.BAD_CSR: 400037,
    Reason.CONFLICT: 409004,
}
"""The codes of the recorded live run. Which of the two a service sends is unknown: clients branch on the status."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a device asks for. csr is what the base64 held: maybe no CSR at all; replace is ANY, an id, or ""."""

    csr: bytes
    replace: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of a request. The other fields fill the `info` of the reasons that have one."""

    reason: Reason
    message: str
    retry_after_s: int | None = None
    request_id: str = ""
    correlation_id: str = ""
    expires: str = ""


def parse_request_topic(name: str) -> str | None:
    """The request id; None when the topic is another one.

    Raises RemoteProtocolError when the id is missing or ill-formed: there is nobody to answer then.
    """
    if not name.startswith(_REQUEST):
        return None
    rid = topic.parse_query(name.removeprefix(_REQUEST)).get("$rid", "")
    if not _RID.fullmatch(rid):
        raise RemoteProtocolError(f"request id {rid[:50]!r} is not 4 to 36 letters, digits and inner dashes")
    return rid


def parse_request(payload: bytes, device_id: str) -> Request | Refusal:
    """What the device asks for, or why that is refused at once.

    No body, or another JSON value than an object, is no mistake of syntax. Source: csr-scenarions.md (001 to 003).
    """
    try:
        body = read_json(payload) if payload else None
    except RemoteProtocolError as error:
        return Refusal(Reason.MALFORMED, str(error))
    if not isinstance(body, dict):
        return Refusal(Reason.INVALID, "the payload is not a JSON object")
    fields = Fields(body)
    try:
        if unknown := set(fields.values) - {"id", "csr", "replace"}:
            raise RemoteProtocolError(f"unknown field {min(unknown)[:50]!r}")
        if fields.text("id") != device_id:
            raise RemoteProtocolError("field id is not the connected device")
        if len(fields.text("csr")) > MAX_CSR_CHARS:
            raise RemoteProtocolError(f"field csr is longer than {MAX_CSR_CHARS} characters")
        replace = fields.optional_text("replace")
        if fields.values.get("replace") is not None and replace != ANY and not _RID.fullmatch(replace):
            raise RemoteProtocolError("field replace is neither * nor a request id")
        return Request(from_base64(fields.values["csr"]), replace)
    except RemoteProtocolError as error:
        return Refusal(Reason.INVALID, str(error))


def response_topic(status: int, rid: str) -> str:
    """Where an answer goes; nothing may follow the id, because the C# SDK takes all of it."""
    return f"{_RESPONSE}{status}/?$rid={rid}"


def accepted_payload(correlation_id: str, expires: str) -> bytes:
    """The body of a 202; expires is ISO 8601."""
    return write_json({"correlationId": correlation_id, "operationExpires": expires})


def issued_payload(correlation_id: str, chain: tuple[bytes, ...]) -> bytes:
    """The body of a 200; chain is DER, leaf first."""
    return write_json({"correlationId": correlation_id, "certificates": [to_base64(der) for der in chain]})


def issued_array_payload(chain: tuple[bytes, ...]) -> bytes:
    """The body of a 200 as azure-sdk-for-c, branch feature/dps-csr-preview, expects it: a bare array."""
    return write_json([to_base64(der) for der in chain])


def refused_payload(refusal: Refusal, code: int, *, tracking_id: str, at: str) -> bytes:
    """The body of an error; at is ISO 8601. Source: CertificateSigningRequestErrorResponse.cs."""
    info: dict[str, object] = {}
    if refusal.request_id:
        info["requestId"] = refusal.request_id
    if refusal.correlation_id:
        info |= {"correlationId": refusal.correlation_id, "operationExpires": refusal.expires}
    if refusal.reason is Reason.BAD_CSR:
        info |= {"credentialError": "400000", "credentialMessage": refusal.message}
    body: dict[str, object] = {"errorCode": code, "message": refusal.message, "trackingId": tracking_id}
    if refusal.retry_after_s is not None:
        body["retryAfter"] = refusal.retry_after_s
    return write_json({**body, "timestampUtc": at, "info": info or None})
