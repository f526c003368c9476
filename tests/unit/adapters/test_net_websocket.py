"""paho's bytes in WebSocket frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from engine.adapters.net.websocket import NOT_A_WEBSOCKET, WebSocketStream
from engine.errors import Outcome

BLOCKED = "blocked"


class Tls:
    """A TLS stream that takes room bytes, and hands out what it is fed."""

    read_wants_write = write_wants_read = False
    ended = ""

    def __init__(self):
        self.incoming, self.sent, self.room = [], bytearray(), 1_000_000

    @property
    def has_sent(self):
        return bool(self.sent)

    def recv(self, _size):
        if not self.incoming:
            raise BlockingIOError
        return self.incoming.pop(0)

    def send(self, data):
        if self.ended:
            raise ConnectionError(self.ended)
        taken = bytes(data[: self.room])
        if not taken:
            raise BlockingIOError
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def pending(self):
        return bool(self.incoming)

    def left_unread(self):
        return False


class Pair:
    """A stream, and the server it talks to."""

    def __init__(self, room=1_000_000):
        self.tls = Tls()
        self.tls.room = room
        self.stream = WebSocketStream(self.tls, "hub.test", 443)
        self.server = WSConnection(ConnectionType.SERVER)

    def told(self):
        """What the server has heard since."""
        data = bytes(self.tls.sent)
        self.tls.sent.clear()
        self.server.receive_data(data)
        return list(self.server.events())

    def say(self, *events, cut=None):
        """Let the server say something, in pieces of cut bytes."""
        self.feed(b"".join(self.server.send(event) for event in events), cut)

    def feed(self, data, cut=None):
        """Let bytes come."""
        size = cut or len(data)
        self.tls.incoming += [data[at : at + size] for at in range(0, len(data), size)]

    def heard(self):
        """What comes out of the stream until it blocks or ends: bytes, and how it ended."""
        data = b""
        while True:
            try:
                piece = self.stream.recv(3)
            except BlockingIOError:
                if self.tls.incoming:
                    continue
                return data, BLOCKED
            except ConnectionError as error:
                return data, str(error)
            if not piece:
                return data, self.stream.ended
            data += piece

    def knock(self):
        """Ask for the upgrade."""
        with pytest.raises(BlockingIOError):
            self.stream.send(b"connect")
        return self.told()


def opened():
    """A pair that is past the upgrade."""
    pair = Pair()
    pair.knock()
    pair.say(AcceptConnection(subprotocol="mqtt"))
    assert pair.heard() == (b"", BLOCKED)
    return pair


def test_upgrade_asks_for_mqtt_on_the_hubs_path():
    """Path without a query, host, sub-protocol; nothing of what paho wanted to send has left."""
    pair = Pair()
    assert pair.stream.write_wants_read
    (request,) = pair.knock()
    assert isinstance(request, Request)
    assert (request.target, request.host, request.subprotocols) == ("/$iothub/websocket", "hub.test", ["mqtt"])
    assert not request.extensions
    assert pair.stream.write_wants_read
    assert not pair.stream.read_wants_write


@pytest.mark.parametrize("cut", [None, 1, 7])
def test_upgrade_opens_however_it_is_cut(cut):
    """An early response is passed over; a message that follows at once is heard."""
    pair = Pair()
    pair.knock()
    pair.feed(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", cut)
    pair.say(AcceptConnection(subprotocol="mqtt"), BytesMessage(b"connack"), cut=cut)
    assert pair.heard() == (b"connack", BLOCKED)
    assert pair.stream.is_open
    assert pair.stream.head == b"conn"
    assert not pair.stream.write_wants_read


def test_upgrade_request_that_finds_no_room_is_finished_later():
    """It goes on with the next read, for which the loop is told to wait until there is room."""
    pair = Pair(room=10)
    with pytest.raises(BlockingIOError):
        pair.stream.send(b"connect")
    assert pair.stream.read_wants_write
    pair.tls.room = 1000
    assert pair.heard() == (b"", BLOCKED)
    assert not pair.stream.read_wants_write
    assert isinstance(pair.told()[0], Request)


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.PROTOCOL),
        (302, Outcome.PROTOCOL),
        (403, Outcome.UNAUTHORIZED),
        (404, Outcome.NOT_FOUND),
        (429, Outcome.THROTTLED),
        (503, Outcome.SERVER),
    ],
)
def test_refused_upgrade_has_the_outcome_of_its_status(status, outcome, cut):
    """The status is the code, whatever the body says."""
    pair = Pair()
    pair.knock()
    pair.say(RejectConnection(status_code=status, headers=[], has_body=True), RejectData(b"no"), cut=cut)
    assert pair.heard() == (b"", f"http {status}")
    assert (pair.stream.refusal.outcome, pair.stream.refusal.code) == (outcome, f"http {status}")
    assert not pair.stream.is_open


ACCEPT = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize(
    "answer",
    [
        b"\x20\x02\x00\x00",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        ACCEPT + b"\r\n",
        ACCEPT + b"Sec-WebSocket-Accept: bm8=\r\n\r\n",
        ACCEPT + b"Sec-WebSocket-Protocol: \xff\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_what_is_no_websocket_is_a_protocol_failure(answer, cut):
    """A server that answers something else is told apart from one that refuses."""
    pair = Pair()
    pair.knock()
    pair.feed(answer, cut)
    assert pair.heard() == (b"", "websocket")
    assert pair.stream.refusal == NOT_A_WEBSOCKET


def test_another_sub_protocol_is_no_websocket_of_ours():
    """The server must take mqtt up. Source: MQTT 3.1.1, MQTT-6.0.0-4."""
    pair = Pair()
    pair.knock()
    pair.say(AcceptConnection(subprotocol=None))
    assert pair.heard() == (b"", "websocket")
    assert not pair.stream.is_open


def test_end_before_the_upgrade_is_the_connections():
    """There is nothing to tell but that it ended."""
    pair = Pair()
    pair.knock()
    pair.tls.incoming.append(b"")
    assert pair.heard() == (b"", "")
    assert pair.stream.refusal is None


@pytest.mark.parametrize("size", [1, 125, 126, 70_000])
def test_what_is_sent_is_one_binary_frame(size):
    """One packet of MQTT is one message."""
    pair = opened()
    assert pair.stream.send(bytes(size)) == size
    (message,) = pair.told()
    assert (message.data, message.message_finished) == (bytes(size), True)


def test_frame_is_finished_before_the_next():
    """Until it has left whole, paho is told to try again; what it tries again is not sent twice."""
    pair = opened()
    pair.tls.room = 50
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            pair.stream.send(bytes(200))
        pair.tls.room = 50
    pair.tls.room = 1000
    assert pair.stream.send(bytes(200)) == 200
    assert pair.stream.send(b"next") == 4
    assert b"".join(event.data for event in pair.told()) == bytes(200) + b"next"


def test_ping_amid_a_frame_is_answered_after_it():
    """Only the last of several pings; bytes of the frame and of the answer never mix."""
    pair = opened()
    pair.tls.room = 50
    with pytest.raises(BlockingIOError):
        pair.stream.send(bytes(100))
    for n in range(9):
        pair.say(Ping(b"%d" % n))
    assert pair.heard() == (b"", BLOCKED)
    assert pair.stream.read_wants_write
    pair.tls.room = 1000
    assert pair.stream.send(bytes(100)) == 100
    *pieces, pong = pair.told()
    assert b"".join(piece.data for piece in pieces) == bytes(100)
    assert pong == Pong(b"8")


def test_ping_is_answered_at_once_where_there_is_room():
    """No write of paho's is needed for it."""
    pair = opened()
    pair.say(Ping(b"a"), BytesMessage(b"m"), Pong(b"never asked for"))
    assert pair.heard() == (b"m", BLOCKED)
    assert pair.told() == [Pong(b"a")]


