"""Descriptors and whose they are: the epoll, and the table beside it."""

import select
import socket
from typing import Protocol

from engine.adapters.net.traffic import traffic_of
from engine.ports import Traffic

type Socket = socket.socket


class Peer(Protocol):
    """Whatever has a descriptor on the loop; mask is the events it waits for."""

    mask: int

    @property
    def socket(self) -> Socket | None:
        """None until there is one."""


class Watch:
    """Who waits for what."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.peers: dict[int, Peer] = {}
        """By descriptor. To be read by others, not written."""
        self._sent = self._received = 0

    @property
    def traffic(self) -> Traffic:
        """What crossed all descriptors, those that are closed included. Costs a system call for each open one."""
        found = [traffic_of(peer.socket) for peer in self.peers.values() if peer.socket is not None]
        sent = self._sent + sum(one.sent for one in found)
        return Traffic(sent, self._received + sum(one.received for one in found))

    def add(self, peer: Peer, wanted: int) -> None:
        """Wait for wanted on a descriptor that is new here."""
        assert peer.socket is not None
        peer.mask = wanted
        self.peers[peer.socket.fileno()] = peer
        self.epoll.register(peer.socket, wanted)

    def hand_over(self, peer: Peer) -> None:
        """Let a descriptor that is known here be another's, who waits for the same until it says otherwise."""
        assert peer.socket is not None
        self.peers[peer.socket.fileno()] = peer

    def expect(self, peer: Peer, wanted: int) -> None:
        """Wait for wanted from now on."""
        if wanted != peer.mask and peer.socket is not None:
            peer.mask = wanted
            self.epoll.modify(peer.socket, wanted)

    def forget(self, peer: Peer) -> None:
        """Close a descriptor, if there is one. Order matters here: off the table and the epoll first, then closed."""
        if peer.socket is not None and peer.socket.fileno() >= 0:
            del self.peers[peer.socket.fileno()]
            self.epoll.unregister(peer.socket)
            crossed = traffic_of(peer.socket)
            self._sent += crossed.sent
            self._received += crossed.received
            peer.socket.close()

    def close(self) -> None:
        """Free the epoll; every descriptor is forgotten already."""
        self.epoll.close()
