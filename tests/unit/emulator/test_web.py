"""HTTP on one connection, with h11's client as the other end where the bytes do not matter."""

from dataclasses import dataclass, field

import h11
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto import events as ws

from engine.emulator.mqtt import encode
from engine.emulator.packet import Pingreq, Pingresp
from engine.emulator.web import MAX_BODY_BYTES, MAX_IGNORED_BYTES, WebConnection, is_http
from engine.emulator.websocket import Heard
from engine.protocol.http import Request, Response
from engine.protocol.mqtt import WEBSOCKET_PATH


@dataclass
class Rig:
    """A connection, what it asked for, and what it answers."""

    requests: list[Request] = field(default_factory=list)
    joined: int = 0
    response: Response = Response(200, (("a", "b"),), b"hello")

    def __post_init__(self) -> None:
        self.web = WebConnection(self.answer, self.join)

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        return self.response

    def join(self) -> None:
        self.joined += 1

    def feed(self, data: bytes, size: int = 10_000) -> Heard:
        """All that came of the bytes, in pieces."""
        heard = Heard()
        for at in range(0, len(data), size):
            one = self.web.feed(data[at : at + size])
            heard.answer += one.answer
            heard.packets += one.packets
            heard.is_over = one.is_over
        return heard


def get(path: str = "/", *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost:8883", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def answers(data: bytes | bytearray, methods: list[str] | None = None) -> list[tuple[int, bytes]]:
    """Status and body of every response in the bytes, as a client reads them."""
    found, rest = [], bytes(data)
    for method in methods or ["GET"] * 10:
        if not rest:
            break
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
        client.send(h11.EndOfMessage())
        client.receive_data(rest)
        status, body = 0, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert isinstance(event, h11.InformationalResponse), event
        found.append((status, body))
        rest = client.trailing_data[0]
    return found


def statuses(data: bytes | bytearray) -> list[int]:
    return [status for status, _ in answers(data)]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_requests_are_answered_in_turn(size: int) -> None:
    """Several on one connection, in pieces of any size, with bodies of a length or in chunks."""
    rig = Rig()
    chunked = get("/b?c=d", "Transfer-Encoding: chunked", method="PUT") + b"2\r\nxy\r\n1;e\r\nz\r\n0\r\n\r\n"
    heard = rig.feed(get("/a") + chunked + get("/e", "Content-Length: 3", method="PATCH") + b"uvw", size)
    assert answers(heard.answer) == [(200, b"hello")] * 3
    assert [(r.method, r.url, r.body) for r in rig.requests] == [
        ("GET", "https://localhost:8883/a", b""),
        ("PUT", "https://localhost:8883/b?c=d", b"xyz"),
        ("PATCH", "https://localhost:8883/e", b"uvw"),
    ]
    assert not heard.is_over


def test_headers_go_both_ways() -> None:
    """Names in lower case, values as they are."""
    rig = Rig()
    heard = rig.feed(get("/", "Authorization: Bearer \xe9", "X-Two:  a b "))
    assert (rig.requests[0].header("authorization"), rig.requests[0].header("x-two")) == ("Bearer \xe9", "a b")
    assert b"a: b\r\n" in heard.answer
    assert b"content-length: 5\r\n" in heard.answer


@pytest.mark.parametrize(
    "data", [get("/", "Connection: close"), get(version="1.0"), b"GET / HTTP/1.0\r\n\r\n"], ids=["close", "1.0", "bare"]
)
def test_a_client_may_ask_for_the_end(data: bytes) -> None:
    """The answer comes first."""
    heard = Rig().feed(data)
    assert answers(heard.answer) == [(200, b"hello")]
    assert heard.is_over


def test_some_answers_have_no_body() -> None:
    """204 has none and says no length; HEAD is told the length of what it did not ask for."""
    rig = Rig(response=Response(204, (), b"ignored"))
    heard = rig.feed(get())
    assert answers(heard.answer) == [(204, b"")]
    assert b"content-length" not in heard.answer
    rig = Rig()
    heard = rig.feed(get(method="HEAD"))
    assert answers(heard.answer, ["HEAD"]) == [(200, b"")]
    assert b"content-length: 5\r\n" in heard.answer
    assert answers(rig.feed(get()).answer) == [(200, b"hello")]


@pytest.mark.parametrize("chunked", [True, False])
def test_bodies_have_a_bound(chunked: bool) -> None:
    """The longest is taken; one byte more is read, answered with 413, and the connection ends."""
    for size, expected in ((MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)):
        rig, body = Rig(), bytes(size)
        if chunked:
            data = get("/", "Transfer-Encoding: chunked", method="PUT") + b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
        else:
            data = get("/", f"Content-Length: {size}", method="PUT") + body
        heard = rig.feed(data)
        assert statuses(heard.answer) == [expected]
        assert heard.is_over is (expected == 413)
        assert [request.body for request in rig.requests] == ([body] if expected == 200 else [])


def test_a_body_without_end_is_not_read_for_ever() -> None:
    """After some megabytes the 413 comes, whether it is read or not."""
    rig = Rig()
    rig.feed(get("/", "Content-Length: 1000000000", method="PUT"))
    chunk = bytes(MAX_IGNORED_BYTES // 8)
    heard = [rig.web.feed(chunk) for _ in range(9)]
    assert [one.is_over for one in heard] == [False] * 8 + [True]
    assert statuses(heard[-1].answer) == [413]


def test_a_client_that_waits_is_told_to_go_on_or_not_to() -> None:
    """100 for a body that will be taken, 413 at once for one that will not."""
    rig = Rig()
    go_on = rig.feed(get("/", "Expect: 100-continue", "Content-Length: 2", method="PUT"))
    assert go_on.answer.startswith(b"HTTP/1.1 100 ")
    assert statuses(rig.feed(b"xy").answer) == [200]
    size = MAX_BODY_BYTES + 1
    refused = Rig().feed(get("/", "Expect: 100-continue", f"Content-Length: {size}", method="PUT"))
    assert (statuses(refused.answer), refused.is_over) == ([413], True)


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        get("/", "Host: twice"),
        get("/", "Content-Length: x"),
        get("/", "no colon"),
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        get() + b"\x00\x00\r\n\r\n",
    ],
)
def test_garbage_is_a_bad_request_and_the_end(data: bytes) -> None:
    """400, behind whatever was answered before."""
    heard = Rig().feed(data)
    assert statuses(heard.answer)[-1] == 400
    assert heard.is_over


