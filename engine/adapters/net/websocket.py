"""A WebSocket on a TLS stream, as paho wants it: the upgrade, then binary frames both ways.

Not open until the server has agreed: meanwhile a send waits and CONNECT stays with paho. The upgrade request and
whatever else is ours to say lie in one buffer, first come, first served, so that a frame begun is finished before
another. What paho sends becomes one frame, and counts as sent when that frame has left whole; until then paho is told
to try again with equal bytes, just as TLS does it. Only the latest ping is answered while others wait.

After the end (a close frame, or bytes that are no frames) what came before it is still handed out.
Source: RFC 6455; MQTT 3.1.1 section 6.
"""

import contextlib

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from engine.adapters.net.codec import AGENT, drop_frames, host_header
from engine.adapters.net.stream import HEAD_BYTES, TlsStream
from engine.adapters.net.tls import READ_BYTES
from engine.errors import Failure, Outcome
from engine.protocol.mqtt import WEBSOCKET_PATH, WEBSOCKET_PROTOCOL
from engine.protocol.status import outcome_of_status

MALFORMED = "malformed"
"""The code of an end by bytes that are no frames of binary data."""

NOT_A_WEBSOCKET = Failure(Outcome.PROTOCOL, "websocket", "the server did not answer the way a WebSocket does")


class WebSocketStream:
    """recv and send over frames, otherwise like the `TlsStream` underneath."""

    __slots__ = ("_at", "_ended", "_framed", "_frames", "_out", "_pong", "_read", "_tls", "head", "is_open", "refusal")

    def __init__(self, tls: TlsStream, host: str, port: int) -> None:
        """host and port are the server's, as the upgrade request names them."""
        self._tls = tls
        self._frames = WSConnection(ConnectionType.CLIENT)
        request = Request(
            host=host_header("https", host, port),
            target=WEBSOCKET_PATH,
            subprotocols=[WEBSOCKET_PROTOCOL],
            extra_headers=[(b"User-Agent", AGENT)],
        )
        self._out = bytearray(self._frames.send(request))
        self._framed = 0
        self._pong: Event | None = None
        self._read = b""
        self._at = 0
        self._ended = ""
        self.head = b""
        """The first bytes of MQTT that came."""
        self.is_open = False
        self.refusal: Failure | None = None
        """Why there is no WebSocket."""

    @property
    def ended(self) -> str:
        """The code of what ended the connection, "" while it lives."""
        return self._ended or self._tls.ended

    @property
    def has_sent(self) -> bool:
        """True if anything has left."""
        return self._tls.has_sent

    @property
    def read_wants_write(self) -> bool:
        """True if something of our own waits for room, which a read takes care of."""
        return self._tls.read_wants_write or (bool(self._out) and not self._tls.write_wants_read)

    @property
    def write_wants_read(self) -> bool:
        """True if no write gets through before something was read."""
        return not self.is_open or self._tls.write_wants_read

    def recv(self, size: int) -> bytes:
        """At least one byte, b"" at the end. Raises BlockingIOError when there is none yet, and ConnectionError."""
        if self._at == len(self._read):
            self._at, self._read = 0, self._receive()
        piece = self._read[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def send(self, data: bytes | bytearray) -> int:
        """The length of data once it has left. Raises BlockingIOError before that, and ConnectionError."""
        if not self.is_open or self._ended:
            self._flush()
            raise BlockingIOError
        if not self._framed:
            self._out += self._frames.send(BytesMessage(data))
            self._framed = len(data)
        if not self._flush():
            raise BlockingIOError
        sent, self._framed = self._framed, 0
        return sent

    def pending(self) -> bool:
        """True if there is something to read that no event of the descriptor will announce, the end included."""
        return self._at < len(self._read) or bool(self._ended) or self._tls.pending()

    def left_unread(self) -> bool:
        """True if the peer's last bytes lie in the kernel."""
        return self._tls.left_unread()

    def fileno(self) -> int:
        """The descriptor underneath."""
        return self._tls.fileno()

    def setblocking(self, _flag: bool) -> None:
        """Nothing: it never blocks."""

    def close(self) -> None:
        """Say goodbye if that takes no waiting; the descriptor is the loop's, which closes it."""
        if self.is_open and not self.ended and not self._out:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                self._tls.send(self._frames.send(CloseConnection(CloseReason.NORMAL_CLOSURE)))

    def _receive(self) -> bytes:
        if self._ended:
            return b""
        self._flush()
        if not (data := self._tls.recv(READ_BYTES)):
            return b""
        heard = self._hear(data)
        if self.refusal is not None:
            raise ConnectionError(self._ended)
        with contextlib.suppress(ConnectionError):  # told by the next call: what was heard comes first
            self._flush()
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + heard)[:HEAD_BYTES]
        if not heard and not self._ended:
            raise BlockingIOError
        return heard

    def _hear(self, data: bytes) -> bytes:
        heard = bytearray()
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                self._take(event, heard)
                if self._ended:
                    break
        except (RemoteProtocolError, ValueError) as error:  # a header that is not ASCII is a ValueError
            drop_frames(error)
            self._refuse(NOT_A_WEBSOCKET)
        return bytes(heard)

    def _take(self, event: Event, heard: bytearray) -> None:
        match event:
            case BytesMessage(data=data):
                heard += data
            case Ping():
                self._pong = event.response()
            case CloseConnection(code=code) if self._frames.state is ConnectionState.REMOTE_CLOSING:
                self._ended, self._pong = f"close {int(code)}", None
                self._out += self._frames.send(event.response())
            case CloseConnection() | TextMessage():
                self._ended = MALFORMED
            case AcceptConnection(subprotocol=protocol) if protocol == WEBSOCKET_PROTOCOL:
                self.is_open = True
            case AcceptConnection():
                self._refuse(NOT_A_WEBSOCKET)
            case RejectConnection(status_code=status) if status >= 200:  # wsproto counts 100 Continue as a refusal
                self._refuse(_refused(status))

    def _refuse(self, refusal: Failure) -> None:
        self.refusal, self._ended = refusal, refusal.code

    def _flush(self) -> bool:
        """Send what waits; true if nothing does any more. Raises ConnectionError."""
        while True:
            if not self._out:
                if self._pong is None:
                    return True
                self._out += self._frames.send(self._pong)
                self._pong = None
            try:
                sent = self._tls.send(self._out)
            except BlockingIOError:
                return False
            del self._out[:sent]


def _refused(status: int) -> Failure:
    outcome = Outcome.PROTOCOL if status < 400 else outcome_of_status(status)
    return Failure(outcome, f"http {status}", "the server refused the WebSocket")
