"""TLS connections around a service: one thread, one epoll, no connection ever waits for another.

Everything shares the port, as the first byte tells what a connection speaks: MQTT goes straight to the service, HTTP
and WebSockets by way of `web`.

asyncio would cost 256 KiB a connection.
"""

import errno
import resource
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Lock

from OpenSSL import SSL, crypto

from engine.emulator.broker import Action, Close, Send
from engine.emulator.mqtt import Decoder, encode
from engine.emulator.packet import Publish
from engine.emulator.service import Service
from engine.emulator.timers import Timers
from engine.emulator.tls import reason_of
from engine.emulator.web import WebConnection, is_http
from engine.emulator.websocket import Heard
from engine.errors import RemoteProtocolError

HANDSHAKE_WITHIN_S = 30.0
IDLE_S = 120.0
"""How long an HTTP connection may be silent: an assumption. Those of MQTT have their keep-alive."""

MAX_UNSENT_BYTES = 4 * 1024 * 1024
"""A peer that lets more than this pile up is cut off."""

_ACCEPTS = 64
_EVENTS = 512
_RECORD_BYTES = 16384


@dataclass(slots=True, eq=False)
class _Link:
    """One TCP connection. messages counts the publishes in unsent.

    Once it said something it has a decoder, for MQTT, or a web; heard is when the latter spoke last, alarm when its
    silence, or that of its handshake, is looked at next.
    """

    conn: int
    sock: socket.socket
    tls: SSL.Connection
    decoder: Decoder | None = None
    web: WebConnection | None = None
    heard: float = 0.0
    alarm: float = 0.0
    unsent: bytearray = field(default_factory=bytearray)
    messages: int = 0
    is_shaken: bool = False
    is_closing: bool = False


