"""MQTT inside a WebSocket, the server's end without sockets: bytes in, packets and bytes out.

A packet may begin and end anywhere in the frames; what is sent has one packet in each.
Source: MQTT 3.1.1 section 6 (binary frames, sub-protocol `mqtt`, a packet need not fit a frame); RFC 6455; article
"Communicate with an IoT hub using the MQTT protocol", "Using the MQTT protocol over WebSockets" (the path).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from engine.emulator.mqtt import Decoder
from engine.emulator.packet import Packet
from engine.errors import RemoteProtocolError
from engine.protocol.mqtt import WEBSOCKET_PATH, WEBSOCKET_PROTOCOL


@dataclass(slots=True)
class Heard:
    """What came of some bytes: bytes to answer at once, packets to act on, and whether the connection is to end."""

    answer: bytearray = field(default_factory=bytearray)
    packets: list[Packet] = field(default_factory=list)
    is_over: bool = False


def is_upgrade(target: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request asks for the WebSocket."""
    path = target.partition("?")[0]
    return path == WEBSOCKET_PATH and any(name == b"upgrade" for name, _ in headers)


class WebSocket:
    """One connection, from the request that asks for it on. greeting is the answer to the request.

    Raises RemoteProtocolError on a request that is no opening handshake, or one for another sub-protocol.
    """

    def __init__(self, target: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._decoder = Decoder()
        try:
            self._protocol.initiate_upgrade_connection(list(headers), target)
            requests = [event for event in self._protocol.events() if isinstance(event, Request)]
        except (ProtocolError, h11.ProtocolError, ValueError) as error:
            raise RemoteProtocolError("no opening handshake of a WebSocket") from error
        if not any(WEBSOCKET_PROTOCOL in request.subprotocols for request in requests):
            raise RemoteProtocolError(f"a WebSocket without the sub-protocol {WEBSOCKET_PROTOCOL}")
        self.greeting = self._protocol.send(AcceptConnection(subprotocol=WEBSOCKET_PROTOCOL))

    def feed(self, data: bytes) -> Heard:
        """What came of bytes of the open connection."""
        heard = Heard()
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                self._take(event, heard)
                if heard.is_over:
                    break
        except RemoteProtocolError:
            self._end(heard, CloseReason.PROTOCOL_ERROR)
        return heard

    def _take(self, event: Event, heard: Heard) -> None:
        match event:
            case BytesMessage():
                heard.packets += self._decoder.feed(bytes(event.data))
            case TextMessage():
                self._end(heard, CloseReason.UNSUPPORTED_DATA)
            case Ping():
                heard.answer += self._protocol.send(event.response())
            case CloseConnection():
                heard.answer += self._protocol.send(event.response())
                heard.is_over = True

    def _end(self, heard: Heard, reason: CloseReason) -> None:
        heard.answer += self.close(reason)
        heard.is_over = True

    def frame(self, data: bytes) -> bytes:
        """A packet's bytes as they go over the connection; none once it is closed."""
        return self._protocol.send(BytesMessage(data=data)) if self._is_open else b""

    def close(self, reason: CloseReason = CloseReason.NORMAL_CLOSURE) -> bytes:
        """The last bytes; none once it is closed."""
        return self._protocol.send(CloseConnection(code=reason)) if self._is_open else b""

    @property
    def _is_open(self) -> bool:
        return self._protocol.state is ConnectionState.OPEN
