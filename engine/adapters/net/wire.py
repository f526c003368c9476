"""The loop: every connection of a process on one epoll, no thread and no timer per device.

`send` acts at once and `wait` polls; both leave events in one list, which `wait` empties. A descriptor belongs to a
Dial until its handshake is done and to a Link from then on. Ends come from many places (a read, a write, a command,
the wheel) and meet in `_end`, where the descriptor is forgotten before it is closed: the kernel hands the number out
again at once. For the same reason queued dials start only when the events at hand have all been served.

Handshakes in flight are capped. A dial that waits for its turn waits on our account: the parts in Connected begin
with the dial itself, and whoever sent Connect knows since when it waits. No dial times out here: a caller that
gives up sends Disconnect.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Sequence
from typing import assert_never

from engine.adapters.net.dial import Dial, Network
from engine.adapters.net.link import Link, Stage, require_hook
from engine.adapters.net.wheel import Wheel
from engine.errors import Failure, LocalProtocolError
from engine.ports import Clock
from engine.protocol import mqtt

EVENTS_A_POLL = 512
LONGEST_POLL_S = 60.0
LINGER_S = 5.0
"""How long a DISCONNECT may wait for a peer that does not read."""


class EpollWire:
    """`Wire` over paho-mqtt clients, on TLS 1.2 or later with chain and host name always verified.

    The first look-up of a host name blocks; it is remembered for a minute (`hosts`).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ca_file: str | None = None,
        source_addresses: Sequence[str] = (),
        handshakes: int = 64,
    ) -> None:
        """ca_file holds the trusted roots, None means certifi's; handshakes is how many are in flight at most.

        Connections leave from source_addresses in turn; empty leaves the choice to the system.
        Raises SettingsError when the roots cannot be read or paho is of another kind.
        """
        require_hook()
        self._clock = clock
        self._network = Network(clock, ca_file=ca_file, source_addresses=source_addresses)
        self._handshakes = handshakes
        self._channels: dict[int, Dial | Link] = {}
        self._peers: dict[int, Dial | Link] = {}
        self._queue: deque[Dial] = deque()
        self._dials: set[Dial] = set()
        self._wheel: Wheel[Link] = Wheel()
        self._events: list[tuple[int, mqtt.Event]] = []
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._bell_lock = threading.Lock()
        self._epoll.register(self._bell, select.EPOLLIN)

    @property
    def open_connections(self) -> int:
        """How many descriptors are held by connections and dials."""
        return len(self._peers)

    def send(self, channel: int, command: mqtt.Command) -> None:
        """Carry out a command. Raises LocalProtocolError on one that makes no sense now.

        Subscribe and Publish on a closed channel are dropped: its Disconnected is on the way to the caller.
        """
        peer = self._channels.get(channel)
        match command:
            case mqtt.Publish():
                if peer is not None:
                    self._settle(link := _up(peer), link.publish(command))
            case mqtt.Subscribe():
                if peer is not None:
                    self._settle(link := _up(peer), link.subscribe(command))
            case mqtt.Connect():
                if peer is not None:
                    raise LocalProtocolError(f"channel {channel} is open already")
                self._channels[channel] = dial = Dial(channel, command, self._network)
                self._queue.append(dial)
                self._dial_queued()
            case mqtt.Disconnect():
                if peer is not None:
                    self._leave(peer)
            case _:
                assert_never(command)

    def wait(self, until: float) -> Sequence[tuple[int, mqtt.Event]]:
        """Events by channel, in order; empty when the clock reaches until or someone called wake."""
        woken = False
        while True:
            left_s = 0.0
            if not self._events:
                left_s = max(0.0, min(until, self._wheel.next_at) - self._clock.now())
            woken = self._turn(min(left_s, LONGEST_POLL_S))
            if self._events or woken or self._clock.now() >= until:
                break
        events = self._events[:]
        self._events.clear()
        return events

    def wake(self) -> None:
        """End the wait in progress, or the next one; callable from any thread."""
        with self._bell_lock:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Drop every connection at once and free everything; twice is once."""
        for peer in list(self._channels.values()):
            self._end(peer, None)
        self._events.clear()
        self._queue.clear()
        with self._bell_lock:
            if self._bell >= 0:
                os.close(self._bell)
                self._bell = -1
        self._epoll.close()

    def _turn(self, timeout_s: float) -> bool:
        """Serve what is ready within timeout_s; true if someone called wake."""
        woken = False
        peers = self._peers
        for fd, mask in self._epoll.poll(timeout_s, EVENTS_A_POLL):
            peer = peers.get(fd)
            if type(peer) is Link:
                self._settle(peer, peer.serve(mask))
            elif type(peer) is Dial:
                self._advance(peer)
            elif fd == self._bell:
                os.eventfd_read(fd)
                woken = True
        for link in self._wheel.turn(self._clock.now()):
            if link.stage is Stage.LEAVING:
                self._end(link, None)
            else:
                self._watch(link)
                self._settle(link, link.keep_alive())
        self._dial_queued()
        return woken

    def _dial_queued(self) -> None:
        while self._queue and len(self._dials) < self._handshakes:
            dial = self._queue.popleft()
            if self._channels.get(dial.channel) is dial:  # nobody gave up on it meanwhile
                self._dials.add(dial)
                self._begin(dial, dial.start())

    def _begin(self, dial: Dial, wanted: int | Failure) -> None:
        """Wait for a dial that has just got a descriptor, or end it."""
        if isinstance(wanted, Failure):
            self._end(dial, wanted)
            return
        assert dial.socket is not None
        dial.mask = wanted
        self._peers[dial.socket.fileno()] = dial
        self._epoll.register(dial.socket, wanted)

    def _advance(self, dial: Dial) -> None:
        wanted = dial.advance()
        if isinstance(wanted, Failure):
            if dial.has_more:
                self._forget(dial)
                self._begin(dial, dial.start_next(wanted))
            else:
                self._end(dial, wanted)
        elif wanted:
            self._await(dial, wanted)
        else:
            self._open(dial)

    def _open(self, dial: Dial) -> None:
        link = Link(dial, self._clock, self._events)
        self._dials.discard(dial)
        self._channels[link.channel] = self._peers[link.socket.fileno()] = link
        self._watch(link)
        self._settle(link, link.open())

    def _leave(self, peer: Dial | Link) -> None:
        if isinstance(peer, Dial):
            self._end(peer, None)
        elif peer.stage is not Stage.LEAVING:
            self._wheel.put(peer, LINGER_S)
            self._settle(peer, peer.leave())

    def _watch(self, link: Link) -> None:
        self._wheel.put(link, link.command.keep_alive_s / 4)

    def _settle(self, link: Link, wanted: int) -> None:
        """Wait for what the link wants next, or end it when it wants nothing."""
        if wanted:
            self._await(link, wanted)
        else:
            self._end(link, None if link.stage is Stage.LEAVING else link.failure())

    def _await(self, peer: Dial | Link, wanted: int) -> None:
        if wanted != peer.mask and peer.socket is not None:
            peer.mask = wanted
            self._epoll.modify(peer.socket, wanted)

    def _end(self, peer: Dial | Link, failure: Failure | None) -> None:
        """Forget a connection and say so; without a failure it was asked for."""
        self._forget(peer)
        del self._channels[peer.channel]
        if isinstance(peer, Dial):
            self._dials.discard(peer)
        else:
            self._wheel.take(peer)
            peer.free()
        self._events.append((peer.channel, mqtt.Disconnected(self._clock.now(), failure is None, failure)))

    def _forget(self, peer: Dial | Link) -> None:
        """Order matters here: off the tables and the epoll first, then closed."""
        if peer.socket is not None and peer.socket.fileno() >= 0:
            del self._peers[peer.socket.fileno()]
            self._epoll.unregister(peer.socket)
            peer.socket.close()


def _up(peer: Dial | Link) -> Link:
    if isinstance(peer, Dial):
        raise LocalProtocolError(f"channel {peer.channel} is not connected yet")
    return peer
