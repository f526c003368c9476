"""A wire in memory that notes where it was asked to go."""

from doubles.clock import VirtualClock
from doubles.drive import World
from doubles.loopback import Loopback
from engine.emulator.service import Service
from engine.protocol import http, mqtt


class NotedLoopback(Loopback):
    """A Loopback in which every host leads to the service, so that nothing but the caller's own care is in the way.

    dialled holds the hosts that it was asked to reach, in that order.
    """

    def __init__(self, service: Service, clock: VirtualClock) -> None:
        super().__init__(service, clock)
        self.dialled: list[str] = []

    def send(self, channel: int, command: mqtt.Command | http.Command) -> None:
        """See Loopback."""
        if isinstance(command, mqtt.Connect | http.Request):
            self.dialled.append(command.host)
            self.hosts.add(command.host)
        super().send(channel, command)


def note_dials(world: World) -> NotedLoopback:
    """The world's wire from now on."""
    world.wire = wire = NotedLoopback(world.service, world.clock)
    return wire
