"""Services that break the renewal contract, each in one way: what to plant in a World so that a case is refuted."""

import json
from collections.abc import Callable
from dataclasses import replace

from doubles.drive import World
from engine.device.bundle import Bundle
from engine.emulator import packet
from engine.emulator.broker import Action, Send
from engine.emulator.faults import Fault, Faults
from engine.protocol import credentials, x509

ANSWERS = credentials.RESPONSES.removesuffix("#")


class Altered:
    """A service that is told something else than what devices send."""

    def __init__(self, world: World, alter: Callable[[packet.Packet], packet.Packet]) -> None:
        self._service, self._alter = world.service, alter

    def __getattr__(self, name: str) -> object:
        return getattr(self._service, name)

    def receive(self, conn: int, sent: packet.Packet, now: float) -> list[Action]:
        """As the service's own."""
        return self._service.receive(conn, self._alter(sent), now)


def alter(world: World, change: Callable[[packet.Packet], packet.Packet]) -> None:
    """From now on the service hears what change makes of each packet."""
    world.wire.service = Altered(world, change)  # type: ignore[assignment]


def accepts_everything(world: World) -> None:
    """Whatever is asked for, the service takes it for a sound request."""
    key = world.stored("d-0")
    sound = _sound_request(key)

    def change(sent: packet.Packet) -> packet.Packet:
        return replace(sent, payload=sound) if isinstance(sent, packet.Publish) else sent

    alter(world, change)


def _sound_request(bundle: Bundle) -> bytes:
    return credentials.request_payload("d-0", x509.build_csr(x509.key_from_der(bundle.key), "d-0"), "*")


def answers_without_id(world: World) -> None:
    """A request without an id is given one."""
    alter(
        world,
        lambda sent: (
            replace(sent, topic=credentials.request_topic("made-up")) if isinstance(sent, packet.Publish) else sent
        ),
    )


def ignores_unsubscribing(world: World) -> None:
    """UNSUBSCRIBE is acknowledged and nothing else."""
    alter(world, lambda sent: replace(sent, filters=("other",)) if isinstance(sent, packet.Unsubscribe) else sent)


def needs_no_subscription(world: World) -> None:
    """Who connects is subscribed."""
    service = world.service
    receive = service.receive

    class Eager(Altered):
        def receive(self, conn: int, sent: packet.Packet, now: float) -> list[Action]:
            actions = receive(conn, sent, now)
            if isinstance(sent, packet.Connect):
                more = receive(conn, packet.Subscribe(9, ((credentials.RESPONSES, 1),)), now)
                actions += [
                    one for one in more if not (isinstance(one, Send) and isinstance(one.packet, packet.Suback))
                ]
            return actions

    world.wire.service = Eager(world, lambda sent: sent)  # type: ignore[assignment]


def sessions(*, are_clean: bool) -> Callable[[World], None]:
    """Every session is a clean one, or none is."""

    def plant(world: World) -> None:
        alter(world, lambda sent: replace(sent, clean_session=are_clean) if isinstance(sent, packet.Connect) else sent)

    return plant


def replacing(word: str | None) -> Callable[[World], None]:
    """Every request says that it replaces this, or nothing."""

    def change(sent: packet.Packet) -> packet.Packet:
        if not isinstance(sent, packet.Publish):
            return sent
        fields = json.loads(sent.payload)
        fields.pop("replace", None)
        more = {"replace": word} if word else {}
        return replace(sent, payload=json.dumps({**fields, **more}).encode())

    return lambda world: alter(world, change)


def loses(status: int) -> Callable[[World], None]:
    """Answers with this status never arrive; 0 stands for all of them."""

    def plant(world: World) -> None:
        world.wire.swallows = lambda _, sent: (
            isinstance(sent, packet.Publish) and sent.topic.startswith(f"{ANSWERS}{status or ''}")
        )

    return plant


def hears_nothing(world: World) -> None:
    """Not even acknowledgements arrive, once the device is connected."""
    world.wire.swallows = lambda _, sent: isinstance(sent, packet.Publish | packet.Puback)


def faulty(fault: Fault) -> Callable[[World], None]:
    """Every request meets this fault."""

    def plant(world: World) -> None:
        world.service.faults = Faults({fault: 1.0})

    return plant


def answers_at_once(world: World) -> None:
    """The certificate comes with the 202."""
    world.service.faults = Faults(issue_delay_s=0.0)


def serves_one_by_one(world: World) -> None:
    """Nothing is heard before what was asked earlier has been answered for good."""
    answers_at_once(world)
    service = world.service

    class Slow(Altered):
        def receive(self, conn: int, sent: packet.Packet, now: float) -> list[Action]:
            return service.receive(conn, sent, now) + service.tick(now)

    world.wire.service = Slow(world, lambda sent: sent)  # type: ignore[assignment]


def tells_replaced(world: World, status: int, payload: bytes) -> None:
    """The request that was replaced is answered all the same, after the 202 of the one in its place."""
    service = world.service
    message = packet.Publish(credentials.response_topic(status, "aaaa-1"), payload, 0, 0)

    class Telling(Altered):
        def receive(self, conn: int, sent: packet.Packet, now: float) -> list[Action]:
            more = [Send(conn, message)] if isinstance(sent, packet.Publish) and b"replace" in sent.payload else []
            return [*service.receive(conn, sent, now), *more]

    world.wire.service = Telling(world, lambda sent: sent)  # type: ignore[assignment]


def gossips(world: World, after: type[packet.Packet], payload: bytes) -> None:
    """Before it answers a packet of that kind, the service answers somebody else."""
    service = world.service
    message = packet.Publish(credentials.response_topic(202, "stranger-1"), payload, 0, 0)

    class Gossip(Altered):
        def receive(self, conn: int, sent: packet.Packet, now: float) -> list[Action]:
            more = [Send(conn, message)] if isinstance(sent, after) else []
            return [*more, *service.receive(conn, sent, now)]

    world.wire.service = Gossip(world, lambda sent: sent)  # type: ignore[assignment]
