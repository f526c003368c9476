"""Registering with the Device Provisioning Service: key, CSR, register, polls, the assigned hub and the chain.

Source: DPS MQTT support, "Registering a device" and "Polling for registration operation status".
"""

from dataclasses import dataclass
from typing import assert_never

from engine.device.conversations.conversation import Conversation, Parts
from engine.device.conversations.https import OverHttps
from engine.device.conversations.mqtt import OverMqtt
from engine.device.identity import Device
from engine.device.script import Begin, End, Script, StepFailed, Unmatched
from engine.device.setup import DpsTransport
from engine.device.steps.connect import blocked, leave
from engine.device.steps.save import save
from engine.device.steps.waiting import disconnect, rest, with_retries
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation
from engine.protocol import x509

LEAST_POLL_S = 0.1
"""However soon the service lets us ask again: no device asks without end."""

POLL_AFTER_S = 2.0
"""Where the service names no retry-after, as in Microsoft's SDKs."""


def register(device: Device) -> Script[None]:
    """A bundle from DPS, checked and saved; a hub connection that an earlier story left open is closed first."""
    yield from leave(device)
    yield from with_retries(
        device, lambda: _attempt(device), attempts=device.setup.attempts.register, operation=Operation.DPS_REGISTER
    )
    yield from save(device)


def _attempt(device: Device) -> Script[None]:
    """One attempt, from dial to a chain that fits; its outcome is `unusable` where the chain does not."""
    device.doing = "provisioning"
    key = device.signing_key()
    within_s = device.setup.timeouts.register
    began: float = yield Begin(Operation.DPS_REGISTER, within_s)
    try:
        talk = converse(device, began=began, until=began + within_s)
        reached = yield from talk.reach()
        assigned = yield from ask(device, talk, key, asked_at=reached.at, until=began + within_s)
        refuse_blocked(device, assigned)
        bundle = device.accept(assigned.hub, assigned.chain, key)
        unfit = x509.check_chain(bundle.chain, key, device.setup.wall_at_zero + assigned.at)
        if unfit is not None:
            raise StepFailed(unfit)
    except StepFailed as failed:
        yield End(Operation.DPS_REGISTER, failed.failure)
        yield from hang_up(device)
        raise
    yield End(Operation.DPS_REGISTER, parts=reached.parts + assigned.parts)
    device.bundle = bundle
    yield from hang_up(device)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What DPS gave and when: parts are those of `dps.register` that follow the dial, chain is DER, leaf first."""

    hub: str
    chain: tuple[bytes, ...]
    parts: Parts
    at: float


def converse(device: Device, *, began: float, until: float) -> Conversation:
    """The conversation with the device's provisioning service, by its transport; nothing was said yet."""
    match device.dps.transport:
        case DpsTransport.MQTT | DpsTransport.MQTT_WS:
            return OverMqtt(device, began, until)
        case DpsTransport.HTTPS:
            return OverHttps(device, began, until)
        case _:
            assert_never(device.dps.transport)


def ask(device: Device, talk: Conversation, key: x509.PrivateKey, *, asked_at: float, until: float) -> Script[Assigned]:
    """What DPS assigns to the holder of the key, polls included; unchecked."""
    first = answer = yield from talk.register(x509.build_csr(key, device.device_id))
    while answer.reply.assignment is None:
        told_s = answer.reply.retry_after_s
        wait_s = POLL_AFTER_S if told_s is None else max(LEAST_POLL_S, told_s)
        yield from rest(device, min(answer.at + wait_s, until))
        if answer.at + wait_s >= until:
            raise StepFailed(Failure(Outcome.TIMEOUT))
        answer = yield from talk.poll(answer.reply.operation_id)
    parts = (("accepted", first.at - asked_at), ("assigned", answer.at - first.at))
    return Assigned(answer.reply.assignment.hub, answer.reply.assignment.chain, parts, answer.at)


def refuse_blocked(device: Device, assigned: Assigned) -> None:
    """StepFailed where DPS assigned a hub that we may not dial."""
    if not device.setup.allows(assigned.hub):
        raise StepFailed(blocked(assigned.hub))


def hang_up(device: Device) -> Script[None]:
    """The connection is closed where there is one; answers that nobody waited for are counted here, as no hub sent
    them."""
    yield from disconnect(device)
    for _ in device.inbox:
        yield Unmatched(Operation.DPS_REGISTER)
    device.inbox.clear()
