"""Staying connected for a while."""

import math

from engine.device.identity import Device
from engine.device.script import Pause, Script
from engine.device.steps.connect import leave


def hold(device: Device) -> Script[None]:
    """The connection is kept for the spec's `hold`, so that our last acknowledgement gets out."""
    if device.setup.hold_s:
        device.doing = "holding"
        yield Pause(device.setup.hold_s)


def stay(device: Device) -> Script[None]:
    """The connection is kept for the spec's `hold` and then left; `hold: run` leaves that to the end of the run."""
    if math.isfinite(device.setup.hold_s):
        yield from hold(device)
        yield from leave(device)
