"""The device provisioning service over MQTT: user name, topics and bodies, for both ends.

A device subscribes to RESPONSES, publishes a register request, and polls with the operation id it was given until
the state is final. One response topic carries every answer; `$rid` tells them apart.

Source, unless a function names another: article "Communicate with DPS using the MQTT protocol"
(iot-mqtt-connect-to-iot-dps.md); azure-iot-sdk-csharp and azure-sdk-for-c, branches feature/iot-csr-preview and
feature/dps-csr-preview (the `csr` and `issuedCertificateChain` fields of API version 2025-07-01-preview).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from engine.errors import Failure, LocalProtocolError, Outcome, RemoteProtocolError
from engine.protocol.body import (
    Fields,
    from_base64,
    one_line,
    read_chain,
    read_failure,
    read_object,
    to_base64,
    write_json,
)
from engine.protocol.status import outcome_of_status
from engine.protocol.topic import check_rid, parse_query, parse_response, parse_seconds, take_rid

API_VERSION = "2025-07-01-preview"
"""The version that knows `csr`. Source: azure-iot-sdk-csharp and azure-sdk-for-c, branches above."""

RESPONSES = "$dps/registrations/res/#"

_RESPONSE = "$dps/registrations/res/"
_REGISTER = "$dps/registrations/PUT/iotdps-register/?"
_POLL = "$dps/registrations/GET/iotdps-get-operationstatus/?"
_USERNAME = re.compile(r"(?P<scope>[^/]+)/registrations/(?P<id>[^/]+)/(?P<query>.+)", re.DOTALL)
_HUB = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_REGISTRATION_ID = re.compile(r"[A-Za-z0-9._:-]{0,127}[A-Za-z0-9-]", re.ASCII)


class Status(StrEnum):
    """How far a registration is. Source: azure-sdk-for-c, az_iot_provisioning_client.h."""

    ASSIGNING = "assigning"
    ASSIGNED = "assigned"
    FAILED = "failed"
    UNASSIGNED = "unassigned"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The hub a device belongs to; chain is DER, leaf first, () when no certificate was issued."""

    hub: str
    device_id: str
    chain: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. assignment is set when assigned; failure for an error, or a final state other than assigned.

    Neither is set while the registration goes on: poll after retry_after_s, which is None when none was named.
    """

    rid: str
    status: int
    retry_after_s: float | None = None
    operation_id: str = ""
    state: Status | None = None
    assignment: Assignment | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """What a device says of itself in its user name."""

    id_scope: str
    registration_id: str
    api_version: str


@dataclass(frozen=True, slots=True)
class Register:
    """A register request. csr is DER, None when no certificate is wanted."""

    rid: str
    registration_id: str
    csr: bytes | None


@dataclass(frozen=True, slots=True)
class Poll:
    """A question about an operation."""

    rid: str
    operation_id: str


def username(id_scope: str, registration_id: str) -> str:
    """The MQTT user name; there is no `?` before `api-version`, unlike at the hub."""
    _check_registration_id(registration_id)
    return f"{id_scope}/registrations/{registration_id}/api-version={API_VERSION}"


def sas_resource(id_scope: str, registration_id: str) -> str:
    """What a device's token is for, not yet percent-encoded."""
    return f"{id_scope}/registrations/{registration_id}"


def register_topic(rid: str) -> str:
    """Where to publish the register body."""
    return f"{_REGISTER}$rid={check_rid(rid)}"


def register_payload(registration_id: str, csr: bytes | None) -> bytes:
    """The register body; csr is a DER request for a certificate, None for none."""
    _check_registration_id(registration_id)
    body: dict[str, object] = {"registrationId": registration_id}
    if csr is not None:
        body["csr"] = to_base64(csr)
    return write_json(body)


def poll_topic(rid: str, operation_id: str) -> str:
    """Where to ask how the operation is; the body is empty."""
    return f"{_POLL}$rid={check_rid(rid)}&operationId={quote(operation_id, safe='')}"


def parse_reply(topic: str, payload: bytes) -> Reply:
    """A DPS response, from the topic's status and query and the JSON payload.

    Raises RemoteProtocolError on a topic or payload the service would not send.
    """
    head = parse_response(topic, _RESPONSE)
    return read_reply(head.status, payload, parse_seconds(head.extra.get("retry-after")), rid=head.rid)


def read_reply(status: int, payload: bytes, wait_s: float | None, *, rid: str = "") -> Reply:
    """What a status, a JSON payload and a retry-after say, whatever carried them; HTTPS has no rid.

    A registration that is `unassigned` goes on while its status is 202 and has failed when it is 200: SDKs
    disagree (C and C# keep polling, Python and Node give up).
    Raises RemoteProtocolError on a payload the service would not send.
    """
    if status >= 300:
        return Reply(rid, status, wait_s, failure=read_failure(status, payload, wait_s))
    fields = read_object(payload)
    state = _parse_state(fields.text("status"))
    operation_id = fields.optional_text("operationId")
    registration = fields.optional_object("registrationState")
    assignment, failure = None, None
    if state is Status.ASSIGNED:
        assignment = _parse_assignment(registration)
    elif state is Status.ASSIGNING or (state is Status.UNASSIGNED and status == 202):
        if not operation_id:
            raise RemoteProtocolError("a registration goes on, but there is no operationId to ask for")
    else:
        failure = _parse_final_failure(state, registration)
    return Reply(rid, status, wait_s, operation_id, state, assignment, failure)


