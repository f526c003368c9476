"""MQTT inside a WebSocket, with wsproto's client as the other end."""

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request, TextMessage

from engine.emulator.mqtt import encode
from engine.emulator.packet import Packet, Pingreq, Pingresp, Publish
from engine.emulator.websocket import WebSocket, is_upgrade
from engine.errors import RemoteProtocolError
from engine.protocol.mqtt import WEBSOCKET_PATH

type Headers = list[tuple[bytes, bytes]]

HEADERS: Headers = [
    (b"host", b"localhost"),
    (b"upgrade", b"websocket"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-protocol", b"chat, mqtt"),
]
PACKETS: list[Packet] = [Pingreq(), Publish("devices/d/messages/events/", b"x" * 300, 1, 5), Pingreq()]


def made() -> tuple[WebSocket, WSConnection]:
    """Both ends of an open connection."""
    client = WSConnection(ConnectionType.CLIENT)
    asked = client.send(Request(host="localhost", target=WEBSOCKET_PATH, subprotocols=["mqtt"]))
    head, *lines = asked.decode().removesuffix("\r\n\r\n").split("\r\n")
    fields = [line.partition(": ") for line in lines]
    server = WebSocket(head.split()[1], [(name.lower().encode(), value.encode()) for name, _, value in fields])
    client.receive_data(server.greeting)
    (accepted,) = client.events()
    assert isinstance(accepted, AcceptConnection)
    assert accepted.subprotocol == "mqtt"
    return server, client


def told(client: WSConnection, data: bytes) -> list[Event]:
    """What the client reads in the server's bytes."""
    client.receive_data(data)
    return list(client.events())


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_packets_may_be_split_anywhere(size: int) -> None:
    """Frames of any size, messages of several frames, bytes in pieces: the packets are the same."""
    server, client = made()
    data = b"".join(map(encode, PACKETS))
    sent = bytearray()
    for number, at in enumerate(range(0, len(data), size)):
        sent += client.send(BytesMessage(data=data[at : at + size], message_finished=number % 3 == 2))
    heard = [server.feed(bytes(sent[at : at + 11])) for at in range(0, len(sent), 11)]
    assert [packet for one in heard for packet in one.packets] == PACKETS
    assert not any(one.is_over or one.answer for one in heard)


def test_what_is_sent_is_one_message_for_each_packet() -> None:
    """Binary, and whole."""
    server, client = made()
    events = told(client, server.frame(encode(Pingresp())) + server.frame(encode(PACKETS[1])))
    assert [bytes(event.data) for event in events if isinstance(event, BytesMessage)] == [
        encode(Pingresp()),
        encode(PACKETS[1]),
    ]


def test_pings_are_answered_between_the_frames_of_a_message() -> None:
    """With what they carried; a pong is nothing."""
    server, client = made()
    data = encode(Pingreq())
    first = client.send(BytesMessage(data=data[:1], message_finished=False))
    heard = server.feed(first + client.send(Ping(payload=b"hi")) + client.send(Pong()))
    assert [bytes(event.payload) for event in told(client, bytes(heard.answer)) if isinstance(event, Pong)] == [b"hi"]
    assert server.feed(client.send(BytesMessage(data=data[1:]))).packets == [Pingreq()]


def test_a_close_is_answered_and_ends_it() -> None:
    """With the same code, behind the packets that came before it; nothing is sent after that."""
    server, client = made()
    heard = server.feed(client.send(BytesMessage(data=encode(Pingreq()))) + client.send(CloseConnection(code=1001)))
    assert (heard.packets, heard.is_over) == ([Pingreq()], True)
    assert [event.code for event in told(client, bytes(heard.answer)) if isinstance(event, CloseConnection)] == [1001]
    assert (server.frame(b"x"), server.close()) == (b"", b"")


def test_the_server_says_when_it_closes() -> None:
    """A close frame with code 1000."""
    server, client = made()
    assert [event.code for event in told(client, server.close()) if isinstance(event, CloseConnection)] == [1000]


@pytest.mark.parametrize(
    ("event", "code"),
    [(TextMessage(data="x"), 1003), (BytesMessage(data=b"\x00\x00"), 1002), (BytesMessage(data=b"\xff" * 9), 1002)],
)
def test_what_is_no_mqtt_is_told_and_ended(event: Event, code: int) -> None:
    """Text has a code of its own; a packet that is none is an error of the protocol."""
    server, client = made()
    heard = server.feed(client.send(event) + client.send(BytesMessage(data=encode(Pingreq()))))
    assert (heard.packets, heard.is_over) == ([], True)
    assert [event.code for event in told(client, bytes(heard.answer)) if isinstance(event, CloseConnection)] == [code]


def test_frames_without_a_mask_end_it() -> None:
    """Source: RFC 6455 section 5.1."""
    server, client = made()
    heard = server.feed(b"\x82\x02\xc0\x00")
    assert heard.is_over
    assert [event.code for event in told(client, bytes(heard.answer)) if isinstance(event, CloseConnection)] == [1002]


def test_the_answer_is_the_standards() -> None:
    """The accept key of the example. Source: RFC 6455 section 1.3."""
    greeting = WebSocket(WEBSOCKET_PATH, HEADERS).greeting.lower()
    assert greeting.startswith(b"http/1.1 101 ")
    assert b"s3pplmbitxaq9kygzzhzrbk+xoo=" in greeting
    assert b"sec-websocket-protocol: mqtt\r\n" in greeting


def test_other_requests_are_no_handshake() -> None:
    """One header missing or different, whatever it holds."""
    for name in [header for header, _ in HEADERS]:
        with pytest.raises(RemoteProtocolError):
            WebSocket(WEBSOCKET_PATH, [(key, value) for key, value in HEADERS if key != name])
        for bad in (b"\xff", b"other"):
            if name not in (b"host", b"sec-websocket-key") or (bad == b"\xff" and name == b"host"):
                with pytest.raises(RemoteProtocolError):
                    WebSocket(WEBSOCKET_PATH, [(key, bad if key == name else value) for key, value in HEADERS])


def test_an_upgrade_is_for_one_path() -> None:
    """With any query, and with the header."""
    assert is_upgrade(WEBSOCKET_PATH, HEADERS)
    assert is_upgrade(f"{WEBSOCKET_PATH}?iothub-no-client-cert=true", HEADERS)
    assert not is_upgrade("/", HEADERS)
    assert not is_upgrade(WEBSOCKET_PATH, HEADERS[:1])
