"""The loop: every connection of a process on one epoll, no thread and no timer per device.

`send` acts at once and `wait` polls; both leave events in one list, which `wait` empties. A descriptor belongs to a
Dial until its handshake is done, from then on to a Link (MQTT) or a Line (HTTP), whose exchanges `calls` keeps. Ends
of a link come from many places (a read, a write, a command, the wheel) and meet in `_end`.

Dials in flight are capped (`dialler`). Nothing times out here: a caller that gives up sends Disconnect or Abandon.
"""

import os
import select
import threading
from collections.abc import Sequence
from typing import assert_never

from engine.adapters.net.calls import Call, Calls
from engine.adapters.net.dial import Dial, Endpoint, Network
from engine.adapters.net.dialler import Dialler
from engine.adapters.net.line import Line
from engine.adapters.net.link import Link, Stage
from engine.adapters.net.prepared import require_hook
from engine.adapters.net.watch import Watch
from engine.adapters.net.wheel import Wheel
from engine.errors import Failure, LocalProtocolError
from engine.ports import Clock, Traffic
from engine.protocol import http, mqtt

EVENTS_A_POLL = 512
LONGEST_POLL_S = 60.0
LINGER_S = 5.0
"""How long a DISCONNECT may wait for a peer that does not read."""
SWEEP_S = 10.0
"""How often idle HTTP connections are looked through."""


