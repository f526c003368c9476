"""HTTP/1.1 on one connection, the server's end without sockets: bytes in, answers out, until it becomes a WebSocket.

Theory of operation. Requests are answered one after the other, as they become whole. A body that is too long is read to
its end, so that the client sees the 413 and not a broken connection, and the connection ends; so does one that brings
what is no HTTP, after a 400. A request for the WebSocket hands everything that follows to it.
Source: RFC 9112 (messages, section 9.6: closing loses what the peer did not read); RFC 9110 section 7.8 (Upgrade).
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import h11

from engine.emulator.websocket import Heard, WebSocket, is_upgrade
from engine.errors import RemoteProtocolError
from engine.protocol.http import Request, Response

MAX_BODY_BYTES = 256 * 1024
"""The longest body that is taken: nothing that is asked of the services comes near it."""

MAX_IGNORED_BYTES = 8 * 1024 * 1024
"""How much of a body that is too long is read before the connection ends anyway."""

_MAX_HEAD_BYTES = 32 * 1024
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)
_NO_BODY = {204, 304}

type Answer = Callable[[Request], Response]
type Joined = Callable[[], None]


def is_http(first: int) -> bool:
    """Whether a connection that begins with this byte is HTTP: an upper-case letter, where MQTT has 0x10."""
    return 0x41 <= first <= 0x5A


class WebConnection:
    """One connection; answer is asked for every request, joined is told before the first packet of a WebSocket."""

    def __init__(self, answer: Answer, joined: Joined) -> None:
        self._answer, self._joined = answer, joined
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._size = 0
        self._websocket: WebSocket | None = None

    @property
    def is_websocket(self) -> bool:
        """Whether it speaks MQTT by now."""
        return self._websocket is not None

    def frame(self, data: bytes) -> bytes:
        """An MQTT packet's bytes as they go over the connection."""
        return b"" if self._websocket is None else self._websocket.frame(data)

    def close(self) -> bytes:
        """The last bytes of a WebSocket."""
        return b"" if self._websocket is None else self._websocket.close()

    def feed(self, data: bytes) -> Heard:
        """What came of bytes."""
        if self._websocket is not None:
            return self._websocket.feed(data)
        heard = Heard()
        self._protocol.receive_data(data)
        try:
            while not heard.is_over and self._step(heard):
                pass
        except h11.RemoteProtocolError as error:
            self._refuse(heard, error.error_status_hint)
        return heard

    def _step(self, heard: Heard) -> bool:
        """Act on what comes next; False when nothing more can."""
        event = self._protocol.next_event()
        match event:
            case h11.Request():
                self._head, self._size = event, 0
                self._body.clear()
                return self._is_welcome(event, heard)
            case h11.Data():
                return self._collect(event.data, heard)
            case h11.EndOfMessage():
                return self._respond(heard)
            case _:
                return False

    def _is_welcome(self, head: h11.Request, heard: Heard) -> bool:
        """Tell a client that waits for it whether to send its body. Source: RFC 9110 section 10.1.1."""
        if not self._protocol.they_are_waiting_for_100_continue:
            return True
        declared = next((value for name, value in head.headers if name == b"content-length"), b"0")
        if int(declared) > MAX_BODY_BYTES:
            self._refuse(heard, 413)
            return False
        heard.answer += self._send(h11.InformationalResponse(status_code=100, headers=[]))
        return True

    def _collect(self, data: bytes | bytearray, heard: Heard) -> bool:
        self._size += len(data)
        if self._size <= MAX_BODY_BYTES:
            self._body += data
        elif self._size > MAX_IGNORED_BYTES:
            self._refuse(heard, 413)
        return not heard.is_over

    def _respond(self, heard: Heard) -> bool:
        """Answer the request that is whole; False when HTTP ends with it."""
        head = self._head
        if head is None or self._size > MAX_BODY_BYTES:
            self._refuse(heard, 413)
            return False
        target = head.target.decode("ascii")
        if head.method == b"GET" and is_upgrade(target, head.headers):
            return self._upgrade(head, target, heard)
        request = _request(head, target, bytes(self._body))
        response = self._answer(request) if request is not None else _plain(400)
        self._write(heard, response)
        return self._go_on(heard)

    def _upgrade(self, head: h11.Request, target: str, heard: Heard) -> bool:
        try:
            self._websocket = WebSocket(target, head.headers)
        except RemoteProtocolError:
            self._write(heard, _plain(400))
            return self._go_on(heard)
        heard.answer += self._websocket.greeting
        self._joined()
        if rest := self._protocol.trailing_data[0]:
            more = self._websocket.feed(rest)
            heard.answer += more.answer
            heard.packets, heard.is_over = more.packets, more.is_over
        return False

    def _go_on(self, heard: Heard) -> bool:
        if self._protocol.our_state is h11.MUST_CLOSE or self._protocol.their_state is h11.MUST_CLOSE:
            heard.is_over = True
            return False
        self._protocol.start_next_cycle()
        return True

    def _refuse(self, heard: Heard, status: int) -> None:
        """Say why, if that is still possible, and end the connection."""
        heard.is_over = True
        if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write(heard, _plain(status, ("connection", "close")))

    def _write(self, heard: Heard, response: Response) -> None:
        headers = list(response.headers)
        is_empty = response.status in _NO_BODY
        if not is_empty:
            headers.append(("content-length", str(len(response.body))))
        heard.answer += self._send(h11.Response(status_code=response.status, headers=headers))
        if response.body and not is_empty and (self._head is None or self._head.method != b"HEAD"):
            heard.answer += self._send(h11.Data(data=response.body))
        heard.answer += self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> bytes:
        return self._protocol.send(event) or b""


def _request(head: h11.Request, target: str, body: bytes) -> Request | None:
    """The request as a value, None when its host or its target is none of a server."""
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    host = next((value for name, value in headers if name == "host"), "localhost")
    url = f"https://{host}{target}"
    try:
        urlsplit(url)
    except ValueError:
        return None
    if not target.startswith("/") or not _HOST.fullmatch(host):
        return None
    return Request(head.method.decode("ascii"), url, headers, body)


def _plain(status: int, *headers: tuple[str, str]) -> Response:
    return Response(status, (("content-type", "text/plain"), *headers), f"{status}\n".encode())
