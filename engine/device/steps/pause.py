"""Staying connected for a while."""

from engine.device.identity import Device
from engine.device.script import Pause, Script


def hold(device: Device) -> Script[None]:
    """The connection is kept for the spec's `hold`, so that our last acknowledgement gets out."""
    device.doing = "holding"
    yield Pause(device.setup.hold_s)
