"""Keeping the device's state before it is used."""

import math

from engine.device.identity import Device
from engine.device.script import Begin, End, Event, Save, Saved, Script, Wait
from engine.measure.operation import Operation
from engine.protocol import mqtt

SAVE_WITHIN_S = 60.0


def save(device: Device) -> Script[None]:
    """The current bundle is durable, or the failure is counted: a store's fault does not stop the device."""
    assert device.bundle is not None
    yield Begin(Operation.STATE_SAVE, SAVE_WITHIN_S)
    yield Save(device.bundle)
    while True:
        event: Event = yield Wait(math.inf)
        if isinstance(event, mqtt.Received):
            device.inbox.append(event)
        if isinstance(event, Saved):
            yield End(Operation.STATE_SAVE, event.failure)
            return
