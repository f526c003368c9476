"""The codec: packets to bytes and back, in pieces of any size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.emulator import mqtt
from engine.emulator.mqtt import Decoder, encode
from engine.emulator.packet import (
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

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1, max_size=40)
FILTERS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
IDS = st.integers(1, 0xFFFF)
PAYLOADS = st.binary(max_size=300)
WILLS = st.builds(Will, TOPICS, PAYLOADS, st.integers(0, 2), st.booleans())
PUBLISHES = st.one_of(
    st.builds(Publish, TOPICS, PAYLOADS, st.just(0), st.just(0), st.booleans()),
    st.builds(Publish, TOPICS, PAYLOADS, st.integers(1, 2), IDS, st.booleans(), st.booleans()),
)
PACKETS: st.SearchStrategy[Packet] = st.one_of(
    st.builds(Connect, FILTERS, TEXTS, st.none() | PAYLOADS, st.integers(0, 0xFFFF), st.booleans(), st.none() | WILLS),
    st.builds(Connack, st.integers(0, 5)),
    st.just(Connack(0, session_present=True)),
    PUBLISHES,
    st.builds(Puback, IDS),
    st.builds(Subscribe, IDS, st.lists(st.tuples(FILTERS, st.integers(0, 2)), min_size=1, max_size=5).map(tuple)),
    st.builds(Suback, IDS, st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=5).map(tuple)),
    st.builds(Unsubscribe, IDS, st.lists(FILTERS, min_size=1, max_size=5).map(tuple)),
    st.builds(Unsuback, IDS),
    st.sampled_from([Pingreq(), Pingresp(), Disconnect()]),
)


@given(st.lists(PACKETS, max_size=5))
def test_packets_come_back(packets: list[Packet]) -> None:
    """What is written is what is read."""
    assert Decoder().feed(b"".join(map(encode, packets))) == packets


@given(st.lists(PACKETS, min_size=1, max_size=3), st.integers(1, 7))
def test_pieces_give_the_same_packets_as_all_at_once(packets: list[Packet], size: int) -> None:
    """Where the network cuts makes no difference."""
    data = b"".join(map(encode, packets))
    decoder = Decoder()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [packet for piece in pieces for packet in decoder.feed(piece)] == packets


@given(st.binary(max_size=64))
def test_any_bytes_are_packets_or_the_peers_mistake(data: bytes) -> None:
    """No bytes break the decoder in another way."""
    try:
        packets = Decoder().feed(data)
    except RemoteProtocolError:
        return
    assert Decoder().feed(b"".join(map(encode, packets))) == packets


def test_known_bytes_are_known_packets() -> None:
    """Bytes spelled out in the standard's terms, so that writer and reader cannot share a mistake."""
    connect = bytes.fromhex("10 15 0004 4d515454 04 c2 003c 0001 64 0001 75 0003 707764".replace(" ", ""))
    assert Decoder().feed(connect) == [Connect("d", "u", b"pwd", 60, True)]
    assert Decoder().feed(bytes.fromhex("32070001610005")) == []
    assert Decoder().feed(bytes.fromhex("320700016100056869")) == [Publish("a", b"hi", 1, 5)]
    assert Decoder().feed(bytes.fromhex("820600070001 6101".replace(" ", ""))) == [Subscribe(7, (("a", 1),))]
    assert encode(Connack(5)) == bytes.fromhex("20020005")
    assert encode(Suback(7, (1, 0x80))) == bytes.fromhex("900400070180")
    assert encode(Puback(5)) == bytes.fromhex("40020005")
    assert encode(Pingresp()) == bytes.fromhex("d000")


def test_another_protocol_level_is_a_connect_of_that_level() -> None:
    """MQTT 5 is told apart, so that it can be refused with a code."""
    packet = bytes.fromhex("10 0d 0004 4d515454 05 02 003c 00 0000".replace(" ", ""))
    assert Decoder().feed(packet) == [Connect("", level=5)]


@pytest.mark.parametrize(
    "data",
    [
        "0000",  # type 0
        "f000",  # type 15
        "50020001",  # PUBREC
        "c100",  # PINGREQ with flags
        "c00100",  # PINGREQ with a body
        "8006000700016101",  # SUBSCRIBE without its flags
        "82020007",  # SUBSCRIBE without a filter
        "820600070001610382",  # QoS 3 in SUBSCRIBE
        "82050007000001",  # an empty filter
        "82060000000161 01",  # packet id 0
        "a2020007",  # UNSUBSCRIBE without a filter
        "a20400070000",  # an empty filter in it
        "3605000161 0005",  # PUBLISH with QoS 3
        "3803000161",  # DUP at QoS 0
        "30020000",  # an empty topic
        "3003000123",  # a wildcard in a topic
        "300300 01ff",  # no UTF-8
        "3003000100",  # U+0000
        "30020005",  # shorter than its fields
        "20020200",  # CONNACK flags
        "20020105",  # session present and refused
        "90020007",  # SUBACK without codes
        "9003000703",  # SUBACK with QoS 3
        "100c00064d51497364700302003c",  # MQIsdp
        "100c 0004 4d515454 04 03 003c 0000",  # reserved CONNECT flag
        "100c 0004 4d515454 04 42 003c 0000",  # password without user name
        "100c 0004 4d515454 04 1a 003c 0000",  # will QoS without a will
        "100c 0004 4d515454 04 1e 003c 0000",  # will QoS 3
        "100c 0004 4d515454 04 00 003c 0000",  # empty client id, session kept
        "30ffffffff01",  # a length of five bytes
        "30ffffff7f",  # 256 MiB
    ],
)
def test_broken_packets_are_the_peers_mistake(data: str) -> None:
    """What the standard forbids is refused, with nothing else raised."""
    with pytest.raises(RemoteProtocolError):
        Decoder().feed(bytes.fromhex(data.replace(" ", "")))


def test_the_largest_telemetry_fits() -> None:
    """256 KiB and a long topic are read, and a little more is not."""
    packet = Publish("a" * 1000, b"x" * 256 * 1024)
    assert Decoder().feed(encode(packet)) == [packet]
    with pytest.raises(RemoteProtocolError):
        Decoder().feed(encode(Publish("a", b"x" * mqtt.MAX_BODY_BYTES)))


def test_what_no_packet_can_hold_is_our_mistake() -> None:
    """A string beyond two bytes of length, and a packet beyond four."""
    with pytest.raises(LocalProtocolError):
        encode(Publish("a" * 65536, b""))
    with pytest.raises(LocalProtocolError):
        encode(Publish("a", bytes(2**28)))
