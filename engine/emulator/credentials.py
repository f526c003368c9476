"""Certificate issuance: one slot per device, filled by a request, emptied by its delivered answer.

Theory of operation. A request that finds the slot empty fills it and is answered 202; after the delay its result is
made, a chain (200) or an error (400 for what is no PKCS#10). The result is delivered when the device is connected and
subscribed, at once or later, and then the slot is empty; an undelivered one is thrown away when the operation expires.
A request that finds the slot full is refused with 409, unless it is the same request again (answered 202 again) or
replaces the other, which then is never answered.

Where sources say nothing: a repeated id is answered 202 and a replaced request with silence; a request without a
subscription is ignored and its connection stays. Delivered means handed to the connection, not acknowledged.
Source: azure-iot-sdk-csharp, branch feature/iot-csr-preview, iothub/device/src/csr-scenarions.md.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.emulator.authority import Authority
from engine.emulator.broker import Action, Broker, Client, Message
from engine.emulator.faults import Dice, Fault, Faults
from engine.emulator.names import Names
from engine.emulator.registry import Registry
from engine.emulator.stats import Stats
from engine.emulator.throttle import Bucket
from engine.emulator.timers import Timers
from engine.errors import RemoteProtocolError
from engine.protocol import credentials
from engine.protocol.body import write_time
from engine.protocol.credentials import ANY, CODES, Reason, Refusal, Request


class BodyForm(StrEnum):
    """How the 200 is written: sources disagree. Live runs saw the object, azure-sdk-for-c expects the array."""

    OBJECT = "object"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class Contract:
    """What sources disagree on."""

    codes: Mapping[Reason, int] = field(default_factory=lambda: CODES)
    body: BodyForm = BodyForm.OBJECT


class _Step(StrEnum):
    """What happens to a slot at a certain time."""

    DROP = "drop"
    FINISH = "finish"


@dataclass(slots=True, eq=False)
class _Slot:
    """A device's active request; result is its answer, with the status it counts as, while that waits for delivery."""

    client: Client
    rid: str
    csr: bytes
    correlation_id: str
    expires_at: float
    fault: Fault | None
    result: tuple[int, Message] | None = None


