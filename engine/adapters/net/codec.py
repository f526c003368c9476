"""HTTP/1.1 between values and bytes: the client's side of h11, with our limits. No sockets.

One request at a time; another may follow on the same connection when `can_go_on` says so. Responses with a status
under 200 are passed over. A body ends where its length or its chunks say, or with the connection where neither is
given. Source: RFC 9110 (semantics), RFC 9112 (messages).
"""

import h11

from engine.errors import Failure, LocalProtocolError, Outcome
from engine.protocol import http

AGENT = b"certfleet"

WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
"""These have a Content-Length even when it is 0. Source: RFC 9110 section 8.6."""

HELLO = b"HTTP/1."
"""Every response begins with it. Source: RFC 9112 section 4; h11 would take any version."""

MALFORMED = Failure(Outcome.PROTOCOL, "malformed", "the server sent what HTTP/1.1 does not allow")
TOO_LONG = Failure(Outcome.PROTOCOL, "too-long", f"the response is longer than {http.MAX_BODY_BYTES} bytes")
ENDED = Failure(Outcome.DISCONNECTED, "EOF", "the connection ended before the response did")


def head_of(request: http.Request) -> h11.Request:
    """The request line and the headers. Raises LocalProtocolError on what HTTP does not allow.

    The error quotes nothing and has no cause: a header may hold a token.
    """
    try:
        if request.scheme in http.PORTS and request.host:
            return h11.Request(method=request.method, target=request.target, headers=_headers(request))
    except (h11.LocalProtocolError, ValueError):  # ValueError: a port that is none, or text that is not ASCII
        pass
    raise LocalProtocolError("a request that HTTP does not allow")


def host_header(scheme: str, host: str, port: int) -> str:
    """The value of Host. Source: RFC 9110 section 7.2."""
    name = f"[{host}]" if ":" in host else host
    return name if port == http.PORTS[scheme] else f"{name}:{port}"


def drop_frames(error: BaseException | None) -> None:
    """Break the cycle of an error of h11: its traceback holds a frame that holds the error, and the connection too."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


class Codec:
    """The messages of one connection."""

    __slots__ = ("_body", "_head", "_heard", "_machine")

    def __init__(self) -> None:
        self._machine = h11.Connection(h11.CLIENT)
        self._heard = b""
        self._head: h11.Response | None = None
        self._body = bytearray()

    @property
    def has_heard(self) -> bool:
        """True if a byte has come since the last request."""
        return bool(self._heard)

    @property
    def can_go_on(self) -> bool:
        """True if the exchange is over and both sides keep the connection."""
        machine = self._machine
        return machine.our_state is h11.DONE is machine.their_state and machine.trailing_data == (b"", False)

    def ask(self, head: h11.Request, body: bytes) -> bytes:
        """The bytes of a request."""
        if self._machine.our_state is h11.DONE:
            self._machine.start_next_cycle()
        self._heard, self._head = b"", None
        events: list[h11.Event] = [head, h11.Data(body), h11.EndOfMessage()] if body else [head, h11.EndOfMessage()]
        return b"".join(self._machine.send(event) or b"" for event in events)

    def hear(self, data: bytes) -> http.Response | Failure | None:
        """What comes of the exchange by these bytes, b"" for the end of the connection; None while more are due."""
        if len(self._heard) < len(HELLO):
            self._heard = (self._heard + data)[: len(HELLO)]
            if not HELLO.startswith(self._heard):
                return MALFORMED
        try:
            self._machine.receive_data(data)
            return self._next()
        except h11.RemoteProtocolError as error:
            drop_frames(error)
            return MALFORMED if data else ENDED

    def _next(self) -> http.Response | Failure | None:
        while True:
            event = self._machine.next_event()
            match event:
                case h11.Response():
                    self._head = event
                    if any(name == b"content-length" and _is_too_long(value) for name, value in event.headers):
                        return TOO_LONG
                case h11.Data(data=data):
                    self._body += data
                    if len(self._body) > http.MAX_BODY_BYTES:
                        return TOO_LONG
                case h11.EndOfMessage():
                    return self._response()
                case h11.InformationalResponse():
                    pass
                case _:
                    return None

    def _response(self) -> http.Response:
        assert self._head is not None
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._head.headers)
        body = bytes(self._body)
        self._body = bytearray()  # an idle connection holds no megabyte
        return http.Response(self._head.status_code, headers, body)


def _is_too_long(length: bytes) -> bool:
    return int(length) > http.MAX_BODY_BYTES


def _headers(request: http.Request) -> list[tuple[bytes, bytes]]:
    host = host_header(request.scheme, request.host, request.port)
    headers = [(b"Host", host.encode("ascii"))]
    if not request.header("user-agent"):
        headers.append((b"User-Agent", AGENT))
    headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers]
    if request.body or request.method in WITH_CONTENT:
        headers.append((b"Content-Length", b"%d" % len(request.body)))
    return headers
