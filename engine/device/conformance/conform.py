"""One device, one case: connected as the case begins, carried out, and nothing of it left at the service."""

from dataclasses import replace

from engine.device.conformance.case import Body, Replace, Send
from engine.device.conformance.conversation import Conversation
from engine.device.conformance.table import CASES
from engine.device.identity import Device
from engine.device.script import Begin, End, Script, StepFailed, Unmatched
from engine.device.steps.connect import connect_anew, leave
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation

FREE_WITHIN_S = 30.0
"""How long an open request is waited for after the case: a favour to the next run, for the service forgets it after
12 hours (`credentials.LIFETIME_S`)."""


def conform(device: Device) -> Script[None]:
    """`conformance.case` has ended: the device's case is met, or StepFailed says by what it was refuted.

    Certificates that come are not kept: the device goes on with the one it has.
    """
    case = CASES[device.setup.cases[device.ordinal]]
    yield from leave(device)
    yield from connect_anew(device, subscribe=case.is_subscribed, clean_session=case.clean_session)
    while device.inbox:
        device.inbox.pop(0)
        yield Unmatched(Operation.CERT_ISSUED)
    device.doing = "conforming"
    talk = Conversation(device, case)
    yield Begin(Operation.CONFORMANCE_CASE, device.setup.timeouts.certificate)
    failure: Failure | None = None
    try:
        yield from talk.carry_out()
    except StepFailed as failed:
        failure = _told(failed.failure, f"case {case.number}: expected {talk.expected}")
    yield End(Operation.CONFORMANCE_CASE, failure, code=talk.code)
    try:
        yield from _free(device, talk, is_met=failure is None)
        yield from leave(device)
    except StepFailed as failed:
        failure = failure or _told(failed.failure, f"case {case.number}: met, but a request of it is still open")
    if failure is not None:
        raise StepFailed(failure)


def _told(failure: Failure, what: str) -> Failure:
    """The failure with a detail that begins with the case."""
    return replace(failure, detail=f"{what}, {failure.detail or f'got {failure.outcome}'}")


def _free(device: Device, talk: Conversation, *, is_met: bool) -> Script[None]:
    """No request of the case is open any more: what was accepted is waited for, and what is left is replaced."""
    left = [request for request in talk.asked.requests if request.is_open]
    if not left:
        return
    if not (device.connected and talk.is_listening):
        yield from leave(device)
        yield from connect_anew(device, subscribe=True, clean_session=True)
    if is_met and all(request.is_accepted for request in left) and (yield from talk.asked.finish(FREE_WITHIN_S)):
        return
    yield from talk.asked.send(Send(Body.VALID, Replace.ANY))
    if not (yield from talk.asked.finish(FREE_WITHIN_S)):
        raise StepFailed(Failure(Outcome.LOST, detail="nothing came in its place"))
