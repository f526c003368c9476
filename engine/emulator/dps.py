"""The provisioning service: a register request is accepted, and answered for good when the device asks again.

What is said does not depend on how: `answer` says it over MQTT, `dps_http` over HTTPS.

Source: article "Communicate with DPS using the MQTT protocol"; azure-sdk-for-c, sdk/tests/iot/provisioning. The
sub-codes of 400, 404 and 429 are not published; SDKs look at the status only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.emulator.authority import Authority
from engine.emulator.broker import Message
from engine.emulator.faults import Dice, Fault, Faults
from engine.emulator.names import Names
from engine.emulator.registry import Registry
from engine.emulator.stats import Stats
from engine.emulator.throttle import Bucket
from engine.emulator.timers import Timers
from engine.errors import RemoteProtocolError
from engine.protocol import dps
from engine.protocol.body import read_object, write_json, write_time
from engine.protocol.dps import Assignment, Poll, Register
from engine.protocol.issuing import Csr

BAD_REQUEST = 400004
UNAUTHORIZED = 401002
NOT_FOUND = 404201
THROTTLED = 429001

REGISTER, POLL, LOOKUP = "dps.register", "dps.poll", "dps.lookup"
"""The kinds of requests, as they are counted."""

KEPT_S = 600.0
"""How long the end of a registration can be asked for: an assumption."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a registration takes, and after how many whole seconds the device is told to ask.

    Source: azure-sdk-for-c, az_iot_provisioning_client.c has 3 s; shorter here, for runs on one machine.
    """

    assign_s: float = 0.2
    poll_after_s: int = 1


@dataclass(slots=True)
class _Operation:
    """A registration; csr is kept until the certificate is made for the first final answer."""

    operation_id: str
    ready_at: float
    csr: Csr | None
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body; wait_s is after how long the device shall ask again, None where nothing is said."""

    status: int
    body: bytes
    wait_s: int | None = None


