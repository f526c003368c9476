"""The HTTP half of the wire in memory: one request at a time per channel, answered by the service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from doubles.clock import VirtualClock
from engine.emulator.service import Service
from engine.errors import Failure, LocalProtocolError, Outcome
from engine.protocol import http, mqtt, x509

TCP_S, TLS_S, HOP_S = 0.004, 0.008, 0.002
"""What a dial takes, and every packet in either direction."""


class Ground(Protocol):
    """The wire that the exchanges are part of: see Loopback."""

    service: Service
    clock: VirtualClock
    hosts: set[str]
    mutes: Callable[[int, http.Request], bool]
    pages: dict[str, http.Response]

    def after(self, for_s: float, act: Callable[[], None]) -> None:
        """Do something that much later."""

    def conn(self) -> int:
        """A number that no connection at the service had yet."""

    def wall(self) -> float:
        """The time as the service knows it."""

    def tell(self, channel: int, event: http.Event) -> None:
        """Something happened on a channel, now."""


@dataclass(slots=True, eq=False)
class _Exchange:
    """A request from its dial on."""

    channel: int
    request: http.Request


@dataclass(frozen=True, slots=True)
class _Kept:
    """An HTTP connection: where it goes, as whom, and the certificates its handshake brought."""

    origin: tuple[str, str, int, mqtt.Identity | None]
    chain: Sequence[bytes]


class Exchanges:
    """Requests by channel. One to where the channel's last one went saves the dial."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._open: dict[int, _Exchange] = {}
        self._kept: dict[int, _Kept] = {}

    def begin(self, channel: int, request: http.Request) -> None:
        """Send a request. Raises LocalProtocolError while another one is open."""
        if channel in self._open:
            raise LocalProtocolError(f"channel {channel} has a request open already")
        exchange = self._open[channel] = _Exchange(channel, request)
        kept = self._kept.get(channel)
        if kept is not None and kept.origin == _origin(request):
            self._ground.after(HOP_S, lambda: self._serve(exchange, kept.chain))
        else:
            self._kept.pop(channel, None)
            self._ground.after(TCP_S, lambda: self._reach(exchange))

    def abandon(self, channel: int) -> None:
        """Give the open request up, and its connection with it."""
        if self._open.pop(channel, None) is not None:
            self._kept.pop(channel, None)

    def clear(self) -> None:
        """Forget everything."""
        self._open.clear()
        self._kept.clear()

    def _reach(self, exchange: _Exchange) -> None:
        request = exchange.request
        if request.host not in self._ground.hosts:
            failure = Failure(Outcome.NETWORK, "EAI_NONAME", f"{request.host} does not resolve")
            self._end(exchange, http.Unanswered(self._ground.clock.now(), failure))
        elif self._open.get(exchange.channel) is exchange:
            self._ground.service.stats.add("dials")
            self._ground.after(TLS_S if request.scheme == "https" else 0.0, lambda: self._greet(exchange))

    def _greet(self, exchange: _Exchange) -> None:
        if self._open.get(exchange.channel) is not exchange:
            return
        request, service, conn = exchange.request, self._ground.service, self._ground.conn()
        identity = request.identity if request.scheme == "https" else None
        if identity is not None and not belongs_together(identity):
            self._refuse(exchange, "credentials", "the key or certificate is unusable")
        elif not service.open(conn, identity.chain if identity else (), self._ground.wall()):
            self._refuse(exchange, "alert 48", "the server ended the TLS session before HTTP began")
        else:
            kept = self._kept[exchange.channel] = _Kept(_origin(request), service.leave(conn))
            self._ground.after(HOP_S, lambda: self._serve(exchange, kept.chain))

    def _refuse(self, exchange: _Exchange, code: str, detail: str) -> None:
        self._end(exchange, http.Unanswered(self._ground.clock.now(), Failure(Outcome.TLS, code, detail)))

    def _serve(self, exchange: _Exchange, chain: Sequence[bytes]) -> None:
        """What was sent is carried out, also where nobody waits for the answer any more."""
        ground, request = self._ground, exchange.request
        response = ground.pages.get(request.url) or ground.service.call(chain, request, ground.wall())
        if not ground.mutes(exchange.channel, request):
            ground.after(HOP_S, lambda: self._end(exchange, http.Responded(ground.clock.now(), response)))

    def _end(self, exchange: _Exchange, event: http.Event) -> None:
        if self._open.get(exchange.channel) is exchange:
            del self._open[exchange.channel]
            self._ground.tell(exchange.channel, event)


def belongs_together(identity: mqtt.Identity) -> bool:
    """Whether TLS could use the key with the leaf at all."""
    try:
        unfit = x509.check_chain(identity.chain, x509.key_from_der(identity.key), 0.0)
    except LocalProtocolError:
        return False
    return unfit is None or unfit.code not in ("other-key", "unparsable", "no-chain")


def _origin(request: http.Request) -> tuple[str, str, int, mqtt.Identity | None]:
    return request.scheme, request.host, request.port, request.identity
