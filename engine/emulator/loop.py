"""TLS connections around a service: one thread, one epoll, no connection ever waits for another.

pyOpenSSL and not the standard library's `ssl`: only it tells an expired certificate from a foreign one before the
handshake is over, and lets the switch of the service choose. asyncio would cost 256 KiB a connection.
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

from engine.emulator.authority import Standing
from engine.emulator.broker import Action, Close, Send
from engine.emulator.mqtt import Decoder, encode
from engine.emulator.packet import Publish
from engine.emulator.service import Service
from engine.emulator.timers import Timers
from engine.errors import RemoteProtocolError
from engine.protocol.issuing import Issuer

HANDSHAKE_WITHIN_S = 30.0
MAX_UNSENT_BYTES = 4 * 1024 * 1024
"""A peer that lets more than this pile up is cut off."""

_ACCEPTS = 64
_EVENTS = 512
_RECORD_BYTES = 16384
_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS of openssl/ssl.h: 34 KiB less for an idle connection
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED of openssl/x509_vfy.h


def make_context(service: Service, server: Issuer, issuer: Issuer) -> SSL.Context:
    """TLS 1.2 or later with a client certificate if the client has one, which the issuer must have signed.

    The issuer is trusted by itself: going on to its root would cost a second P-384 signature at every handshake.
    Source: document "TLS support in IoT Hub"; optional because tokens and certificates share the port.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(_RELEASE_BUFFERS)
    context.use_certificate(server.certificate)
    context.use_privatekey(server.key)
    if (store := context.get_cert_store()) is not None:
        store.add_cert(crypto.X509.from_cryptography(issuer.certificate))
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)

    def verify(_tls: SSL.Connection, _certificate: crypto.X509, error: int, _depth: int, ok: int) -> bool:
        is_late = error in (_NOT_YET_VALID, _EXPIRED)
        return bool(ok) or not service.refuses(Standing.EXPIRED if is_late else Standing.FOREIGN)

    context.set_verify(SSL.VERIFY_PEER, verify)
    return context


@dataclass(slots=True, eq=False)
class _Link:
    """One TCP connection. messages counts the publishes in unsent."""

    conn: int
    sock: socket.socket
    tls: SSL.Connection
    decoder: Decoder = field(default_factory=Decoder)
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
        self._handshakes: Timers[int] = Timers()
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
            for conn in self._handshakes.pop(now):
                if (late := self._links.get(conn)) is not None and not late.is_shaken:
                    self._fail(late, "timeout")
        return True

    def _wait_s(self) -> float:
        dues = [due for due in (self._service.next_due(), self._handshakes.next_due) if due is not None]
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
            self._handshakes.add(self.now() + HANDSHAKE_WITHIN_S, link.conn)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

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
            return self._fail(link, _reason(error))
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
                packets = link.decoder.feed(data)
                now = self.now()
                for packet in packets:
                    self._do(self._service.receive(link.conn, packet, now))
        except SSL.WantReadError:
            pass
        except (SSL.Error, OSError, RemoteProtocolError):
            self._service.closed(link.conn)
            self._end(link)

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
                    link.unsent += encode(packet)
                    link.messages += is_message
                    written[link.conn] = link
                case Close() if link is not None:
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


def _reason(error: Exception) -> str:
    """What OpenSSL calls the failure, or "closed"."""
    reasons = error.args[0] if error.args else None
    if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError | OSError) or not reasons:
        return "closed"
    return str(reasons[-1][-1]) if isinstance(reasons, list) else "closed"


def _raise_descriptor_limit() -> None:
    """As many descriptors as the system lets us have: one per connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
