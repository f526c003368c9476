"""Connecting to the hub with the issued certificate, and leaving it."""

from dataclasses import replace

from engine.device.identity import Device
from engine.device.script import Begin, End, Mark, Script, StepFailed
from engine.device.steps.waiting import DISCONNECT_WITHIN_S, dial, disconnect, expect, with_retries
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation
from engine.protocol import credentials, mqtt

SUBSCRIBE_REFUSED = 0x80


def connect(device: Device) -> Script[None]:
    """A hub connection that is subscribed to the credentials topic; at once where there is one."""
    if not device.connected:
        yield from with_retries(
            device,
            lambda: _dial(device, subscribe=True),
            attempts=device.setup.attempts.connect,
            operation=Operation.HUB_CONNECT,
        )


def connect_bare(device: Device) -> Script[None]:
    """A hub connection with nothing subscribed; at once where there is one."""
    if not device.connected:
        yield from with_retries(
            device,
            lambda: _dial(device, subscribe=False),
            attempts=device.setup.attempts.connect,
            operation=Operation.HUB_CONNECT,
        )


def connect_anew(device: Device, *, subscribe: bool, clean_session: bool) -> Script[None]:
    """A new hub connection, subscribed or not, that goes on with its session or not, whatever the spec says of that."""
    yield from with_retries(
        device,
        lambda: _dial(device, subscribe=subscribe, clean_session=clean_session),
        attempts=device.setup.attempts.connect,
        operation=Operation.HUB_CONNECT,
    )


def connected(_device: Device) -> Script[None]:
    """The iteration is told how long it took until here: what a storm is about."""
    yield Mark("connected")


def blocked(host: str) -> Failure:
    """A hub that must not be dialled, whoever named it."""
    return Failure(Outcome.BLOCKED, host, f"{host} is not in the allow-list")


def leave(device: Device) -> Script[None]:
    """No hub connection any more."""
    if device.connected:
        device.doing = "disconnecting"
        yield Begin(Operation.HUB_DISCONNECT, DISCONNECT_WITHIN_S)
        failure = yield from disconnect(device)
        yield End(Operation.HUB_DISCONNECT, failure)


def _dial(device: Device, *, subscribe: bool, clean_session: bool | None = None) -> Script[None]:
    """One attempt, from dial to SUBACK, or to CONNACK where nothing is subscribed; clean_session None is the spec's.

    Source: IoT Hub MQTT support, "Using the MQTT protocol directly".
    """
    device.doing = "connecting"
    until = (yield Begin(Operation.HUB_CONNECT, device.setup.timeouts.connect)) + device.setup.timeouts.connect
    try:
        _refuse_blocked(device)
        command = device.dial_hub()
        if clean_session is not None:
            command = replace(command, clean_session=clean_session)
        connected = yield from dial(device, command, until)
        parts: tuple[tuple[str, float], ...] = (
            ("tcp", connected.tcp_s),
            ("tls", connected.tls_s),
            ("connack", connected.connack_s),
        )
        if subscribe:
            yield mqtt.Subscribe(credentials.RESPONSES)
            subscribed = yield from expect(device, mqtt.Subscribed, until)
            if subscribed.granted == SUBSCRIBE_REFUSED:
                raise StepFailed(Failure(Outcome.UNAUTHORIZED, "suback 128", "the hub refused the subscription"))
            parts += (("suback", subscribed.at - connected.at),)
    except StepFailed as failed:
        yield End(Operation.HUB_CONNECT, failed.failure)
        yield from disconnect(device)
        raise
    device.connected = True
    yield End(Operation.HUB_CONNECT, parts=parts)


def _refuse_blocked(device: Device) -> None:
    """StepFailed where the stored hub must not be dialled: the allow-list may be newer than the bundle."""
    assert device.bundle is not None
    if not device.setup.allows(device.bundle.hub):
        raise StepFailed(blocked(device.bundle.hub))