def _parse_state(text: str) -> Status:
    try:
        return Status(text)
    except ValueError as error:
        raise RemoteProtocolError(f"status {text[:50]!r} is none of {', '.join(Status)}") from error


def _parse_assignment(registration: Fields) -> Assignment:
    """Raises RemoteProtocolError on a hub that is no host: an allow-list looks at the end of a name, and a resolver may
    read no further than to a NUL. Source: azure-iot-sdk-csharp, DeviceRegistrationResult.cs (names of the fields).
    """
    assigned_hub = registration.text("assignedHub")
    if not _HUB.fullmatch(assigned_hub):
        raise RemoteProtocolError("field assignedHub is not the name of a host")
    return Assignment(
        assigned_hub,
        registration.text("deviceId"),
        read_chain(registration.values.get("issuedCertificateChain")),
    )


def _parse_final_failure(state: Status, registration: Fields) -> Failure:
    """Source: azure-sdk-for-c, sdk/tests/iot/provisioning (errorCode 400207, errorMessage in registrationState)."""
    code = registration.optional_code("errorCode")
    outcome = Outcome.SERVER
    if len(code) == 6 and code.isascii() and code.isdigit() and code[0] in "45":
        outcome = outcome_of_status(int(code[:3]))
    return Failure(outcome, code or state, one_line(registration.optional_text("errorMessage")) or state)


def _check_registration_id(registration_id: str) -> None:
    """Raise LocalProtocolError on an id that DPS has none of. Source: article "DPS terminology", registration id."""
    if not _REGISTRATION_ID.fullmatch(registration_id):
        raise LocalProtocolError(f"registration id {registration_id[:150]!r} is not 1 to 128 letters, digits, -._:")


# The service's end.


def parse_username(text: str) -> Login | None:
    """Who logs in, with any api-version and other keys tolerated; None when it is not a DPS user name.

    The registration id is percent-decoded by no one: its characters need no escape.
    """
    found = _USERNAME.fullmatch(text)
    if found is None or not _REGISTRATION_ID.fullmatch(found["id"]):
        return None
    try:
        query = parse_query(found["query"].removeprefix("?"))
    except RemoteProtocolError:
        return None
    version = query.get("api-version", "")
    return Login(found["scope"], found["id"], version) if version else None


def parse_request(topic: str, payload: bytes) -> Register | Poll:
    """What a device asks for. `registrationId`, `payload` and `csr` may be null or absent.

    Raises RemoteProtocolError on an unknown topic (there is nobody to answer) and BadRegistration on a bad body.
    """
    if topic.startswith(_POLL):
        query = dict(parse_query(topic.removeprefix(_POLL)))
        return Poll(take_rid(query), query.get("operationId", ""))
    if not topic.startswith(_REGISTER):
        raise RemoteProtocolError(f"topic {topic[:200]!r} is no request to DPS")
    return read_registration(payload, rid=take_rid(dict(parse_query(topic.removeprefix(_REGISTER)))))


def read_registration(payload: bytes, *, rid: str = "") -> Register:
    """What a register body asks for, whatever carried it; HTTPS has no rid. Raises BadRegistration."""
    try:
        fields = read_object(payload)
        csr = fields.values.get("csr")
        registration_id = fields.optional_text("registrationId")
        return Register(rid, registration_id, None if csr is None else from_base64(csr))
    except RemoteProtocolError as error:
        raise BadRegistration(rid, str(error)) from error


class BadRegistration(RemoteProtocolError):
    """A register body that is answered with 400."""

    def __init__(self, rid: str, message: str) -> None:
        super().__init__(message)
        self.rid = rid


def reply_topic(status: int, rid: str, retry_after_s: int | None = None) -> str:
    """Where an answer goes. Order matters here: PY reads only what follows the second `$`, so `$rid` is first.

    Source: azure-iot-sdk-python, mqtt_topic_provisioning.py.
    """
    wait = "" if retry_after_s is None else f"&retry-after={retry_after_s}"
    return f"{_RESPONSE}{status}/?$rid={rid}{wait}"


def assigning_payload(operation_id: str) -> bytes:
    """The body of a 202. Source: azure-sdk-for-c, az_iot_provisioning_client.c."""
    return write_json({"operationId": operation_id, "status": Status.ASSIGNING})


def assigned_payload(operation_id: str, registration_id: str, *, assignment: Assignment, created: str) -> bytes:
    """The body of a 200; created is ISO 8601. The chain is left out when there is none.

    Source: azure-iot-sdk-csharp, DeviceRegistrationResult.cs; azure-sdk-for-c, sdk/tests/iot/provisioning.
    """
    state: dict[str, object] = {
        "registrationId": registration_id,
        "createdDateTimeUtc": created,
        "assignedHub": assignment.hub,
        "deviceId": assignment.device_id,
        "status": Status.ASSIGNED,
        "substatus": "initialAssignment",
        "lastUpdatedDateTimeUtc": created,
        "etag": "IjAxMDBhNGY0LTAwMDAi",
        "payload": None,
    }
    if assignment.chain:
        state["issuedCertificateChain"] = [to_base64(der) for der in assignment.chain]
    return write_json({"operationId": operation_id, "status": Status.ASSIGNED, "registrationState": state})


def error_payload(code: int, message: str, *, tracking_id: str, at: str) -> bytes:
    """The body of an error. Source: azure-sdk-for-c, az_iot_provisioning_client.c."""
    return write_json({"errorCode": code, "trackingId": tracking_id, "message": message, "timestampUtc": at})
