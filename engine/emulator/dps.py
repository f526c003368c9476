"""The provisioning service: a register request is accepted, and answered for good when the device asks again.

Source: article "Communicate with DPS using the MQTT protocol"; azure-sdk-for-c, sdk/tests/iot/provisioning. The
sub-codes of 400, 404 and 429 are not published; SDKs look at the status only.
"""

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
from engine.protocol.body import write_time
from engine.protocol.dps import Assignment, Poll, Register
from engine.protocol.issuing import Csr

BAD_REQUEST = 400004
UNAUTHORIZED = 401002
NO_SUCH_OPERATION = 404201
THROTTLED = 429001

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
        """The answer to a device's request. Raises RemoteProtocolError on a foreign topic."""
        self._forget(now)
        try:
            request = dps.parse_request(topic, payload)
        except dps.BadRegistration as error:
            self._stats.add_to("dps.register", "requests")
            return self.refuse(error.rid, BAD_REQUEST, message=str(error), now=now)
        match request:
            case Register():
                return self._register(registration_id, request, faults=faults, now=now)
            case Poll():
                return self._poll(registration_id, request, now)

    def refuse(
        self, rid: str, code: int, *, message: str, now: float, wait_s: int | None = None, kind: str = "dps.register"
    ) -> Message:
        """An error answer; its status is the code's first three digits."""
        at = write_time(now)
        self._stats.add_to(kind, code // 1000)
        body = dps.error_payload(code, message, tracking_id=self._names.uuid(), at=at)
        return Message(dps.reply_topic(code // 1000, rid, wait_s), body)

    def _register(self, registration_id: str, request: Register, *, faults: Faults, now: float) -> Message:
        self._stats.add_to("dps.register", "requests")
        if registration_id in self._distrusted:
            return self.refuse(request.rid, UNAUTHORIZED, message="Invalid certificate.", now=now)
        if self._dice.happens(Fault.DPS_THROTTLED, faults, registration_id):
            wait_s = faults.retry_after_s
            return self.refuse(request.rid, THROTTLED, message="Throttled.", now=now, wait_s=wait_s)
        if self.bucket is not None and not self.bucket.take(now):
            wait_s = self.bucket.wait_s
            return self.refuse(request.rid, THROTTLED, message="Throttled.", now=now, wait_s=wait_s)
        if request.registration_id not in ("", registration_id):
            message = "Registration id does not match the connection."
            return self.refuse(request.rid, BAD_REQUEST, message=message, now=now)
        csr = None
        try:
            if request.csr is not None:
                csr = self._authority.read_csr(request.csr, registration_id)
        except RemoteProtocolError as error:
            return self.refuse(request.rid, BAD_REQUEST, message=str(error), now=now)
        operation = _Operation(self._names.operation_id(), now + self._pace.assign_s, csr)
        self._operations[registration_id] = operation
        self._ends.add(now + KEPT_S, (registration_id, operation.operation_id))
        return self._wait(request.rid, operation, kind="dps.register")

    def _poll(self, registration_id: str, request: Poll, now: float) -> Message:
        self._stats.add_to("dps.poll", "requests")
        operation = self._operations.get(registration_id)
        if operation is None or operation.operation_id != request.operation_id:
            message = "Operation not found."
            return self.refuse(request.rid, NO_SUCH_OPERATION, message=message, now=now, kind="dps.poll")
        if now < operation.ready_at:
            return self._wait(request.rid, operation, kind="dps.poll")
        self._stats.add_to("dps.register", 200)
        self._stats.add_to("dps.poll", 200)
        body = dps.assigned_payload(
            operation.operation_id,
            registration_id,
            assignment=self._assign(registration_id, operation, now),
            created=write_time(now),
        )
        return Message(dps.reply_topic(200, request.rid), body)

    def _wait(self, rid: str, operation: _Operation, *, kind: str) -> Message:
        self._stats.add_to(kind, 202)
        topic = dps.reply_topic(202, rid, self._pace.poll_after_s)
        return Message(topic, dps.assigning_payload(operation.operation_id))

    def _assign(self, registration_id: str, operation: _Operation, now: float) -> Assignment:
        """The assignment, with a certificate when one was asked for; asking again gives the same one."""
        if operation.assignment is None:
            chain: tuple[bytes, ...] = ()
            if operation.csr is not None:
                chain = self._authority.issue(operation.csr, self._registry.mark_of(registration_id), now)
            operation.assignment = Assignment(self._registry.hub_of(registration_id), registration_id, chain)
        return operation.assignment

    def _forget(self, now: float) -> None:
        for registration_id, operation_id in self._ends.pop(now):
            operation = self._operations.get(registration_id)
            if operation is not None and operation.operation_id == operation_id:
                del self._operations[registration_id]
