"""Registering with the Device Provisioning Service: key, CSR, register, polls, the assigned hub and the chain.

Source: DPS MQTT support, "Registering a device" and "Polling for registration operation status".
"""

from dataclasses import dataclass

from engine.device.attestations import symmetric
from engine.device.identity import Device
from engine.device.script import Begin, End, Script, StepFailed, Unmatched
from engine.device.steps.connect import blocked, leave
from engine.device.steps.save import save
from engine.device.steps.waiting import dial, disconnect, expect, rest, with_retries
from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.measure.operation import Operation
from engine.protocol import dps, mqtt, x509

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
        dialled = yield from reach(device, began=began, until=began + within_s)
        assigned = yield from ask(device, key, until=began + within_s)
        refuse_blocked(device, assigned)
        bundle = device.accept(assigned.hub, assigned.chain, key)
        unfit = x509.check_chain(bundle.chain, key, device.setup.wall_at_zero + assigned.at)
        if unfit is not None:
            raise StepFailed(unfit)
    except StepFailed as failed:
        yield End(Operation.DPS_REGISTER, failed.failure)
        yield from hang_up(device)
        raise
    yield End(Operation.DPS_REGISTER, parts=dialled + assigned.parts)
    device.bundle = bundle
    yield from hang_up(device)


type Parts = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Assigned:
    """What DPS gave and when: parts are those of `dps.register` that follow the SUBACK, chain is DER, leaf first."""

    hub: str
    chain: tuple[bytes, ...]
    parts: Parts
    at: float


def reach(device: Device, *, began: float, until: float) -> Script[Parts]:
    """A connection to DPS that is subscribed to its answers, and the parts of `dps.register` it took."""
    connected = yield from dial(device, symmetric.dial(device, device.setup.wall_at_zero + began), until)
    yield mqtt.Subscribe(dps.RESPONSES)
    subscribed = yield from expect(device, mqtt.Subscribed, until)
    return (
        ("tcp", connected.tcp_s),
        ("tls", connected.tls_s),
        ("connack", connected.connack_s),
        ("suback", subscribed.at - connected.at),
    )


def ask(device: Device, key: x509.PrivateKey, *, until: float) -> Script[Assigned]:
    """What DPS assigns to the holder of the key, polls included; unchecked."""
    rid = device.next_request_id()
    csr = x509.build_csr(key, device.device_id)
    asked_at: float = yield mqtt.Publish(dps.register_topic(rid), dps.register_payload(device.device_id, csr))
    reply, accepted_at = yield from _reply(device, rid, until=until)
    at = accepted_at
    while reply.assignment is None:
        wait_s = POLL_AFTER_S if reply.retry_after_s is None else reply.retry_after_s
        yield from rest(device, min(at + wait_s, until))
        rid = device.next_request_id()
        yield mqtt.Publish(dps.poll_topic(rid, reply.operation_id), b"")
        reply, at = yield from _reply(device, rid, until=until)
    parts = (("accepted", accepted_at - asked_at), ("assigned", at - accepted_at))
    return Assigned(reply.assignment.hub, reply.assignment.chain, parts, at)


def refuse_blocked(device: Device, assigned: Assigned) -> None:
    """StepFailed where DPS assigned a hub that we may not dial."""
    if not device.setup.allows(assigned.hub):
        raise StepFailed(blocked(assigned.hub))


def hang_up(device: Device) -> Script[None]:
    """The connection is closed; answers that nobody waited for are counted here, as no hub sent them."""
    yield from disconnect(device)
    for _ in device.inbox:
        yield Unmatched(Operation.DPS_REGISTER)
    device.inbox.clear()


def _reply(device: Device, rid: str, *, until: float) -> Script[tuple[dps.Reply, float]]:
    """The answer to this request, and when it came; StepFailed where it is a refusal."""
    while True:
        received = yield from expect(device, mqtt.Received, until)
        try:
            reply = dps.parse_reply(received.topic, received.payload)
        except RemoteProtocolError as broken:
            raise StepFailed(Failure(Outcome.PROTOCOL, detail=str(broken))) from broken
        if reply.rid != rid:
            yield Unmatched(Operation.DPS_REGISTER)
            continue
        if reply.failure is not None:
            raise StepFailed(reply.failure)
        return reply, received.at
