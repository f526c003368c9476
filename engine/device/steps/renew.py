"""Renewing the certificate over the hub connection.

Theory of operation. The request is published once; three waits begin with it: its PUBACK (`cert.request`), the 202
(`cert.accepted`) and the 200 (`cert.issued`). The hub pushes; nothing is polled. An error answer ends the step, and
with it every wait still open. A lost connection ends only the wait for the PUBACK: the device connects and
subscribes again and repeats the same request id if no 202 had come; a held-back 200 then arrives by itself. Past the
deadline the waits are overdue but stay open, because an answer can still come: until it does, the operation expires,
or the run is over. With `onPending: wait` the device starts nothing else meanwhile. Otherwise it gives way: a start
that comes due asks again, by which the older waits are lost, and names the older request where the mode is to replace
it. The service may be working at it still, so its id outlives the script: `Device.pending`. A request that is refused
before its 202 took nobody's place: the older one is what may still be open.
`path: dps` is `steps/reregister.py`.

Source: IoT Hub certificate renewal, "Renew over MQTT"; recorded scenarios of the public C# SDK preview (sequencing).
"""

import math
from dataclasses import dataclass

from engine.device.identity import Device
from engine.device.script import Begin, End, Event, Expired, Retry, Script, StepFailed, Unmatched, Wait
from engine.device.steps.check import check
from engine.device.steps.connect import connect
from engine.device.steps.reregister import reregister
from engine.device.steps.save import save
from engine.device.steps.waiting import with_retries
from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.measure.operation import Operation
from engine.protocol import credentials, mqtt


def renew(device: Device) -> Script[None]:
    """A newer certificate, checked and saved, but not yet used; from the hub, or from DPS where the spec says so."""
    if device.setup.renewal_path == "dps":
        yield from reregister(device)
        return
    yield from with_retries(
        device, lambda: _attempt(device), attempts=device.setup.attempts.renew, operation=Operation.CERT_ISSUED
    )


@dataclass(slots=True)
class _Request:
    """A request in flight. acknowledged and accepted: the waits for its PUBACK and its 202 have ended.

    older is the id of the request that it found pending. until is when to look up next. gives_way: past the deadline,
    and the device need not wait any longer.
    """

    rid: str
    tag: int
    payload: bytes
    older: str
    until: float
    acknowledged: bool = False
    accepted: bool = False
    expires_at: float = math.inf
    gives_way: bool = False

    @property
    def message(self) -> mqtt.Publish:
        """The publish of it, the first or a repeated one."""
        return mqtt.Publish(credentials.request_topic(self.rid), self.payload, tag=self.tag)


def _attempt(device: Device) -> Script[None]:
    yield from connect(device)
    assert device.bundle is not None
    device.doing = "renewing"
    key = device.signing_key()
    csr = device.csr(key)
    payload = credentials.request_payload(device.device_id, csr, _replaced(device))
    within_s = device.setup.timeouts.certificate
    began: float = yield Begin(Operation.CERT_REQUEST, within_s)
    yield Begin(Operation.CERT_ACCEPTED, within_s)
    yield Begin(Operation.CERT_ISSUED, within_s)
    rid = device.next_request_id()
    request = _Request(rid, device.requests, payload, device.pending, began + within_s)
    device.pending = rid
    try:
        chain = yield from _converse(device, request)
    except StepFailed as failed:
        yield from _give_up(request, failed.failure)
        raise
    bundle = device.accept(device.bundle.hub, chain, key)
    if device.setup.verify != "none":
        yield from check(device, chain, key)
    device.bundle = bundle
    yield from save(device)


def _replaced(device: Device) -> str | None:
    """What the request is to take the place of: any other, the one that may still be open, or none."""
    match device.setup.on_pending:
        case "replace-any":
            return credentials.ANY
        case "replace":
            return device.pending or None
        case _:
            return None


def _converse(device: Device, request: _Request) -> Script[tuple[bytes, ...]]:
    """The issued chain, DER, leaf first."""
    yield request.message
    while True:
        event: Event = device.inbox.pop(0) if device.inbox else (yield Wait(request.until, request.gives_way))
        match event:
            case mqtt.Published(tag=request.tag):
                yield from _acknowledge(request)
            case mqtt.Received():
                chain = yield from _answered(device, request, event)
                if chain is not None:
                    return chain
            case mqtt.Disconnected():
                yield from _recover(device, request, event)
            case Expired():
                if event.at >= request.expires_at:
                    device.pending = ""
                    raise StepFailed(Failure(Outcome.LOST, "expired", "the operation expired with no answer"))
                request.until = request.expires_at
                request.gives_way = device.setup.on_pending != "wait"
            case _:
                pass


def _give_up(request: _Request, failure: Failure) -> Script[None]:
    """Every wait that was still open has ended with the failure: another attempt begins its own."""
    if not request.acknowledged:
        yield End(Operation.CERT_REQUEST, failure)
    if not request.accepted:
        yield End(Operation.CERT_ACCEPTED, failure)
    yield End(Operation.CERT_ISSUED, failure)


def _acknowledge(request: _Request) -> Script[None]:
    """The service has the request; an answer says so too where it overtook the PUBACK."""
    if not request.acknowledged:
        request.acknowledged = True
        yield End(Operation.CERT_REQUEST)


def _accept(request: _Request) -> Script[None]:
    """The 202 came; a 200 with none before it says as much."""
    yield from _acknowledge(request)
    if not request.accepted:
        request.accepted = True
        yield End(Operation.CERT_ACCEPTED)


def _answered(device: Device, request: _Request, message: mqtt.Received) -> Script[tuple[bytes, ...] | None]:
    """The chain of a 200, None after anything that is not the end; StepFailed after an error answer."""
    try:
        answer = credentials.parse_response(message.topic, message.payload)
    except RemoteProtocolError as broken:
        raise StepFailed(Failure(Outcome.PROTOCOL, detail=str(broken))) from broken
    if answer.rid != request.rid:
        yield Unmatched(Operation.CERT_ISSUED)
        return None
    match answer:
        case credentials.Accepted():
            yield from _accept(request)
            if answer.expires_at is not None:
                request.expires_at = answer.expires_at - device.setup.wall_at_zero
                request.until = min(request.until, request.expires_at)
            return None
        case credentials.Issued():
            yield from _accept(request)
            yield End(Operation.CERT_ISSUED)
            device.pending = ""
            return answer.chain
        case credentials.Rejected():
            device.pending = _left_pending(request, answer)
            raise StepFailed(answer.failure)


def _left_pending(request: _Request, answer: credentials.Rejected) -> str:
    """What may still be open after an error answer."""
    if answer.failure.outcome is Outcome.CONFLICT:
        return answer.active_rid
    return "" if request.accepted or answer.failure.outcome is Outcome.PRECONDITION else request.older


def _recover(device: Device, request: _Request, lost: mqtt.Disconnected) -> Script[None]:
    """Connected and subscribed again, and the request repeated where no 202 had come."""
    if not request.acknowledged:
        yield End(Operation.CERT_REQUEST, lost.failure or Failure(Outcome.DISCONNECTED))
        request.acknowledged = True
    yield from connect(device)
    device.doing = "renewing"
    if not request.accepted:
        yield Retry(Operation.CERT_REQUEST)
        yield Begin(Operation.CERT_REQUEST, device.setup.timeouts.certificate)
        request.acknowledged = False
        yield request.message
