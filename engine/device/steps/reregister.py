"""Renewing the certificate by registering again with a new CSR: `certificate.path: dps`.

Theory of operation. A device talks to one service at a time, so it leaves the hub, registers, and comes back with the
new certificate. `dps.register` runs as ever, from dial to final answer; within it `cert.issued` runs from the register
request to the chain. `cert.request` and `cert.accepted` are waits for the hub's answers and never begin here: what the
202 took is the part `accepted` of `dps.register`. Whatever ends the registration ends `cert.issued` with it, also a
lost connection: unlike the hub, DPS pushes nothing after a reconnect. Past `timeouts.certificate` the wait is overdue
and can still end as late; at `timeouts.register` the device gives up and closes the connection, so both time out. A
chain that came but is of no use was issued all the same: that is for `cert.verified` to say.

An attempt is one registration, tried as often as `retries.renew` says and counted as a retry of `dps.register`,
because an attempt that never reached its request has no `cert.issued`. Over HTTPS every attempt has one: there the
dial is part of the request.
"""

from engine.device.conversations.conversation import Conversation, Reached
from engine.device.identity import Device
from engine.device.script import Begin, End, Script, StepFailed
from engine.device.steps.check import check
from engine.device.steps.connect import leave
from engine.device.steps.register import Assigned, ask, converse, hang_up, refuse_blocked
from engine.device.steps.save import save
from engine.device.steps.waiting import with_retries
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation
from engine.protocol import x509


def reregister(device: Device) -> Script[None]:
    """A newer certificate from DPS, checked and saved; the device is connected to nothing."""
    yield from leave(device)
    yield from with_retries(
        device, lambda: _attempt(device), attempts=device.setup.attempts.renew, operation=Operation.DPS_REGISTER
    )
    yield from save(device)


def _attempt(device: Device) -> Script[None]:
    device.doing = "renewing"
    key = device.signing_key()
    within_s = device.setup.timeouts.register
    began: float = yield Begin(Operation.DPS_REGISTER, within_s)
    try:
        talk = converse(device, began=began, until=began + within_s)
        reached = yield from _reached(talk)
        assigned = yield from _issued(device, talk, key, asked_at=reached.at, until=began + within_s)
        yield End(Operation.DPS_REGISTER, parts=reached.parts + assigned.parts)
        if device.setup.verify != "none":
            yield from check(device, assigned.chain, key)
    except StepFailed:
        yield from hang_up(device)
        raise
    device.bundle = device.accept(assigned.hub, assigned.chain, key)
    yield from hang_up(device)


def _reached(talk: Conversation) -> Script[Reached]:
    """DPS is ready to be asked; `dps.register` has ended where it is not."""
    try:
        return (yield from talk.reach())
    except StepFailed as failed:
        yield End(Operation.DPS_REGISTER, failed.failure)
        raise


def _issued(
    device: Device, talk: Conversation, key: x509.PrivateKey, *, asked_at: float, until: float
) -> Script[Assigned]:
    """The new chain: `cert.issued` has ended, and `dps.register` too where there is none."""
    yield Begin(Operation.CERT_ISSUED, device.setup.timeouts.certificate)
    try:
        assigned = yield from ask(device, talk, key, asked_at=asked_at, until=until)
        refuse_blocked(device, assigned)
        if not assigned.chain:
            raise StepFailed(Failure(Outcome.UNUSABLE, "no-chain", "DPS assigned a hub and issued no certificate"))
    except StepFailed as failed:
        yield End(Operation.CERT_ISSUED, failed.failure)
        yield End(Operation.DPS_REGISTER, failed.failure)
        raise
    yield End(Operation.CERT_ISSUED)
    return assigned
