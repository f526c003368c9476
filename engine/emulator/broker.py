"""MQTT sessions: who is connected, who subscribed to what, who took over from whom.

Theory of operation. A connection is opened, says CONNECT once, and is then up until either side closes it; the table
LEGAL names the packets that each state allows, and any other closes the connection, as the services do. A client is a
device of one service: it has at most one connection, and a newer one closes the older. What a client subscribed to is
its session; without a clean session it outlives the connection. QoS 2 is refused by closing. Messages are delivered at
most once: at QoS 1 no copy is kept for a PUBACK that does not come.

Who may log in, which filters exist and what a message means is the backend's to say.
Source: article "Communicate with an IoT hub using the MQTT protocol"; MQTT 3.1.1 chapters 3 and 4.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from engine.emulator.packet import (
    LEVEL,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from engine.emulator.stats import Stats
from engine.emulator.timers import Timers
from engine.errors import RemoteProtocolError

MAX_KEEP_ALIVE_S = 1767.0
"""The longest silence, whatever was asked. Source: article "Communicate with an IoT hub using the MQTT protocol"."""

CONNECT_WITHIN_S = 30.0
"""How long a connection may be open without CONNECT: an assumption."""

BAD_PROTOCOL = 1
REFUSED_FILTER = 0x80


class Host(StrEnum):
    """The two services behind the port."""

    DPS = "dps"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Client:
    """A device of one service; hub is "" for DPS, id the MQTT client id."""

    host: Host
    hub: str
    id: str

    @property
    def device_id(self) -> str:
        """The id without a module's part."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Send:
    """Write a packet to a connection."""

    conn: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Close:
    """Close a connection, after what was sent to it before; nothing more will be said of it."""

    conn: int
    reason: str


