"""The shape of a scenario."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.device.identity import Device
from engine.device.script import Script
from engine.errors import Outcome
from engine.measure.operation import Operation

type Step = Callable[[Device], Script[None]]


def has_certificate(device: Device) -> bool:
    """Whether the device holds a certificate that nobody has refused."""
    return device.bundle is not None and not device.invalid


@dataclass(frozen=True, slots=True)
class Scenario:
    """prepare runs once per device before the load and has its own numbers; steps are one iteration; cleanup undoes
    what the run left at the services, once per device after the load, where the spec asks for it.

    fresh scenarios never look at stored state. A device that was prepared and is not ready is never started.
    expected are the outcomes that the scenario is there to provoke.
    """

    main: Operation
    prepare: tuple[Step, ...]
    steps: tuple[Step, ...]
    fresh: bool = False
    cleanup: tuple[Step, ...] = ()
    is_ready: Callable[[Device], bool] = has_certificate
    expected: frozenset[Outcome] = frozenset()


def run(steps: tuple[Step, ...], device: Device) -> Script[None]:
    """The steps, one after the other."""
    for step in steps:
        yield from step(device)