@pytest.mark.parametrize("cut", [None, 1])
def test_close_is_answered_and_what_came_before_it_is_heard(cut):
    """The server's code is kept, and no event of the descriptor is needed to hear of the end."""
    pair = opened()
    pair.say(BytesMessage(b"last words"), Ping(), CloseConnection(1001, "away"), cut=cut)
    assert pair.heard() == (b"last words", "close 1001")
    assert pair.stream.pending()
    assert CloseConnection(1001, "away") in pair.told()
    with pytest.raises(BlockingIOError):
        pair.stream.send(b"x")


def test_answer_to_close_that_cannot_leave_does_not_hide_what_was_heard():
    """The peer may be gone already."""
    pair = opened()
    pair.say(BytesMessage(b"last words"), CloseConnection(1000))
    pair.tls.ended = "EPIPE"
    assert pair.heard() == (b"last words", "close 1000")


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize(
    "garbage", [b"\xff\xff", b"\x83\x00", b"\x82\x81abcdx", b"\xc2\x01a", b"\x88\x01a", b"\x81\x01a"]
)
def test_bytes_that_are_no_binary_frames_end_the_connection(garbage, cut):
    """What came before them is heard."""
    pair = opened()
    pair.say(BytesMessage(b"good"), cut=cut)
    pair.feed(garbage, cut)
    assert pair.heard() == (b"good", "malformed")
    assert pair.stream.refusal is None


def test_text_ends_the_connection():
    """MQTT is binary. Source: MQTT 3.1.1, MQTT-6.0.0-1."""
    pair = opened()
    pair.say(TextMessage("a"))
    assert pair.heard() == (b"", "malformed")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 40))
def test_messages_come_out_as_one_stream(messages, cut):
    """However they are framed, fragmented and cut, the bytes are the same."""
    pair = opened()
    for message in messages:
        half = len(message) // 2
        pair.say(BytesMessage(message[:half], message_finished=False), BytesMessage(message[half:]), cut=cut)
    assert pair.heard() == (b"".join(messages), BLOCKED)


@given(st.binary(), st.integers(1, 9))
def test_any_bytes_after_the_upgrade_are_heard_the_same_in_pieces(data, cut):
    """No exception but the documented ones, and the cut changes nothing."""
    ends = []
    for size in (None, cut):
        pair = opened()
        if data:
            pair.feed(data, size)
        ends.append(pair.heard())
    assert ends[0] == ends[1]


@given(st.binary(max_size=60), st.sampled_from([b"", b"HTTP/1.1 101 \r\n", ACCEPT, b"HTTP/1.1 403 No\r\n"]))
def test_any_answer_to_the_upgrade_is_a_refusal_or_nothing_yet(data, start):
    """Nobody who does not know the key gets through."""
    pair = Pair()
    pair.knock()
    if start + data:
        pair.feed(start + data)
    heard, end = pair.heard()
    assert not heard
    assert (end == BLOCKED) == (pair.stream.refusal is None)
    assert not pair.stream.is_open


def test_goodbye_is_said_where_it_takes_no_waiting():
    """After paho's last packet the server hears a close; a broken connection and one with no room are left alone."""
    pair = opened()
    pair.stream.close()
    assert pair.told() == [CloseConnection(1000, "")]
    for broken in (Pair(), opened(), opened()):
        broken.tls.sent.clear()
        broken.tls.room = 0
        broken.stream.close()
        broken.tls.ended = "EPIPE"
        broken.stream.close()
        assert not broken.tls.sent
