"""Carrying a case out: each move of it, and what the service made of it held against what the case says.

Theory of operation. A request is published and the script goes on; answers are taken as they come and belong to a
request by its id. `Answer` waits for the request sent last until `timeouts.certificate` has passed since its publish.
An older request may still be open then. Its end, other than that of one that was replaced, means that the service was
faster than the case could be: nothing was refuted, and nothing shown, so the case fails as `protocol` with the code
"overtaken". The same goes for an answer that comes before we have unsubscribed or disconnected. What a replaced request
hears is unknown, so anything but a certificate is passed over.

A failure says what came; `expected` is what should have. A 200 whose chain is of no use to the key of its request is
not the answer that a case means: the case fails as `unusable`.
"""

from dataclasses import replace
from typing import assert_never

from engine.device.conformance.asked import Asked, Heard
from engine.device.conformance.case import (
    Answer,
    Case,
    Move,
    Return,
    Rivals,
    Send,
    Silence,
    Subscribe,
    Unsubscribe,
)
from engine.device.identity import Device
from engine.device.script import Expired, Lap, Pause, Script, StepFailed
from engine.device.steps.connect import SUBSCRIBE_REFUSED, connect_anew, leave
from engine.device.steps.waiting import expect
from engine.errors import Failure, Outcome
from engine.protocol import credentials, mqtt

SILENCE_S = 5.0
"""No answer by then is silence, and a certificate is there by then, to be held back: an assumption. The answers of the
emulator take 0.15 s; a longer wait would cost more than what it adds to our trust in a silence."""

OVERTAKEN = "overtaken"


class Conversation:
    """A case under way on a connected device. code is the service's number of the refusal that came last."""

    def __init__(self, device: Device, case: Case) -> None:
        self._device, self._case = device, case
        self.asked = Asked(device)
        self.is_listening = case.is_subscribed
        self.expected, self.code = "", ""

    def carry_out(self) -> Script[None]:
        """Every move led to what the case says; StepFailed where one did not."""
        for move in self._case.moves:
            try:
                yield from self._make(move)
            except StepFailed as failed:
                if self._case.may_drop and failed.failure.outcome is Outcome.DISCONNECTED:
                    return
                raise

    def _make(self, move: Move) -> Script[None]:
        match move:
            case Send():
                yield from self.asked.send(move)
            case Answer(status=status):
                yield from self._answered(status)
            case Rivals():
                yield from self._decided()
            case Silence():
                yield from self._silent()
            case Subscribe():
                yield from self._subscribe()
            case Unsubscribe():
                yield from self._unsubscribe()
            case Return(clean_session=clean_session):
                yield from self._return(clean_session)
            case _:
                assert_never(move)

    # -- what must come ------------------------------------------------------------------------------------

    def _answered(self, status: int) -> Script[None]:
        """The request sent last was answered so."""
        self.expected = str(status)
        request = self.asked.requests[-1]
        while True:
            heard = yield from self.asked.hear(request.until, request)
            if heard.request is request:
                break
            self._pass_over(heard)
        if heard.status != status:
            raise StepFailed(_other(heard))
        if heard.unfit is not None:
            raise StepFailed(replace(heard.unfit, detail=f"got 200, but {heard.unfit.detail}"))
        self.code = heard.failure.code if heard.failure else self.code

    def _pass_over(self, heard: Heard) -> None:
        """An answer to an older request; StepFailed where it must not be, or shows that the case came too late."""
        assert heard.request is not None
        if not heard.request.is_replaced:
            raise StepFailed(_overtaken(f"the request before was answered with {heard.status} first"))
        if heard.status == 200:
            raise StepFailed(Failure(Outcome.PROTOCOL, "200", "got 200 for the request that was replaced"))

    def _decided(self) -> Script[None]:
        """One of the two sent last was served, the other refused with 409."""
        self.expected = "one 200 and one 409"
        rivals = self.asked.requests[-2:]
        while any(request.is_open for request in rivals):
            heard = yield from self.asked.hear(rivals[-1].until, *rivals)
            if heard.unfit is not None:
                raise StepFailed(replace(heard.unfit, detail=f"got 200, but {heard.unfit.detail}"))
            if heard.status not in (200, 202, 409):
                raise StepFailed(_other(heard))
            self.code = heard.failure.code if heard.failure else self.code
        statuses = sorted(request.status for request in rivals)
        if statuses != [200, 409]:
            got = f"got {statuses[0]} and {statuses[1]}"
            both = Outcome.CONFLICT if statuses[0] == 409 else Outcome.PROTOCOL
            raise StepFailed(Failure(both, self.code or str(statuses[0]), got))

    def _silent(self) -> Script[None]:
        """No answer came. To a request without an id any answer is one; else one to a stranger's request is none."""
        self.expected = "silence"
        until = (yield Lap()) + min(SILENCE_S, self._device.setup.timeouts.certificate)
        while not isinstance(event := (yield from self.asked.next(until)), Expired):
            if not isinstance(event, mqtt.Received):
                continue
            heard = yield from self.asked.read(event)
            if heard.request is not None or not self.asked.requests[-1].rid:
                raise StepFailed(Failure(Outcome.PROTOCOL, heard.code, f"got {heard.status}"))

    # -- the connection ------------------------------------------------------------------------------------

    def _subscribe(self) -> Script[None]:
        self.expected = "a SUBACK"
        asked_at: float = yield mqtt.Subscribe(credentials.RESPONSES)
        until = asked_at + self._device.setup.timeouts.publish
        subscribed = yield from expect(self._device, mqtt.Subscribed, until)
        if subscribed.granted == SUBSCRIBE_REFUSED:
            raise StepFailed(Failure(Outcome.UNAUTHORIZED, "suback 128", "the hub refused the subscription"))
        self.is_listening = True

    def _unsubscribe(self) -> Script[None]:
        self.expected = "an UNSUBACK"
        asked_at: float = yield mqtt.Unsubscribe(credentials.RESPONSES)
        until = asked_at + self._device.setup.timeouts.publish
        yield from expect(self._device, mqtt.Unsubscribed, until)
        self.is_listening = False
        yield from self._in_time("unsubscribed")

    def _return(self, clean_session: bool) -> Script[None]:
        self.expected = "another connection"
        yield from leave(self._device)
        self.is_listening = False
        yield from self._in_time("disconnected")
        yield Pause(SILENCE_S)
        yield from connect_anew(self._device, subscribe=False, clean_session=clean_session)
        self.is_listening = not clean_session

    def _in_time(self, done: str) -> Script[None]:
        """No request was answered while we were at it."""
        while self._device.inbox:
            heard = yield from self.asked.read(self._device.inbox.pop(0))
            if heard.request is not None:
                raise StepFailed(_overtaken(f"{heard.status} came before the device had {done}"))


def _other(heard: Heard) -> Failure:
    """Another answer than the one expected: an error is what it is, a success is none of the contract's."""
    got = f"got {heard.status}"
    if heard.failure is None:
        return Failure(Outcome.PROTOCOL, heard.code, got)
    return replace(heard.failure, detail=got)


def _overtaken(detail: str) -> Failure:
    return Failure(Outcome.PROTOCOL, OVERTAKEN, detail)
