"""One HTTP exchange as values: what a device asks of a server, and what comes back.

A `Request` goes to a `Wire` like an MQTT command; one is open per channel at a time. It is answered by Responded or
Unanswered, and by nothing once it was abandoned. `at` is seconds on the wire's clock.
Source: RFC 9110 (semantics), RFC 9112 (HTTP/1.1).
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engine.errors import Failure
from engine.protocol.mqtt import Identity

MAX_BODY_BYTES = 1024 * 1024
"""A longer response is a failure `protocol`: nothing that is asked for here comes near it."""

PORTS = {"http": 80, "https": 443}

type Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response; names of headers are lower case, in the order they came. A body may hold a key, so it is never
    shown."""

    status: int
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """The first value of a header, "" where there is none."""
        return next((value for held, value in self.headers if held == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Request:
    """Ask for a URL, http or https. Host and Content-Length are added by whoever sends it.

    identity is the client certificate of the TLS handshake. Headers may hold a token, so they are never shown.
    """

    method: str
    url: str
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    identity: Identity | None = None

    @property
    def scheme(self) -> str:
        """http or https."""
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """The host's name, without port."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port, the scheme's own where the URL names none."""
        return urlsplit(self.url).port or PORTS.get(self.scheme, 0)

    @property
    def target(self) -> str:
        """Path and query, as the request line has them."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def header(self, name: str) -> str:
        """The first value of a header, "" where there is none."""
        return next((value for held, value in self.headers if held.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Abandon:
    """Give the open request up; its answer, if it still comes, is thrown away. Harmless when nothing is open."""


type Command = Request | Abandon


@dataclass(frozen=True, slots=True)
class Responded:
    """The whole response came."""

    at: float
    response: Response


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No response will come. The failure's outcome is `network`, `tls`, `disconnected` or `protocol`."""

    at: float
    failure: Failure


type Event = Responded | Unanswered
