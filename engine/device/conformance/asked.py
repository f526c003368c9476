"""The requests of a case, and what is heard of them."""

from dataclasses import dataclass
from typing import assert_never

from engine.device.conformance.case import Replace, Send
from engine.device.conformance.request import payload_of, topic_of
from engine.device.identity import Device
from engine.device.script import Event, Expired, Lap, Script, StepFailed, Unmatched, Wait
from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.measure.operation import Operation
from engine.protocol import credentials, mqtt, topic, x509


@dataclass(slots=True, eq=False)
class Request:
    """A request of ours; rid is "" for one without an id. status is the one that ended it, 0 while none has."""

    rid: str
    tag: int
    key: x509.PrivateKey
    until: float
    replaces: tuple["Request", ...] = ()
    is_acknowledged: bool = False
    is_accepted: bool = False
    is_replaced: bool = False
    status: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the service may still be at work on it."""
        return not self.status and not self.is_replaced


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: to which request of ours, None where it is to another; failure is set for an error."""

    request: Request | None
    status: int
    failure: Failure | None = None
    unfit: Failure | None = None

    @property
    def code(self) -> str:
        """The number that the service gave."""
        return self.failure.code if self.failure else str(self.status)


class Asked:
    """Everything that a connected device has asked, in order."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.requests: list[Request] = []

    def send(self, send: Send) -> Script[None]:
        """The request is on its way."""
        device = self._device
        rid = device.next_request_id()
        key = device.signing_key()
        csr = x509.build_csr(key, device.device_id)
        before = self.requests[-1:] if send.replace is Replace.BEFORE else self.requests
        replaced = tuple(before) if send.replace in (Replace.BEFORE, Replace.ANY) else ()
        payload = payload_of(send, device.device_id, csr=csr, before=replaced[-1].rid if replaced else "")
        sent_at: float = yield mqtt.Publish(topic_of(send, rid), payload, tag=device.requests)
        until = sent_at + device.setup.timeouts.certificate
        self.requests.append(Request(rid if send.has_id else "", device.requests, key, until, replaced))

    def hear(self, until: float, *waiting: Request) -> Script[Heard]:
        """The next answer to a request of ours; StepFailed when there is none in time."""
        while not isinstance(event := (yield from self.next(until)), Expired):
            if isinstance(event, mqtt.Received):
                heard = yield from self.read(event)
                if heard.request is not None:
                    return heard
        is_with_them = any(request.is_acknowledged or request.is_accepted for request in waiting)
        raise StepFailed(Failure(Outcome.LOST if is_with_them else Outcome.TIMEOUT, detail="got nothing"))

    def next(self, until: float) -> Script[Event]:
        """The next event, messages that came meanwhile first; StepFailed when the connection ended."""
        event: Event = self._device.inbox.pop(0) if self._device.inbox else (yield Wait(until))
        if isinstance(event, mqtt.Disconnected):
            raise StepFailed(event.failure or Failure(Outcome.DISCONNECTED, detail="the connection ended"))
        if isinstance(event, mqtt.Published):
            for request in self.requests:
                request.is_acknowledged |= request.tag == event.tag
        return event

    def read(self, message: mqtt.Received) -> Script[Heard]:
        """What the message says, and its request has taken note; StepFailed where nobody could read it."""
        try:
            head = topic.parse_response(message.topic, credentials.RESPONSES.removesuffix("#"))
            answer = credentials.parse_response(message.topic, message.payload)
        except RemoteProtocolError as broken:
            raise StepFailed(Failure(Outcome.PROTOCOL, detail=f"got what is no answer: {broken}")) from broken
        request = next((held for held in self.requests if held.rid == answer.rid), None)
        if request is None:
            yield Unmatched(Operation.CERT_ISSUED)
            return Heard(None, head.status)
        match answer:
            case credentials.Accepted():
                request.is_accepted = True
                for held in request.replaces:
                    held.is_replaced = True
                return Heard(request, head.status)
            case credentials.Issued(chain=chain):
                request.status = head.status
                now = self._device.setup.wall_at_zero + message.at
                return Heard(request, head.status, unfit=x509.check_chain(chain, request.key, now))
            case credentials.Rejected(failure=failure):
                request.status = head.status
                return Heard(request, head.status, failure)
            case _:
                assert_never(answer)

    def finish(self, within_s: float) -> Script[bool]:
        """Whether every request of ours came to its end in time; what it came to does not matter any more."""
        until = (yield Lap()) + within_s
        while any(request.is_open for request in self.requests):
            event = yield from self.next(until)
            if isinstance(event, Expired):
                return False
            if isinstance(event, mqtt.Received):
                yield from self.read(event)
        return True
