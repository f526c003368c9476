"""The measured things: a closed list. A new one is a change here, never a string built at run time."""

from collections.abc import Mapping
from enum import StrEnum


class Operation(StrEnum):
    """What is measured, from and to which moment: see the README's table of operations."""

    ITERATION = "iteration"
    DPS_REGISTER = "dps.register"
    HUB_CONNECT = "hub.connect"
    HUB_DISCONNECT = "hub.disconnect"
    CERT_REQUEST = "cert.request"
    CERT_ACCEPTED = "cert.accepted"
    CERT_ISSUED = "cert.issued"
    CERT_VERIFIED = "cert.verified"
    TELEMETRY_PUBLISH = "telemetry.publish"
    STATE_LOAD = "state.load"
    STATE_SAVE = "state.save"
    STATE_DELETE = "state.delete"
    ADR_CREATE = "adr.create"
    ADR_GET = "adr.get"
    ADR_PATCH = "adr.patch"
    ADR_DELETE = "adr.delete"
    ADR_POLL = "adr.poll"
    HTTP_GET = "http.get"
    CONFORMANCE_CASE = "conformance.case"


PARTS: Mapping[Operation, tuple[str, ...]] = {
    Operation.ITERATION: ("connected",),
    Operation.DPS_REGISTER: ("tcp", "tls", "connack", "suback", "accepted", "assigned"),
    Operation.HUB_CONNECT: ("tcp", "tls", "connack", "suback"),
    Operation.CERT_VERIFIED: ("check", "reconnect"),
}
"""The stretches an operation is made of, in order; one is written `hub.connect.tls`."""

OVERDUE = frozenset(
    {Operation.CERT_REQUEST, Operation.CERT_ACCEPTED, Operation.CERT_ISSUED, Operation.TELEMETRY_PUBLISH}
)
"""Operations that can still be answered after their deadline: until then they are overdue, not failed."""


class Phase(StrEnum):
    """The part of a run a sample belongs to; set-up work is never in the steady numbers."""

    PREPARE = "prepare"
    RAMP = "ramp"
    STEADY = "steady"
    DRAIN = "drain"


class DropReason(StrEnum):
    """Why a due start never started."""

    BUSY = "busy"
    NO_FREE_DEVICE = "no-free-device"
    IN_FLIGHT_LIMIT = "in-flight-limit"
    NOT_PROVISIONED = "not-provisioned"
    BEHIND = "behind"
    STEP_FAILED = "step-failed"
