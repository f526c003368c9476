"""One attempt to reach a server: TCP, then TLS, then the name on the certificate. No paho, no MQTT.

Nothing happens until `start`. Whoever owns the loop waits for what `advance` says and calls it again; 0 means that
`stream` is ready. Key and certificate are read before the clock of the dial starts: they are our work, not the
network's.
"""

import errno
import itertools
import select
import socket
from collections.abc import Iterator, Sequence

from OpenSSL import SSL

from engine.adapters.net.hosts import Address, Hosts
from engine.adapters.net.stream import TlsStream
from engine.adapters.net.tls import UNUSABLE, Trust, handshake_failure
from engine.errors import Failure, Outcome
from engine.ports import Clock
from engine.protocol.mqtt import Connect


class Network:
    """What all dials of a process share: names, roots, the clock and the addresses they leave from."""

    def __init__(self, clock: Clock, *, ca_file: str | None, source_addresses: Sequence[str]) -> None:
        self.clock = clock
        self.hosts = Hosts(clock)
        self.trust = Trust(ca_file)
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


class Dial:
    """A connection on its way up: no `socket` until it starts; `began_at`, `tcp_at` and `tls_at` mark its parts."""

    __slots__ = (
        "_addresses",
        "_connection",
        "_network",
        "began_at",
        "channel",
        "command",
        "mask",
        "socket",
        "tcp_at",
        "tls_at",
    )

    def __init__(self, channel: int, command: Connect, network: Network) -> None:
        self.channel, self.command = channel, command
        self._network = network
        self._addresses: list[Address] = []
        self._connection: SSL.Connection | None = None
        self.socket: socket.socket | None = None
        self.mask = 0
        self.began_at = self.tcp_at = self.tls_at = -1.0

    def start(self) -> int | Failure:
        """Dial the first address that is not refused on the spot: the event to wait for."""
        found = self._network.hosts.addresses(self.command.host, self.command.port)
        if isinstance(found, Failure):
            return found
        self._addresses = list(found)
        return self.start_next(Failure(Outcome.NETWORK, "EADDRNOTAVAIL", "the name has no address"))

    def start_next(self, last: Failure) -> int | Failure:
        """Dial the next address, if there is one left; last is why the one before was given up."""
        while self._addresses:
            wanted = self._connect(self._addresses.pop(0))
            if isinstance(wanted, int):
                return wanted
            last = wanted
        return last

    def advance(self) -> int | Failure:
        """Go on after an event: what to wait for next, 0 when the stream is ready."""
        if self.tcp_at < 0:
            assert self.socket is not None
            if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return _network_failure(code)
            self._addresses.clear()
            self.tcp_at = self._network.clock.now()
        return self._shake_hands()

    def stream(self) -> TlsStream:
        """The finished connection, as paho wants it."""
        assert self._connection is not None
        assert self.socket is not None
        return TlsStream(self._connection, self.socket)

    @property
    def has_more(self) -> bool:
        """True if another address can be tried; false once one has answered."""
        return bool(self._addresses)

    def _connect(self, address: Address) -> int | Failure:
        network, command = self._network, self.command
        try:
            self.socket = sock = network.socket_towards(address)
            self._connection = network.trust.connection(sock, command.host, command.identity)
        except OSError as error:
            return _network_failure(error.errno or 0)
        except UNUSABLE as error:
            self._drop()
            return Failure(Outcome.TLS, "credentials", f"the key or certificate is unusable: {type(error).__name__}")
        if self.began_at < 0:
            self.began_at = network.clock.now()
        code = sock.connect_ex(address[1])
        if code not in (0, errno.EINPROGRESS):
            self._drop()
            return _network_failure(code)
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
        refused = self._network.trust.check_name(connection, self.command.host)
        self.tls_at = self._network.clock.now()
        return 0 if refused is None else refused

    def _drop(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = self._connection = None


def _network_failure(code: int) -> Failure:
    name = errno.errorcode.get(code, f"errno {code}")
    return Failure(Outcome.NETWORK, name, "no TCP connection")