class EpollWire:
    """`Wire` over paho-mqtt and h11, on TLS with chain and host name always verified.

    An http URL goes over TCP alone. HTTP connections are kept for the next request to the same server by the same
    identity, of whatever channel.

    The first look-up of a host name blocks; it is remembered for a minute (`hosts`).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        ca_file: str | None = None,
        newest_tls: str = "1.2",
        source_addresses: Sequence[str] = (),
        handshakes: int = 64,
    ) -> None:
        """ca_file holds the trusted roots, None means certifi's; handshakes is how many are in flight at most.

        newest_tls is "1.2" or "1.3". The services speak 1.2, and offering 1.3 besides costs every connection 9 KiB and
        a key share of its own.
        Connections leave from source_addresses in turn; empty leaves the choice to the system.
        Raises SettingsError when the roots cannot be read or paho is of another kind.
        """
        require_hook()
        self._clock = clock
        self._network = Network(clock, ca_file=ca_file, newest_tls=newest_tls, source_addresses=source_addresses)
        self._events: list[tuple[int, mqtt.Event | http.Event]] = []
        self._watch = Watch()
        self._epoll, self._peers = self._watch.epoll, self._watch.peers
        self._dialler = Dialler(self._watch, at_once=handshakes, arrived=self._dialled, failed=self._undialled)
        self._channels: dict[int, Link] = {}
        self._calls = Calls(self._network, self._watch, self._dialler, self._events)
        self._wheel: Wheel[Link | Calls] = Wheel()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._bell_lock = threading.Lock()
        self._epoll.register(self._bell, select.EPOLLIN)

    @property
    def open_connections(self) -> int:
        """How many descriptors are held by connections, idle ones too, and by dials."""
        return len(self._peers)

    @property
    def traffic(self) -> Traffic:
        """The bytes that TCP carried so far, TLS included, packet headers not (`traffic`)."""
        return self._watch.traffic

    def send(self, channel: int, command: mqtt.Command | http.Command) -> None:
        """Carry out a command. Raises LocalProtocolError on one that makes no sense now.

        Subscribe, Unsubscribe and Publish on a closed channel are dropped: its Disconnected is on the way to the
        caller.
        """
        link = self._channels.get(channel)
        match command:
            case mqtt.Publish():
                if link is not None:
                    self._settle(link, link.publish(command))
            case mqtt.Subscribe():
                if link is not None:
                    self._settle(link, link.subscribe(command))
            case mqtt.Unsubscribe():
                if link is not None:
                    self._settle(link, link.unsubscribe(command))
            case mqtt.Connect():
                if link is not None:
                    raise LocalProtocolError(f"channel {channel} is open already")
                self._connect(channel, command)
            case mqtt.Disconnect():
                if link is not None:
                    self._leave(link)
            case http.Request():
                self._calls.ask(channel, command)
                self._dialler.start_queued()
                if self._calls not in self._wheel:
                    self._wheel.put(self._calls, SWEEP_S)
            case http.Abandon():
                self._calls.abandon(channel)
            case _:
                assert_never(command)

    def wait(self, until: float) -> Sequence[tuple[int, mqtt.Event | http.Event]]:
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
        for link in list(self._channels.values()):
            self._end(link, None)
        self._calls.close()
        self._dialler.clear()
        self._events.clear()
        with self._bell_lock:
            if self._bell >= 0:
                os.close(self._bell)
                self._bell = -1
        self._watch.close()

    def _turn(self, timeout_s: float) -> bool:
        """Serve what is ready within timeout_s; true if someone called wake."""
        woken = False
        peers = self._peers
        for fd, mask in self._epoll.poll(timeout_s, EVENTS_A_POLL):
            peer = peers.get(fd)
            if type(peer) is Link:
                self._settle(peer, peer.serve(mask))
            elif type(peer) is Dial:
                self._dialler.advance(peer)
            elif type(peer) is Line:
                self._calls.serve(peer)
            elif fd == self._bell:
                os.eventfd_read(fd)
                woken = True
        for due in self._wheel.turn(self._clock.now()):
            if type(due) is Link:
                self._look_after(due)
            else:
                self._calls.sweep()
                if self._calls.in_use:
                    self._wheel.put(self._calls, SWEEP_S)
        self._dialler.start_queued()
        return woken

    def _connect(self, channel: int, command: mqtt.Connect) -> None:
        self._channels[channel] = link = Link(channel, command, self._clock, self._events)
        link.dial = Dial(Endpoint(command.host, command.port, command.identity), link, self._network)
        self._dialler.queue(link.dial)
        self._dialler.start_queued()

    def _dialled(self, owner: object, dial: Dial) -> None:
        if type(owner) is Link:
            wanted = owner.open(dial)
            self._watch.hand_over(owner)
            self._keep_in_view(owner)
            self._settle(owner, wanted)
        elif type(owner) is Call:
            self._calls.dialled(owner, dial)

    def _undialled(self, owner: object, failure: Failure) -> None:
        if type(owner) is Link:
            self._end(owner, failure)
        elif type(owner) is Call:
            self._calls.undialled(owner, failure)

    def _leave(self, link: Link) -> None:
        if link.stage is Stage.DIALLING:
            self._end(link, None)
        elif link.stage is not Stage.LEAVING:
            self._wheel.put(link, LINGER_S)
            self._settle(link, link.leave())

    def _keep_in_view(self, link: Link) -> None:
        self._wheel.put(link, link.command.keep_alive_s / 4)

    def _look_after(self, link: Link) -> None:
        if link.stage is Stage.LEAVING:
            self._end(link, None)
        else:
            self._keep_in_view(link)
            self._settle(link, link.keep_alive())

    def _settle(self, link: Link, wanted: int) -> None:
        """Wait for what the link wants next, or end it when it wants nothing."""
        if not wanted:
            self._end(link, None if link.stage is Stage.LEAVING else link.failure())
        elif wanted != link.mask:
            self._watch.expect(link, wanted)

    def _end(self, link: Link, failure: Failure | None) -> None:
        """Forget a connection and say so; without a failure it was asked for."""
        if link.dial is not None:
            self._dialler.drop(link.dial)
            link.dial = None
        self._watch.forget(link)
        self._wheel.take(link)
        link.free()
        del self._channels[link.channel]
        self._events.append((link.channel, mqtt.Disconnected(self._clock.now(), failure is None, failure)))