class Loop:
    """Every connection of one listening socket, until stopped. The lock is held while the service is used."""

    def __init__(self, service: Service, listener: socket.socket, context: SSL.Context) -> None:
        self.lock = Lock()
        self._service, self._listener, self._context = service, listener, context
        self._anchor = time.time() - time.monotonic()
        self._links: dict[int, _Link] = {}
        self._by_fd: dict[int, _Link] = {}
        self._conns = count(1)
        self._alarms: Timers[tuple[int, float]] = Timers()
        self._epoll = select.epoll()
        self._woken, self._waker = socket.socketpair()
        self._is_accepting = False
        listener.setblocking(False)
        self._epoll.register(self._woken, select.EPOLLIN)
        _raise_descriptor_limit()

    def now(self) -> float:
        """Unix seconds, from a clock that never goes back."""
        return self._anchor + time.monotonic()

    def stop(self) -> None:
        """End `run` soon; callable from any thread and from a signal handler, and harmless after the end."""
        with suppress(OSError):
            self._waker.send(b"x")

    def run(self) -> None:
        """Serve until `stop`, then close everything."""
        self._accept_on()
        try:
            while self._turn():
                pass
        finally:
            self.close()

    def close(self) -> None:
        """Close every connection and the listening socket."""
        for link in list(self._links.values()):
            self._end(link)
        self._epoll.close()
        for sock in (self._listener, self._woken, self._waker):
            sock.close()

    def _turn(self) -> bool:
        """Wait for something and do it; False when it was `stop`."""
        for fd, events in self._epoll.poll(self._wait_s(), _EVENTS):
            if fd == self._woken.fileno():
                return False
            with self.lock:
                if fd == self._listener.fileno():
                    self._accept()
                elif (link := self._by_fd.get(fd)) is not None:
                    self._io(link, events)
        with self.lock:
            now = self.now()
            self._do(self._service.tick(now))
            for conn, alarm in self._alarms.pop(now):
                if (link := self._links.get(conn)) is not None and link.alarm == alarm:
                    self._wake(link, now)
        return True

    def _wait_s(self) -> float:
        dues = [due for due in (self._service.next_due(), self._alarms.next_due) if due is not None]
        return max(0.0, min(dues) - self.now()) if dues else -1

    def _accept_on(self) -> None:
        if not self._is_accepting:
            self._epoll.register(self._listener, select.EPOLLIN)
            self._is_accepting = True

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):  # no descriptor is left: wait until one is closed
                    self._epoll.unregister(self._listener)
                    self._is_accepting = False
                return
            self._service.stats.add("dials")
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = SSL.Connection(self._context, sock)
            tls.set_accept_state()
            link = _Link(next(self._conns), sock, tls)
            self._links[link.conn] = self._by_fd[sock.fileno()] = link
            self._watch(link, self.now() + HANDSHAKE_WITHIN_S)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _watch(self, link: _Link, due: float) -> None:
        link.alarm = due
        self._alarms.add(due, (link.conn, due))

    def _wake(self, link: _Link, now: float) -> None:
        """End a connection whose handshake, or whose next request, does not come."""
        if not link.is_shaken:
            self._fail(link, "timeout")
        elif link.web is not None and not link.web.is_websocket:
            if link.heard + IDLE_S <= now:
                self._end(link)
            else:
                self._watch(link, link.heard + IDLE_S)

    def _io(self, link: _Link, events: int) -> None:
        if not link.is_shaken:
            self._shake(link)
            return
        if events & select.EPOLLOUT:
            self._flush(link)
            if link.conn in self._links and not link.unsent:
                self._epoll.modify(link.sock.fileno(), select.EPOLLIN)
        if events & ~select.EPOLLOUT and link.conn in self._links:
            self._read(link)

    def _shake(self, link: _Link) -> None:
        try:
            link.tls.do_handshake()
        except SSL.WantReadError:
            return self._epoll.modify(link.sock.fileno(), select.EPOLLIN)
        except SSL.WantWriteError:
            return self._epoll.modify(link.sock.fileno(), select.EPOLLOUT)
        except (SSL.Error, OSError) as error:
            return self._fail(link, reason_of(error))
        certificate = link.tls.get_peer_certificate()
        chain = () if certificate is None else (crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate),)
        if not self._service.open(link.conn, chain, self.now()):
            return self._fail(link, "certificate refused")
        link.is_shaken = True
        self._epoll.modify(link.sock.fileno(), select.EPOLLIN)
        return self._read(link)

    def _read(self, link: _Link) -> None:
        try:
            while link.conn in self._links and not link.is_closing:
                data = link.tls.recv(_RECORD_BYTES)
                if link.decoder is None:
                    self._hear(link, data)
                    continue
                packets = link.decoder.feed(data)
                now = self.now()
                for packet in packets:
                    self._do(self._service.receive(link.conn, packet, now))
        except SSL.WantReadError:
            pass
        except (SSL.Error, OSError, RemoteProtocolError):
            self._service.closed(link.conn)
            self._end(link)

    def _hear(self, link: _Link, data: bytes) -> None:
        """Take bytes of a connection that is not, or not yet known to be, plain MQTT."""
        now = self.now()
        if link.web is None and not is_http(data[0]):
            link.decoder = Decoder()
            heard = Heard(packets=link.decoder.feed(data))
        else:
            link.web, link.heard = link.web or self._open_web(link, now), now
            heard = link.web.feed(data)
        link.unsent += heard.answer
        for packet in heard.packets:
            self._do(self._service.receive(link.conn, packet, now))
        if heard.is_over:
            self._service.closed(link.conn)
            link.is_closing = True
        if link.conn in self._links:
            self._flush(link)

    def _open_web(self, link: _Link, now: float) -> WebConnection:
        service, conn, chain = self._service, link.conn, self._service.leave(link.conn)
        self._watch(link, now + IDLE_S)
        return WebConnection(
            lambda request: service.call(chain, request, self.now()), lambda: service.join(conn, chain, self.now())
        )

    def _do(self, actions: list[Action]) -> None:
        written: dict[int, _Link] = {}
        for action in actions:
            link = self._links.get(action.conn)
            match action:
                case Send(packet=packet):
                    is_message = isinstance(packet, Publish)
                    if link is None or link.is_closing:
                        self._service.undelivered(is_message)
                        continue
                    link.unsent += encode(packet) if link.web is None else link.web.frame(encode(packet))
                    link.messages += is_message
                    written[link.conn] = link
                case Close() if link is not None:
                    if link.web is not None and not link.is_closing:
                        link.unsent += link.web.close()
                    link.is_closing = True
                    written[link.conn] = link
        for link in written.values():
            self._flush(link)

    def _flush(self, link: _Link) -> None:
        try:
            while link.unsent:
                del link.unsent[: link.tls.send(bytes(link.unsent[:_RECORD_BYTES]))]
        except (SSL.WantWriteError, SSL.WantReadError):
            if len(link.unsent) <= MAX_UNSENT_BYTES and not link.is_closing:
                return self._epoll.modify(link.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
            self._service.closed(link.conn)
            return self._end(link)
        except (SSL.Error, OSError):
            self._service.closed(link.conn)
            return self._end(link)
        link.messages = 0
        if link.is_closing:
            return self._end(link)
        return None

    def _fail(self, link: _Link, reason: str) -> None:
        self._service.stats.add_to("tls.failed", reason)
        self._end(link)

    def _end(self, link: _Link) -> None:
        """Close the socket; messages that are still unsent are counted as undelivered."""
        if self._links.pop(link.conn, None) is None:
            return
        if link.messages:
            self._service.undelivered(link.messages)
        fd = link.sock.fileno()
        del self._by_fd[fd]
        self._epoll.unregister(fd)
        with suppress(SSL.Error, OSError):
            link.tls.shutdown()
        link.sock.close()
        self._accept_on()


def _raise_descriptor_limit() -> None:
    """As many descriptors as the system lets us have: one per connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