class Issuance:
    """The slots of every device. Answers go out through the broker."""

    def __init__(
        self,
        broker: Broker,
        authority: Authority,
        *,
        registry: Registry,
        names: Names,
        dice: Dice,
        stats: Stats,
        contract: Contract,
    ) -> None:
        self._broker, self._authority, self._registry = broker, authority, registry
        self._names, self._dice, self._stats, self._contract = names, dice, stats, contract
        self._slots: OrderedDict[Client, _Slot] = OrderedDict()  # oldest first, which is the order they expire in
        self._steps: Timers[tuple[_Step, _Slot]] = Timers()
        self.bucket: Bucket | None = None

    @property
    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        oldest = [next(iter(self._slots.values())).expires_at] if self._slots else []
        step = self._steps.next_due
        return min([*oldest, step] if step is not None else oldest, default=None)

    @property
    def pending(self) -> int:
        """How many requests are accepted and not answered for good."""
        return len(self._slots)

    def request(self, client: Client, rid: str, *, payload: bytes, faults: Faults, now: float) -> list[Action]:
        """What follows from a device's request."""
        self._stats.add_to("cert", "requests")
        if not self._broker.is_listening(client, credentials.response_topic(202, rid)):
            self._stats.add_to("cert", "ignored")
            return []
        request = credentials.parse_request(payload, client.device_id)
        if isinstance(request, Refusal):
            return self._reject(client, rid, refusal=request, now=now)
        active = self._slots.get(client)
        if active is not None and active.rid == rid:
            self._stats.add_to("cert", "resubmitted")
            return self._accept(active)
        fault = self._dice.renewal(faults, client.device_id)
        refusal = self._fault_refusal(fault, faults, now) or self._slot_refusal(active, request)
        if refusal is not None:
            return self._reject(client, rid, refusal=refusal, now=now)
        if active is not None:
            self._stats.add_to("cert", "replaced")
            del self._slots[client]
        slot = _Slot(client, rid, request.csr, self._names.uuid(), now + credentials.LIFETIME_S, fault)
        self._slots[client] = slot
        self._schedule(slot, faults.issue_delay_s, now)
        return self._accept(slot)

    def ready(self, client: Client) -> list[Action]:
        """The result that was held back for the client, if there is one and it can be delivered now."""
        slot = self._slots.get(client)
        return self._deliver(slot) if slot is not None and slot.result is not None else []

    def tick(self, now: float) -> list[Action]:
        """What is due by now: results, drops, and the end of what nobody fetched."""
        actions: list[Action] = []
        for step, slot in self._steps.pop(now):
            if self._slots.get(slot.client) is slot:
                actions += self._broker.drop(slot.client) if step is _Step.DROP else self._finish(slot, now)
        while self._slots and (slot := next(iter(self._slots.values()))).expires_at <= now:
            del self._slots[slot.client]
            self._stats.add_to("cert", "expired")
            if slot.result is not None:
                self._stats.add("undelivered")
        return actions

    def _schedule(self, slot: _Slot, delay_s: float, now: float) -> None:
        if slot.fault is Fault.LOST:
            self._stats.add_to("cert", "lost")
            return
        if slot.fault is Fault.DROPPED:
            self._steps.add(now + delay_s / 2, (_Step.DROP, slot))
        self._steps.add(now + delay_s, (_Step.FINISH, slot))

    def _fault_refusal(self, fault: Fault | None, faults: Faults, now: float) -> Refusal | None:
        match fault:
            case Fault.THROTTLED:
                return Refusal(Reason.THROTTLED, "The backlog limit is exceeded.", faults.retry_after_s)
            case Fault.SERVER:
                return Refusal(Reason.UNAVAILABLE, "The service is unavailable.")
            case Fault.CONFLICT:
                expires = write_time(now + credentials.LIFETIME_S)
                return _conflict(self._names.uuid(), self._names.uuid(), expires)
        if self.bucket is not None and not self.bucket.take(now):
            return Refusal(Reason.THROTTLED, "The backlog limit is exceeded.", self.bucket.wait_s)
        return None

    def _slot_refusal(self, active: _Slot | None, request: Request) -> Refusal | None:
        """Source: csr-scenarions.md; that `*` with nothing to replace goes on is used by every tool."""
        if request.replace == ANY or (active is None and not request.replace):
            return None
        if active is not None and not request.replace:
            return _conflict(active.rid, active.correlation_id, write_time(active.expires_at))
        if active is None or active.rid != request.replace:
            message = "There is no such active operation to replace."
            return Refusal(Reason.NOTHING_TO_REPLACE, message, request_id=request.replace)
        return None

    def _accept(self, slot: _Slot) -> list[Action]:
        self._stats.add_to("cert", 202)
        body = credentials.accepted_payload(slot.correlation_id, write_time(slot.expires_at))
        return self._broker.push(slot.client, [Message(credentials.response_topic(202, slot.rid), body)])

    def _reject(self, client: Client, rid: str, *, refusal: Refusal, now: float) -> list[Action]:
        status, message = self._refused(rid, refusal, now)
        self._stats.add_to("cert", status)
        return self._broker.push(client, [message])

    def _refused(self, rid: str, refusal: Refusal, now: float) -> tuple[int, Message]:
        code, at = self._contract.codes[refusal.reason], write_time(now)
        body = credentials.refused_payload(refusal, code, tracking_id=self._names.tracking_id(at), at=at)
        return code // 1000, Message(credentials.response_topic(code // 1000, rid), body)

    def _finish(self, slot: _Slot, now: float) -> list[Action]:
        try:
            chain = self._issue(slot, now)
        except RemoteProtocolError as error:
            slot.result = self._refused(slot.rid, Refusal(Reason.BAD_CSR, str(error)), now)
            return self._deliver(slot)
        if self._contract.body is BodyForm.ARRAY:
            body = credentials.issued_array_payload(chain)
        else:
            body = credentials.issued_payload(slot.correlation_id, chain)
        slot.result = 200, Message(credentials.response_topic(200, slot.rid), body)
        return self._deliver(slot)

    def _issue(self, slot: _Slot, now: float) -> tuple[bytes, ...]:
        device_id = slot.client.device_id
        csr, mark = self._authority.read_csr(slot.csr, device_id), self._registry.mark_of(device_id)
        if slot.fault is not Fault.UNUSABLE:
            return self._authority.issue(csr, mark, now)
        self._stats.add_to("cert", "unusable")
        if self._dice.alternates(device_id):
            return self._authority.issue_wrong_key(csr, mark, now)
        return self._authority.issue_wrong_order(csr, mark, now)

    def _deliver(self, slot: _Slot) -> list[Action]:
        """Send the slot's result and empty the slot, or hold the result back."""
        if slot.result is None:
            return []
        status, message = slot.result
        if not self._broker.is_listening(slot.client, message.topic):
            self._stats.add_to("cert", "held")
            return []
        del self._slots[slot.client]
        self._stats.add_to("cert", status)
        return self._broker.push(slot.client, [message])


def _conflict(request_id: str, correlation_id: str, expires: str) -> Refusal:
    message = "Another operation is active for the device."
    return Refusal(Reason.CONFLICT, message, request_id=request_id, correlation_id=correlation_id, expires=expires)