type Action = Send | Close


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish to a client."""

    topic: str
    payload: bytes


class Backend(Protocol):
    """What the sessions are for."""

    def admit(self, conn: int, connect: Connect, now: float) -> Client | int:
        """The client that logs in, or the CONNACK code that refuses it."""

    def filters(self, client: Client) -> frozenset[str]:
        """The topic filters the client may subscribe to."""

    def received(self, client: Client, publish: Publish, now: float) -> list[Action]:
        """What follows from a message. Raises RemoteProtocolError when it closes the connection."""

    def ready(self, client: Client) -> list[Action]:
        """What was held back until the client could receive."""


class OnBadFilter(StrEnum):
    """What a filter that is not allowed, or one too many, leads to: unknown, sources only say "not allowed"."""

    REFUSE = "refuse"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Rules:
    """The services' limits. qos is the highest that is used towards devices.

    Source: azure-sdk-for-c, az_iot_hub_client.h (answers come at QoS 0).
    """

    qos: int = 0
    max_subscriptions: int = 5
    on_bad_filter: OnBadFilter = OnBadFilter.REFUSE


class State(StrEnum):
    """How far a connection is."""

    OPEN = "open"
    UP = "up"


LEGAL: Mapping[State, frozenset[type]] = {
    State.OPEN: frozenset({Connect}),
    State.UP: frozenset({Publish, Puback, Subscribe, Unsubscribe, Pingreq, Disconnect}),
}


@dataclass(slots=True)
class _Session:
    """What a client has subscribed to, by filter, and the last packet id it was sent."""

    granted: dict[str, int] = field(default_factory=dict)
    packet_id: int = 0
    conn: int | None = None
    is_clean: bool = True


@dataclass(slots=True)
class _Link:
    """One connection. client is set in State.UP; alarm is when its silence is looked at next."""

    heard: float
    silence_s: float = CONNECT_WITHIN_S
    alarm: float = 0.0
    state: State = State.OPEN
    client: Client | None = None
    has_will: bool = False


class Broker:
    """All connections and sessions."""

    def __init__(self, backend: Backend, rules: Rules, stats: Stats) -> None:
        self._backend, self._rules, self._stats = backend, rules, stats
        self._links: dict[int, _Link] = {}
        self._sessions: dict[Client, _Session] = {}
        self._silences: Timers[tuple[int, float]] = Timers()

    def open(self, conn: int, now: float) -> None:
        """Begin a connection; conn is a number never used before."""
        self._links[conn] = link = _Link(now)
        self._watch(conn, link)

    def closed(self, conn: int) -> None:
        """Note that the peer is gone. Harmless for a connection that was closed from here."""
        self._forget(conn, "by peer")

    def release(self, conn: int) -> None:
        """Forget a connection that said nothing yet: it is no MQTT, and not closed."""
        self._links.pop(conn, None)

    @property
    def next_due(self) -> float | None:
        """When `tick` may have something to do."""
        return self._silences.next_due

    def tick(self, now: float) -> list[Action]:
        """Close the connections that were silent for too long."""
        actions: list[Action] = []
        for conn, alarm in self._silences.pop(now):
            if (link := self._links.get(conn)) is None or link.alarm != alarm:
                continue
            if link.heard + link.silence_s <= now:
                actions += self._close(conn, "keep-alive")
            else:
                self._watch(conn, link)
        return actions

    def _watch(self, conn: int, link: _Link) -> None:
        link.alarm = link.heard + link.silence_s
        self._silences.add(link.alarm, (conn, link.alarm))

    def receive(self, conn: int, packet: Packet, now: float) -> list[Action]:
        """What follows from a packet; nothing when the connection is not open any more."""
        if (link := self._links.get(conn)) is None:
            return []
        link.heard = now
        if type(packet) not in LEGAL[link.state]:
            return self._close(conn, "unexpected packet")
        try:
            return self._take(conn, link, packet=packet, now=now)
        except RemoteProtocolError:
            return self._close(conn, "protocol")

    def _take(self, conn: int, link: _Link, *, packet: Packet, now: float) -> list[Action]:
        if isinstance(packet, Connect):
            return self._connect(conn, link, packet=packet, now=now)
        if (client := link.client) is None:
            return []
        match packet:
            case Publish(qos=0):
                return self._backend.received(client, packet, now)
            case Publish(qos=1):
                actions = self._backend.received(client, packet, now)
                return [Send(conn, Puback(packet.packet_id)), *actions]
            case Publish():
                return self._close(conn, "QoS 2")
            case Subscribe():
                return self._subscribe(conn, client, packet)
            case Unsubscribe():
                for topic in packet.filters:
                    self._sessions[client].granted.pop(topic, None)
                return [Send(conn, Unsuback(packet.packet_id))]
            case Pingreq():
                return [Send(conn, Pingresp())]
            case Disconnect():
                link.has_will = False
                return self._close(conn, "asked")
            case _:
                return []

    def _connect(self, conn: int, link: _Link, *, packet: Connect, now: float) -> list[Action]:
        self._stats.add("connects")
        client = BAD_PROTOCOL if packet.level != LEVEL else self._backend.admit(conn, packet, now)
        if isinstance(client, int):
            self._stats.add_to("connacks", client)
            return [Send(conn, Connack(client)), *self._close(conn, "refused")]
        actions = self._take_over(client)
        self._stats.add_to("connacks", 0)
        session = None if packet.clean_session or client.host is Host.DPS else self._sessions.get(client)
        present = session is not None
        session = session or _Session(is_clean=packet.clean_session or client.host is Host.DPS)
        session.conn = conn
        self._sessions[client] = session
        link.client, link.state, link.has_will = client, State.UP, packet.will is not None
        link.silence_s = min(packet.keep_alive_s * 1.5 or MAX_KEEP_ALIVE_S, MAX_KEEP_ALIVE_S)
        self._watch(conn, link)
        actions.append(Send(conn, Connack(0, session_present=present)))
        return actions + (self._backend.ready(client) if session.granted else [])

    def _take_over(self, client: Client) -> list[Action]:
        """Close the client's older connection. Source: article above, code 400027."""
        session = self._sessions.get(client)
        if session is None or session.conn is None:
            return []
        self._stats.add("takeovers")
        return self._close(session.conn, "taken over")

    def _subscribe(self, conn: int, client: Client, packet: Subscribe) -> list[Action]:
        self._stats.add("subscribes", len(packet.filters))
        allowed, granted = self._backend.filters(client), self._sessions[client].granted
        codes = []
        for topic, qos in packet.filters:
            is_new = topic not in granted
            if topic not in allowed or (is_new and len(granted) >= self._rules.max_subscriptions):
                codes.append(REFUSED_FILTER)
            else:
                granted[topic] = min(qos, 1)
                codes.append(min(qos, 1))
        if REFUSED_FILTER in codes and self._rules.on_bad_filter is OnBadFilter.CLOSE:
            return self._close(conn, "bad filter")
        return [Send(conn, Suback(packet.packet_id, tuple(codes))), *self._backend.ready(client)]

    def is_listening(self, client: Client, topic: str) -> bool:
        """Whether a message of that topic would reach the client now."""
        return self._granted(client, topic) is not None

    def push(self, client: Client, messages: Iterable[Message]) -> list[Action]:
        """Deliver messages to a client; those that cannot reach it are counted as undelivered."""
        actions: list[Action] = []
        for message in messages:
            qos = self._granted(client, message.topic)
            session = self._sessions.get(client)
            if qos is None or session is None or session.conn is None:
                self._stats.add("undelivered")
                continue
            qos = min(qos, self._rules.qos)
            if qos:
                session.packet_id = session.packet_id % 0xFFFF + 1
            packet_id = session.packet_id if qos else 0
            actions.append(Send(session.conn, Publish(message.topic, message.payload, qos, packet_id)))
        return actions

    def drop(self, client: Client) -> list[Action]:
        """Break the client's connection, if it has one: a fault."""
        session = self._sessions.get(client)
        if session is None or session.conn is None:
            return []
        self._stats.add("dropped")
        return self._close(session.conn, "dropped")

    def _granted(self, client: Client, topic: str) -> int | None:
        session = self._sessions.get(client)
        if session is None or session.conn is None:
            return None
        matching = [qos for name, qos in session.granted.items() if topic.startswith(name.removesuffix("#"))]
        return max(matching, default=None)

    def _close(self, conn: int, reason: str) -> list[Action]:
        return [Close(conn, reason)] if self._forget(conn, reason) else []

    def _forget(self, conn: int, reason: str) -> bool:
        link = self._links.pop(conn, None)
        if link is None:
            return False
        self._stats.add_to("closes", reason)
        if link.has_will:
            self._stats.add("wills")
        if link.client is not None:
            session = self._sessions[link.client]
            session.conn = None
            if session.is_clean:
                del self._sessions[link.client]
        return True
