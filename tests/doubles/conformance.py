"""One case of the renewal contract, carried out in a World."""

from doubles.drive import World, assert_conserved, make_setup, settled
from engine.device.conformance.conform import conform
from engine.device.log import Log
from engine.device.session import Session
from engine.emulator.service import Options
from engine.measure.operation import Operation
from engine.measure.sample import Sample


def begun(number: str, options: Options | None = None, **setup: object) -> tuple[World, Session]:
    """A world, and in it an idle device with a stored certificate whose case it is."""
    world = World(options)
    return world, world.session(make_setup(cases=(number,), **setup), bundle=world.stored("d-0"))


def carried_out(world: World, session: Session) -> tuple[Sample, Log]:
    """The case's sample, and everything that was measured."""
    log = world.drive(session, conform, main=Operation.CONFORMANCE_CASE)
    assert_conserved(log)
    (sample,) = settled(log, Operation.CONFORMANCE_CASE)
    return sample, log
