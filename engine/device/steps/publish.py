"""Sending telemetry."""

import math

from engine.device.identity import Device
from engine.device.script import Begin, End, Event, Pause, Script, StepFailed, Wait
from engine.device.steps.connect import connect
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation
from engine.protocol import hub, mqtt


def publish(device: Device) -> Script[None]:
    """The iteration's messages, each acknowledged before the next.

    Source: IoT Hub MQTT support, "Sending device-to-cloud messages".
    """
    messages = device.setup.messages
    body = (f'{{"deviceId":"{device.device_id}"}}'.encode()).ljust(messages.size_bytes)[: messages.size_bytes]
    for n in range(messages.count):
        if n:
            yield Pause(messages.interval_s)
        yield from connect(device)
        device.doing = "publishing"
        yield Begin(Operation.TELEMETRY_PUBLISH, device.setup.timeouts.publish)
        device.requests += 1
        yield mqtt.Publish(hub.events_topic(device.device_id), body, tag=device.requests)
        yield from _acknowledged(device, device.requests)
        yield End(Operation.TELEMETRY_PUBLISH)


def _acknowledged(device: Device, tag: int) -> Script[None]:
    """The PUBACK came, in time or overdue; only the end of the connection ends the wait without one."""
    while True:
        event: Event = yield Wait(math.inf)
        if isinstance(event, mqtt.Published) and event.tag == tag:
            return
        if isinstance(event, mqtt.Received):
            device.inbox.append(event)
        if isinstance(event, mqtt.Disconnected):
            raise StepFailed(event.failure or Failure(Outcome.DISCONNECTED))
