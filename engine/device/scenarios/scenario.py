"""The shape of a scenario."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.device.identity import Device
from engine.device.script import Script
from engine.measure.operation import Operation

type Step = Callable[[Device], Script[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """prepare runs once per device before the load and has its own numbers; steps are one iteration.

    fresh scenarios make new devices and never look at stored state; a device of any other one is only started once
    it holds a certificate.
    """

    main: Operation
    prepare: tuple[Step, ...]
    steps: tuple[Step, ...]
    fresh: bool = False


def run(steps: tuple[Step, ...], device: Device) -> Script[None]:
    """The steps, one after the other."""
    for step in steps:
        yield from step(device)
