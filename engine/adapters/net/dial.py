"""One attempt to reach a server: TCP, then TLS, then the name on the certificate. No paho, no MQTT, no HTTP.

Nothing happens until `start`. Whoever drives the dial waits for what `advance` says and calls it again; 0 means that
`stream` is ready. Key and certificate are read before the clock of the dial starts: they are our work, not the
network's. Where a name has several addresses and none answers, the first one's refusal is told: it is the one that
was meant, and a machine without IPv6 refuses ::1 in words that mean something else for 127.0.0.1.
"""

import errno
import itertools
import select
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from OpenSSL import SSL

from engine.adapters.net.hosts import Address, Hosts
from engine.adapters.net.stream import PlainStream, TlsStream
from engine.adapters.net.tls import UNUSABLE, Trust, handshake_failure
from engine.errors import Failure, Outcome
from engine.ports import Clock
from engine.protocol.mqtt import Identity


class Network:
    """What all dials of a process share: names, roots, the clock and the addresses they leave from."""

    def __init__(self, clock: Clock, *, ca_file: str | None, newest_tls: str, source_addresses: Sequence[str]) -> None:
        self.clock = clock
        self.hosts = Hosts(clock)
        self.trust = Trust(ca_file, newest_tls)
        self._sources: Iterator[str] | None = itertools.cycle(source_addresses) if source_addresses else None

    def socket_towards(self, address: Address) -> socket.socket:
        """A non-blocking socket on the next source address. Raises OSError."""
        sock = socket.socket(address[0], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._sources is not None:
                # The port is picked at connect, so that one source address serves 28,000 ports to every server.
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind((next(self._sources), 0))
        except OSError:
            sock.close()
            raise
        return sock


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a connection leads and who it is for: what two connections must agree on to stand in for each other."""

    host: str
    port: int
    identity: Identity | None = None
    tls: bool = True


class Dial:
    """A connection on its way up: no `socket` until it starts; `began_at`, `tcp_at` and `tls_at` mark its parts.

    owner is who is told how it ended; None once nobody wants to know.
    """

    __slots__ = (
        "_addresses",
        "_connection",
        "_network",
        "_refused",
        "began_at",
        "endpoint",
        "mask",
        "owner",
        "socket",
        "tcp_at",
        "tls_at",
    )

    def __init__(self, endpoint: Endpoint, owner: object, network: Network) -> None:
        self.endpoint = endpoint
        self.owner: object | None = owner
        self._network = network
        self._addresses: list[Address] = []
        self._refused: Failure | None = None
        self._connection: SSL.Connection | None = None
        self.socket: socket.socket | None = None
        self.mask = 0
        self.began_at = self.tcp_at = self.tls_at = -1.0

    def start(self) -> int | Failure:
        """Dial the first address that is not refused on the spot: the event to wait for."""
        found = self._network.hosts.addresses(self.endpoint.host, self.endpoint.port)
        if isinstance(found, Failure):
            return found
        self._addresses = list(found)
        return self.start_next(Failure(Outcome.NETWORK, "EADDRNOTAVAIL", "the name has no address"))

    def start_next(self, refused: Failure) -> int | Failure:
        """Dial the next address, if there is one left; refused is why the one before was given up."""
        while self._addresses:
            wanted = self._connect(self._addresses.pop(0))
            if isinstance(wanted, int):
                return wanted
            refused = wanted
        return refused

    def advance(self) -> int | Failure:
        """Go on after an event: what to wait for next, 0 when the stream is ready."""
        if self.tcp_at < 0:
            assert self.socket is not None
            if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return self._refusal(code)
            self._addresses.clear()
            self.tcp_at = self.tls_at = self._network.clock.now()
        return self._shake_hands() if self._connection is not None else 0

    def stream(self) -> TlsStream | PlainStream:
        """The finished connection, as those who talk on it want it."""
        assert self.socket is not None
        if self._connection is None:
            return PlainStream(self.socket)
        return TlsStream(self._connection, self.socket)

    @property
    def has_more(self) -> bool:
        """True if another address can be tried; false once one has answered."""
        return bool(self._addresses)

    def _connect(self, address: Address) -> int | Failure:
        network, endpoint = self._network, self.endpoint
        try:
            self.socket = sock = network.socket_towards(address)
            if endpoint.tls:
                self._connection = network.trust.connection(sock, endpoint.host, endpoint.identity)
        except OSError as error:
            return self._refusal(error.errno or 0)
        except UNUSABLE as error:
            self._drop()
            return Failure(Outcome.TLS, "credentials", f"the key or certificate is unusable: {type(error).__name__}")
        if self.began_at < 0:
            self.began_at = network.clock.now()
        code = sock.connect_ex(address[1])
        if code not in (0, errno.EINPROGRESS):
            self._drop()
            return self._refusal(code)
        return select.EPOLLOUT

    def _shake_hands(self) -> int | Failure:
        connection = self._connection
        assert connection is not None
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            return select.EPOLLIN
        except SSL.WantWriteError:
            return select.EPOLLOUT
        except SSL.Error as error:
            return handshake_failure(connection, error)
        refused = self._network.trust.check_name(connection, self.endpoint.host)
        self.tls_at = self._network.clock.now()
        return 0 if refused is None else refused

    def _drop(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = self._connection = None

    def _refusal(self, code: int) -> Failure:
        if self._refused is None:
            name = errno.errorcode.get(code, f"errno {code}")
            self._refused = Failure(Outcome.NETWORK, name, "no TCP connection")
        return self._refused