def test_a_head_has_a_bound() -> None:
    """431, and the end."""
    heard = Rig().feed(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)
    assert (statuses(heard.answer), heard.is_over) == ([431], True)


def test_a_broken_body_is_the_end() -> None:
    """A chunk of no length is told, because nothing has been answered yet."""
    heard = Rig().feed(get("/", "Transfer-Encoding: chunked", method="PUT") + b"zz\r\n")
    assert (statuses(heard.answer), heard.is_over) == ([400], True)


@pytest.mark.parametrize(
    "data",
    [
        get("*", method="OPTIONS"),
        get("localhost:1", method="CONNECT"),
        get("http://localhost/"),
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
    ],
)
def test_other_targets_and_hosts_are_bad_requests(data: bytes) -> None:
    """400, and the connection goes on: they are HTTP."""
    rig = Rig()
    heard = rig.feed(data)
    assert (statuses(heard.answer), heard.is_over, rig.requests) == ([400], False, [])
    assert statuses(rig.feed(get()).answer) == [200]


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_connection_becomes_a_websocket(size: int) -> None:
    """After a request or without, and what comes behind the handshake is MQTT in frames."""
    rig, client = Rig(), WSConnection(ConnectionType.CLIENT)
    assert statuses(rig.feed(get()).answer) == [200]
    asked = client.send(ws.Request(host="localhost", target=WEBSOCKET_PATH, subprotocols=["mqtt"]))
    assert (rig.web.is_websocket, rig.web.frame(b"x"), rig.web.close()) == (False, b"", b"")
    greeting = rig.feed(asked, size)
    client.receive_data(bytes(greeting.answer))
    assert isinstance(next(client.events()), ws.AcceptConnection)
    assert (rig.web.is_websocket, rig.joined) == (True, 1)
    assert rig.feed(client.send(ws.BytesMessage(data=encode(Pingreq()))), size).packets == [Pingreq()]
    client.receive_data(rig.web.frame(encode(Pingresp())) + rig.web.close())
    message, close = client.events()
    assert isinstance(message, ws.BytesMessage)
    assert isinstance(close, ws.CloseConnection)
    assert len(rig.requests) == 1


def test_frames_may_come_with_the_handshake() -> None:
    """A client that does not wait loses nothing."""
    rig, client = Rig(), WSConnection(ConnectionType.CLIENT)
    asked = client.send(ws.Request(host="localhost", target=WEBSOCKET_PATH, subprotocols=["mqtt"]))
    frames = b"\x82\x82\x00\x00\x00\x00\xc0\x00" + b"\x88\x80\x00\x00\x00\x00"  # PINGREQ, and a close
    heard = rig.feed(asked + frames)
    assert (heard.packets, heard.is_over) == ([Pingreq()], True)
    assert heard.answer.startswith(b"HTTP/1.1 101 ")


def test_other_websockets_are_bad_requests() -> None:
    """Another sub-protocol is told so, and HTTP goes on; another path is a request like any other."""
    rig, client = Rig(), WSConnection(ConnectionType.CLIENT)
    heard = rig.feed(client.send(ws.Request(host="localhost", target=WEBSOCKET_PATH, subprotocols=["amqp"])))
    assert (statuses(heard.answer), heard.is_over, rig.joined) == ([400], False, 0)
    client = WSConnection(ConnectionType.CLIENT)
    heard = rig.feed(client.send(ws.Request(host="localhost", target="/other", subprotocols=["mqtt"])))
    assert (statuses(heard.answer), len(rig.requests)) == ([200], 1)
    assert statuses(rig.feed(get(WEBSOCKET_PATH)).answer) == [200]
    assert statuses(rig.feed(get(WEBSOCKET_PATH, "Upgrade: websocket", method="PUT")).answer) == [200]


def test_the_first_byte_tells() -> None:
    """Methods are upper-case letters; MQTT begins with 0x10."""
    assert all(is_http(ord(letter)) for letter in "GPDHOCTZA")
    assert not any(is_http(first) for first in (0x10, 0x00, 0x16, ord("g"), ord("["), ord("@")))