class Provisioning:
    """Registrations under way, one per device."""

    def __init__(
        self, registry: Registry, authority: Authority, *, names: Names, dice: Dice, stats: Stats, pace: Pace
    ) -> None:
        self._registry, self._authority, self._names = registry, authority, names
        self._dice, self._stats, self._pace = dice, stats, pace
        self._operations: dict[str, _Operation] = {}
        self._ends: Timers[tuple[str, str]] = Timers()
        self._distrusted: set[str] = set()
        self.bucket: Bucket | None = None

    def trust(self, registration_id: str) -> None:
        """Answer the device's requests."""
        self._distrusted.discard(registration_id)

    def distrust(self, registration_id: str) -> None:
        """Answer the device's requests with 401. Source: azure-sdk-for-c, az_iot_provisioning_client.c."""
        self._distrusted.add(registration_id)

    def answer(self, registration_id: str, topic: str, *, payload: bytes, faults: Faults, now: float) -> Message:
        """The answer to a device's message. Raises RemoteProtocolError on a foreign topic."""
        try:
            request = dps.parse_request(topic, payload)
        except dps.BadRegistration as error:
            self.begin(REGISTER, now)
            answer, rid = self.refuse(BAD_REQUEST, str(error), now=now), error.rid
        else:
            answer, rid = self._answer(registration_id, request, faults=faults, now=now), request.rid
        return Message(dps.reply_topic(answer.status, rid, answer.wait_s), answer.body)

    def _answer(self, registration_id: str, request: Register | Poll, *, faults: Faults, now: float) -> Answer:
        match request:
            case Register():
                self.begin(REGISTER, now)
                if registration_id in self._distrusted:
                    return self.refuse(UNAUTHORIZED, "Invalid certificate.", now=now)
                return self.register(registration_id, request, faults=faults, now=now)
            case Poll():
                self.begin(POLL, now)
                return self.poll(registration_id, request.operation_id, now)

    def begin(self, kind: str, now: float) -> None:
        """Count a request of a kind, and forget what is long over. To be called before each of the calls below."""
        self._stats.add_to(kind, "requests")
        for registration_id, operation_id in self._ends.pop(now):
            operation = self._operations.get(registration_id)
            if operation is not None and operation.operation_id == operation_id:
                del self._operations[registration_id]

    def refuse(self, code: int, message: str, *, now: float, wait_s: int | None = None, kind: str = REGISTER) -> Answer:
        """An error answer to a request of a kind; its status is the code's first three digits."""
        self._stats.add_to(kind, code // 1000)
        at = write_time(now)
        body = dps.error_payload(code, message, tracking_id=self._names.uuid(), at=at)
        return Answer(code // 1000, body, wait_s)

    def register(self, registration_id: str, request: Register, *, faults: Faults, now: float) -> Answer:
        """Accept a registration of a device that proved itself."""
        if self._dice.happens(Fault.DPS_THROTTLED, faults, registration_id):
            return self.refuse(THROTTLED, "Throttled.", now=now, wait_s=faults.retry_after_s)
        if self.bucket is not None and not self.bucket.take(now):
            return self.refuse(THROTTLED, "Throttled.", now=now, wait_s=self.bucket.wait_s)
        if request.registration_id not in ("", registration_id):
            return self.refuse(BAD_REQUEST, "Registration id does not match the connection.", now=now)
        csr = None
        try:
            if request.csr is not None:
                csr = self._authority.read_csr(request.csr, registration_id)
        except RemoteProtocolError as error:
            return self.refuse(BAD_REQUEST, str(error), now=now)
        operation = _Operation(self._names.operation_id(), now + self._pace.assign_s, csr)
        self._operations[registration_id] = operation
        self._ends.add(now + KEPT_S, (registration_id, operation.operation_id))
        return self._wait(operation, REGISTER)

    def poll(self, registration_id: str, operation_id: str, now: float) -> Answer:
        """How an operation is; the first final answer ends the registration."""
        operation = self._operations.get(registration_id)
        if operation is None or operation.operation_id != operation_id:
            return self.refuse(NOT_FOUND, "Operation not found.", now=now, kind=POLL)
        if now < operation.ready_at:
            return self._wait(operation, POLL)
        self._stats.add_to(REGISTER, 200)
        self._stats.add_to(POLL, 200)
        return Answer(200, self._final(registration_id, operation, now))

    def look_up(self, registration_id: str, now: float) -> Answer:
        """The state of the device's last registration.

        Source: azure-iot-sdk-csharp, provisioning/transport/http, RuntimeRegistration.cs.
        """
        operation = self._operations.get(registration_id)
        if operation is None:
            return self.refuse(NOT_FOUND, "Registration not found.", now=now, kind=LOOKUP)
        self._stats.add_to(LOOKUP, 200)
        if now < operation.ready_at:
            state: Mapping[str, object] = {"registrationId": registration_id, "status": dps.Status.ASSIGNING}
        else:
            final = self._final(registration_id, operation, now)
            state = read_object(final).optional_object("registrationState").values
        return Answer(200, write_json(state))

    def _final(self, registration_id: str, operation: _Operation, now: float) -> bytes:
        assignment = self._assign(registration_id, operation, now)
        return dps.assigned_payload(
            operation.operation_id, registration_id, assignment=assignment, created=write_time(now)
        )

    def _wait(self, operation: _Operation, kind: str) -> Answer:
        self._stats.add_to(kind, 202)
        return Answer(202, dps.assigning_payload(operation.operation_id), self._pace.poll_after_s)

    def _assign(self, registration_id: str, operation: _Operation, now: float) -> Assignment:
        """The assignment, with a certificate when one was asked for; asking again gives the same one."""
        if operation.assignment is None:
            chain: tuple[bytes, ...] = ()
            if operation.csr is not None:
                chain = self._authority.issue(operation.csr, self._registry.mark_of(registration_id), now)
            operation.assignment = Assignment(self._registry.hub_of(registration_id), registration_id, chain)
        return operation.assignment
