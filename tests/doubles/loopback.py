"""A wire that ends in the emulator's service in memory: thousands of devices in seconds, the same every time.

Time is a VirtualClock's and passes only in `wait`. A dial takes TCP_S and TLS_S, every packet HOP_S in either
direction; what the service makes of it takes no time but its own. An HTTP request goes the same way, and one to where
the channel's last one went saves the dial. Events are those of the wire over sockets:
`tests/unit/doubles/test_loopback.py` holds the list.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from doubles.clock import VirtualClock
from doubles.exchanges import HOP_S, TCP_S, TLS_S, Exchanges, belongs_together
from engine.emulator import packet
from engine.emulator.broker import Action, Close, Send
from engine.emulator.packet import Packet
from engine.emulator.service import Service
from engine.errors import Failure, LocalProtocolError, Outcome
from engine.ports import Traffic
from engine.protocol import http, mqtt
from engine.protocol.status import outcome_of_connack

DPS_HOST, WEB_HOST = "dps.example", "web.example"


@dataclass(slots=True, eq=False)
class _Link:
    """A connection from its dial on; conn is its number at the service, None until TLS is done."""

    channel: int
    command: mqtt.Connect
    dialled: float
    conn: int | None = None
    is_up: bool = False
    is_leaving: bool = False
    packet_id: int = 0
    tags: dict[int, int] = field(default_factory=dict)
    topics: dict[int, str] = field(default_factory=dict)


class Loopback:
    """See ports.Wire. hosts are the names that lead somewhere; swallows says which packets to a device are lost, mutes
    which requests are never answered. pages are answered as they say, by URL, all else as the service does.
    """

    def __init__(self, service: Service, clock: VirtualClock, hosts: Sequence[str] = (DPS_HOST, WEB_HOST)) -> None:
        self.service, self.clock = service, clock
        self.hosts = {*hosts, *service.registry.hubs}
        self.swallows: Callable[[int, Packet], bool] = lambda channel, sent: False
        self.mutes: Callable[[int, http.Request], bool] = lambda channel, request: False
        self.pages: dict[str, http.Response] = {}
        self.is_closed = False
        self._exchanges = Exchanges(self)
        self._links: dict[int, _Link] = {}
        self._by_conn: dict[int, _Link] = {}
        self._conns, self._order = count(1), count()
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._events: list[tuple[int, mqtt.Event | http.Event]] = []
        self._is_woken = False
        self._zero_wall = clock.wall() - clock.now()

    @property
    def open_connections(self) -> int:
        """How many channels have a connection or a dial."""
        return len(self._links)

    # The port.

    @property
    def traffic(self) -> Traffic:
        """No bytes are made here."""
        return Traffic()

    def send(self, channel: int, command: mqtt.Command | http.Command) -> None:
        """Carry out a command. Raises LocalProtocolError on one that makes no sense now."""
        link = self._links.get(channel)
        match command:
            case mqtt.Connect():
                if link is not None:
                    raise LocalProtocolError(f"channel {channel} is open already")
                self._links[channel] = link = _Link(channel, command, self.clock.now())
                self.after(TCP_S, lambda: self._reach(link))
            case mqtt.Subscribe():
                if link is not None and (pid := self._next_id(link)):
                    link.topics[pid] = command.topic
                    self._tell(link, packet.Subscribe(pid, ((command.topic, command.qos),)))
            case mqtt.Unsubscribe():
                if link is not None and (pid := self._next_id(link)):
                    link.topics[pid] = command.topic
                    self._tell(link, packet.Unsubscribe(pid, (command.topic,)))
            case mqtt.Publish():
                if link is not None and (pid := self._next_id(link)):
                    if command.qos:
                        link.tags[pid] = command.tag
                    self._tell(link, packet.Publish(command.topic, command.payload, command.qos, pid * command.qos))
            case mqtt.Disconnect():
                if link is not None and not link.is_leaving:
                    self._leave(link)
            case http.Request():
                self._exchanges.begin(channel, command)
            case http.Abandon():
                self._exchanges.abandon(channel)

    def wait(self, until: float) -> Sequence[tuple[int, mqtt.Event | http.Event]]:
        """Events as they come; empty when the clock reaches until or someone called wake."""
        while not self._events and not self._is_woken:
            due = self._next_due()
            if due > until:
                self._move_to(until)
                break
            assert due < math.inf, "nothing will ever happen"
            self._move_to(due)
            self._act()
        self._is_woken = False
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        """End the wait in progress, or the next one."""
        self._is_woken = True

    def close(self) -> None:
        """Drop every connection at once."""
        for link in list(self._links.values()):
            self._forget(link)
            if link.conn is not None:
                self.service.closed(link.conn)
        self._exchanges.clear()
        self._events.clear()
        self._plans.clear()
        self.is_closed = True

    # What a test may do besides.

    def after(self, for_s: float, act: Callable[[], None]) -> None:
        """Do something that much later."""
        heapq.heappush(self._plans, (self.clock.now() + for_s, next(self._order), act))

    def cut(self, channel: int) -> None:
        """Break a connection, as a network does: both ends see it at once."""
        link = self._links[channel]
        if link.conn is not None:
            self.service.closed(link.conn)
        self._end(link, Failure(Outcome.DISCONNECTED, "ECONNRESET", "the connection ended"))

    # For the exchanges.

    def conn(self) -> int:
        """A number that no connection at the service had yet."""
        return next(self._conns)

    def wall(self) -> float:
        """The time as the service knows it."""
        return self._zero_wall + self.clock.now()

    def tell(self, channel: int, event: http.Event) -> None:
        """Something happened on a channel, now."""
        self._events.append((channel, event))

    # Time.

    def _next_due(self) -> float:
        planned = self._plans[0][0] if self._plans else math.inf
        tick = self.service.next_due()
        return max(self.clock.now(), min(planned, math.inf if tick is None else tick - self._zero_wall))

    def _move_to(self, at: float) -> None:
        self.clock.sleep(at - self.clock.now())

    def _act(self) -> None:
        """All that is due now: the service's own work first, then packets on their way."""
        due = self.service.next_due()
        if due is not None and due - self._zero_wall <= self.clock.now():
            self._carry_out(self.service.tick(max(due, self.wall())))
        while self._plans and self._plans[0][0] <= self.clock.now():
            heapq.heappop(self._plans)[2]()

    # A connection's life.

    def _reach(self, link: _Link) -> None:
        if self._links.get(link.channel) is not link:
            return None
        if link.command.host not in self.hosts:
            return self._end(link, Failure(Outcome.NETWORK, "EAI_NONAME", f"{link.command.host} does not resolve"))
        self.service.stats.add("dials")
        return self.after(TLS_S, lambda: self._shake_hands(link))

    def _shake_hands(self, link: _Link) -> None:
        if self._links.get(link.channel) is not link:
            return None
        identity = link.command.identity
        if identity is not None and not belongs_together(identity):
            failure = Failure(Outcome.TLS, "credentials", "the key or certificate is unusable")
            return self._end(link, failure)
        conn = self.conn()
        if not self.service.open(conn, identity.chain[:1] if identity else (), self.wall()):
            failure = Failure(Outcome.TLS, "alert 48", "the server ended the TLS session before MQTT began")
            return self._end(link, failure)
        link.conn = conn
        self._by_conn[conn] = link
        command = link.command
        password = None if command.password is None else command.password.encode()
        self._tell(
            link,
            packet.Connect(command.client_id, command.username, password, command.keep_alive_s, command.clean_session),
        )
        return self.after(command.keep_alive_s, lambda: self._ping(link))

    def _ping(self, link: _Link) -> None:
        if self._links.get(link.channel) is link:
            self._tell(link, packet.Pingreq())
            self.after(link.command.keep_alive_s, lambda: self._ping(link))

    def _leave(self, link: _Link) -> None:
        link.is_leaving = True
        if link.conn is None:
            return self._end(link, None)
        self._tell(link, packet.Disconnect())
        return self.after(HOP_S, lambda: self._end(link, None))

    def _end(self, link: _Link, failure: Failure | None) -> None:
        if self._links.get(link.channel) is link:
            self._forget(link)
            self._events.append((link.channel, mqtt.Disconnected(self.clock.now(), failure is None, failure)))

    def _forget(self, link: _Link) -> None:
        del self._links[link.channel]
        if link.conn is not None:
            self._by_conn.pop(link.conn, None)

    def _next_id(self, link: _Link) -> int:
        """A packet id, 0 when nothing can be sent any more."""
        if not link.is_up:
            raise LocalProtocolError(f"channel {link.channel} is not connected yet")
        if link.is_leaving:
            return 0
        link.packet_id = link.packet_id % 0xFFFF + 1
        return link.packet_id

    # Packets.

    def _tell(self, link: _Link, sent: Packet) -> None:
        conn = link.conn
        assert conn is not None
        self.after(HOP_S, lambda: self._carry_out(self.service.receive(conn, sent, self.wall())))

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self.after(HOP_S, lambda action=action: self._arrive(action))

    def _arrive(self, action: Action) -> None:
        link = self._by_conn.get(action.conn)
        match action:
            case Send(packet=sent) if link is None or link.is_leaving:
                self.service.undelivered(isinstance(sent, packet.Publish))
            case Send(packet=sent) if not self.swallows(link.channel, sent):
                self._hear(link, sent)
            case Close() if link is not None and not link.is_leaving:
                self._end(link, Failure(Outcome.DISCONNECTED, "EOF", "the connection ended"))

    def _hear(self, link: _Link, heard: Packet) -> None:
        now, channel = self.clock.now(), link.channel
        match heard:
            case packet.Connack(return_code=0):
                link.is_up = True
                connack_s = now - link.dialled - TCP_S - TLS_S
                self._events.append((channel, mqtt.Connected(now, TCP_S, TLS_S, connack_s)))
            case packet.Connack(return_code=code):
                refused = Failure(outcome_of_connack(code), f"connack {code}", "the server refused the connection")
                self._end(link, refused)
            case packet.Suback(packet_id=pid, granted=granted):
                self._events.append((channel, mqtt.Subscribed(now, link.topics.pop(pid), granted[0])))
            case packet.Unsuback(packet_id=pid):
                self._events.append((channel, mqtt.Unsubscribed(now, link.topics.pop(pid))))
            case packet.Puback(packet_id=pid):
                self._events.append((channel, mqtt.Published(now, link.tags.pop(pid))))
            case packet.Publish(topic=topic, payload=payload):
                self._events.append((channel, mqtt.Received(now, topic, payload)))
