"""MQTT 3.1.1, packets to bytes and back, written for the server's end and independent of the devices' library.

QoS 2 is not spoken: the services close a connection that tries. Decoding is strict: what the standard forbids is a
RemoteProtocolError, whatever the bytes. Both directions are here, so that packets can be read back in tests.
Source: OASIS standard "MQTT Version 3.1.1"; sections are named where they are used.
"""

import struct
from typing import assert_never

from engine.emulator.packet import (
    LEVEL,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from engine.errors import LocalProtocolError, RemoteProtocolError

MAX_BODY_BYTES = 300 * 1024
"""The largest packet that is read: telemetry of 256 KiB with a long topic. Source: article "IoT Hub quotas"."""

_CONNECT, _CONNACK, _PUBLISH, _PUBACK = 1, 2, 3, 4
_SUBSCRIBE, _SUBACK, _UNSUBSCRIBE, _UNSUBACK = 8, 9, 10, 11
_PINGREQ, _PINGRESP, _DISCONNECT = 12, 13, 14
_MAX_LENGTH_BYTES = 4


class Decoder:
    """Bytes in pieces of any size to packets."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are complete now. Raises RemoteProtocolError; the decoder is of no use then."""
        buffer = self._held + data if self._held else data
        packets: list[Packet] = []
        at = 0
        while (bounds := _frame(buffer, at)) is not None:
            begin, end = bounds
            packets.append(decode(buffer[at], buffer[begin:end]))
            at = end
        self._held = buffer[at:]
        return packets


def _frame(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends, None when it is not all there. Source: section 2.2.3."""
    size, shift = 0, 0
    for position in range(at + 1, min(len(buffer), at + 1 + _MAX_LENGTH_BYTES)):
        byte = buffer[position]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if size > MAX_BODY_BYTES:
                raise RemoteProtocolError(f"a packet of {size} bytes, at most {MAX_BODY_BYTES} are read")
            end = position + 1 + size
            return (position + 1, end) if end <= len(buffer) else None
    if len(buffer) - at > _MAX_LENGTH_BYTES:
        raise RemoteProtocolError("a length of more than four bytes")
    return None


class _Reader:
    """A packet's body, read from front to back."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def byte(self) -> int:
        return self.take(1)[0]

    def short(self) -> int:
        return int.from_bytes(self.take(2))

    def packet_id(self) -> int:
        """Source: section 2.3.1, never 0."""
        if not (packet_id := self.short()):
            raise RemoteProtocolError("packet identifier 0")
        return packet_id

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise RemoteProtocolError("a packet shorter than its fields")
        taken = self._body[self._at : end]
        self._at = end
        return taken

    def binary(self) -> bytes:
        return self.take(self.short())

    def text(self) -> str:
        """Source: section 1.5.3, well-formed UTF-8 without U+0000."""
        try:
            text = self.binary().decode("utf-8")
        except UnicodeDecodeError as error:
            raise RemoteProtocolError("a string that is not UTF-8") from error
        if "\0" in text:
            raise RemoteProtocolError("a string with U+0000")
        return text

    def rest(self) -> bytes:
        rest = self._body[self._at :]
        self._at = len(self._body)
        return rest

    @property
    def is_done(self) -> bool:
        return self._at == len(self._body)


def decode(first: int, body: bytes) -> Packet:
    """The packet with that first byte and that body. Raises RemoteProtocolError."""
    kind, flags = first >> 4, first & 0x0F
    reader = _Reader(body)
    if kind == _PUBLISH:
        return _read_publish(flags, reader)
    if flags != (2 if kind in (_SUBSCRIBE, _UNSUBSCRIBE) else 0):
        raise RemoteProtocolError(f"flags {flags} in a packet of type {kind}")
    packet = _read(kind, reader)
    if not reader.is_done:
        raise RemoteProtocolError(f"bytes left over in a packet of type {kind}")
    return packet


def _read(kind: int, reader: _Reader) -> Packet:
    match kind:
        case 1:  # CONNECT
            return _read_connect(reader)
        case 2:  # CONNACK
            return _read_connack(reader)
        case 4:  # PUBACK
            return Puback(reader.packet_id())
        case 8:  # SUBSCRIBE
            return _read_subscribe(reader)
        case 9:  # SUBACK
            return _read_suback(reader)
        case 10:  # UNSUBSCRIBE
            return _read_unsubscribe(reader)
        case 11:  # UNSUBACK
            return Unsuback(reader.packet_id())
        case 12:  # PINGREQ
            return Pingreq()
        case 13:  # PINGRESP
            return Pingresp()
        case 14:  # DISCONNECT
            return Disconnect()
        case _:
            raise RemoteProtocolError(f"packet type {kind}, which is reserved or belongs to QoS 2")


def _read_connect(reader: _Reader) -> Connect:
    """Source: section 3.1."""
    if reader.text() != "MQTT":
        raise RemoteProtocolError("CONNECT of another protocol")
    if (level := reader.byte()) != LEVEL:
        reader.rest()
        return Connect("", level=level)
    flags, keep_alive_s = reader.byte(), reader.short()
    has_name, has_password, has_will = flags & 0x80, flags & 0x40, flags & 0x04
    qos, retain = flags >> 3 & 3, bool(flags & 0x20)
    if flags & 1 or qos == 3 or (has_password and not has_name) or (not has_will and (qos or retain)):
        raise RemoteProtocolError(f"CONNECT flags {flags:#04x}")
    client_id = reader.text()
    if not client_id and not flags & 2:
        raise RemoteProtocolError("an empty client id without a clean session")
    will = Will(_topic_name(reader.text()), reader.binary(), qos, retain) if has_will else None
    username = reader.text() if has_name else ""
    password = reader.binary() if has_password else None
    return Connect(client_id, username, password, keep_alive_s, bool(flags & 2), will)


def _read_connack(reader: _Reader) -> Connack:
    """Source: section 3.2."""
    flags, return_code = reader.byte(), reader.byte()
    if flags > 1 or (flags and return_code):
        raise RemoteProtocolError(f"CONNACK flags {flags:#04x}")
    return Connack(return_code, bool(flags))


def _read_publish(flags: int, reader: _Reader) -> Publish:
    """Source: section 3.3."""
    qos = flags >> 1 & 3
    if qos == 3 or (flags & 8 and not qos):
        raise RemoteProtocolError(f"PUBLISH flags {flags:#03x}")
    topic = _topic_name(reader.text())
    packet_id = reader.packet_id() if qos else 0
    return Publish(topic, reader.rest(), qos, packet_id, bool(flags & 1), bool(flags & 8))


def _topic_name(text: str) -> str:
    """Source: section 4.7.1, wildcards are for filters; 4.7.3, at least one character."""
    if not text or "#" in text or "+" in text:
        raise RemoteProtocolError(f"topic name {text[:100]!r} is empty or has a wildcard")
    return text


def _read_subscribe(reader: _Reader) -> Subscribe:
    """Source: section 3.8."""
    packet_id = reader.packet_id()
    filters = []
    while not reader.is_done:
        topic, qos = reader.text(), reader.byte()
        if not topic or qos > 2:
            raise RemoteProtocolError("SUBSCRIBE with an empty filter or a QoS above 2")
        filters.append((topic, qos))
    if not filters:
        raise RemoteProtocolError("SUBSCRIBE without a filter")
    return Subscribe(packet_id, tuple(filters))


def _read_suback(reader: _Reader) -> Suback:
    """Source: section 3.9."""
    packet_id, granted = reader.packet_id(), tuple(reader.rest())
    if not granted or not all(code in (0, 1, 2, 0x80) for code in granted):
        raise RemoteProtocolError("SUBACK with no or other codes than 0, 1, 2 and 0x80")
    return Suback(packet_id, granted)


def _read_unsubscribe(reader: _Reader) -> Unsubscribe:
    """Source: section 3.10."""
    packet_id = reader.packet_id()
    filters = []
    while not reader.is_done:
        filters.append(reader.text())
    if not all(filters) or not filters:
        raise RemoteProtocolError("UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, tuple(filters))


def encode(packet: Packet) -> bytes:
    """The packet's bytes. Raises LocalProtocolError on what no packet can hold."""
    match packet:
        case Publish():
            flags = packet.dup << 3 | packet.qos << 1 | packet.retain
            packet_id = _short(packet.packet_id) if packet.qos else b""
            return _packet(_PUBLISH, _text(packet.topic) + packet_id + packet.payload, flags)
        case Puback():
            return _packet(_PUBACK, _short(packet.packet_id))
        case Connect():
            return _packet(_CONNECT, _connect_body(packet))
        case Connack():
            return _packet(_CONNACK, bytes((packet.session_present, packet.return_code)))
        case Subscribe():
            asked = b"".join(_text(topic) + bytes((qos,)) for topic, qos in packet.filters)
            return _packet(_SUBSCRIBE, _short(packet.packet_id) + asked, 2)
        case Suback():
            return _packet(_SUBACK, _short(packet.packet_id) + bytes(packet.granted))
        case Unsubscribe():
            return _packet(_UNSUBSCRIBE, _short(packet.packet_id) + b"".join(map(_text, packet.filters)), 2)
        case Unsuback():
            return _packet(_UNSUBACK, _short(packet.packet_id))
        case Pingreq():
            return _packet(_PINGREQ, b"")
        case Pingresp():
            return _packet(_PINGRESP, b"")
        case Disconnect():
            return _packet(_DISCONNECT, b"")
        case _:
            assert_never(packet)


def _connect_body(packet: Connect) -> bytes:
    flags = packet.clean_session << 1
    fields = _text(packet.client_id)
    if packet.will is not None:
        flags |= 0x04 | packet.will.qos << 3 | packet.will.retain << 5
        fields += _text(packet.will.topic) + _binary(packet.will.payload)
    if packet.username or packet.password is not None:
        flags |= 0x80
        fields += _text(packet.username)
    if packet.password is not None:
        flags |= 0x40
        fields += _binary(packet.password)
    return _text("MQTT") + bytes((packet.level, flags)) + _short(packet.keep_alive_s) + fields


def _packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    length = bytearray()
    size = len(body)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    if len(length) > _MAX_LENGTH_BYTES:
        raise LocalProtocolError(f"a packet of {len(body)} bytes")
    return bytes((kind << 4 | flags, *length)) + body


def _short(value: int) -> bytes:
    return struct.pack(">H", value)


def _binary(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise LocalProtocolError(f"a field of {len(value)} bytes, at most 65535 fit")
    return _short(len(value)) + value


def _text(value: str) -> bytes:
    return _binary(value.encode("utf-8"))
