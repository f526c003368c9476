"""How connections end."""

import select

import pytest
from integration.net.caller import BIG, CLOCK, PATIENCE_S
from OpenSSL import crypto

from doubles.tls_server import CONNECT, DISCONNECT, PINGREQ, PUBLISH, TlsServer, publish
from engine.errors import LocalProtocolError, Outcome
from engine.protocol.mqtt import (
    Disconnect,
    Disconnected,
    Publish,
)


def test_disconnect_says_goodbye(caller, server):
    """DISCONNECT reaches the server, the descriptor is free, and the channel can be used again."""
    caller.up(1, server.port)
    visit = server.visits.get(timeout=PATIENCE_S)
    caller.wire.send(1, Disconnect())
    event = caller.next(1, Disconnected)
    assert event.asked
    assert event.failure is None
    visit.next(DISCONNECT)
    assert caller.wire.open_connections == 0
    caller.up(1, server.port)


def test_disconnect_waits_for_what_is_still_to_be_written(caller, server):
    """Publishes before it arrive, then DISCONNECT, then it is over."""
    caller.up(1, server.port)
    visit = server.visits.get(timeout=PATIENCE_S)
    server.gate.clear()
    for _ in range(40):
        caller.wire.send(1, Publish("t", bytes(BIG), qos=0))
    caller.wire.send(1, Disconnect())
    caller.wire.send(1, Disconnect())
    with pytest.raises(LocalProtocolError):
        caller.connect(1, server.port)
    server.gate.set()
    assert caller.next(1, Disconnected).asked
    kinds = [visit.packets.get(timeout=PATIENCE_S)[0] for _ in range(42)]
    assert kinds == [CONNECT, *[PUBLISH] * 40, DISCONNECT]


def test_disconnect_does_not_wait_for_ever(caller, server):
    """A peer that does not read is left after a while."""
    caller.up(1, server.port)
    server.gate.clear()
    for _ in range(60):
        caller.wire.send(1, Publish("t", bytes(BIG), qos=0))
    caller.wire.send(1, Disconnect())
    assert caller.next(1, Disconnected).asked
    assert caller.wire.open_connections == 0


@pytest.mark.parametrize(("topic", "codes"), [("close", {"EOF"}), ("reset", {"ECONNRESET", "EPIPE"})])
def test_drop_in_mid_session_is_disconnected(caller, server, topic, codes):
    """An end that nobody asked for is told, with what the system said."""
    caller.up(1, server.port)
    caller.wire.send(1, Publish(topic, b""))
    outcome, code = caller.failure(1)
    assert outcome is Outcome.DISCONNECTED
    assert code in codes
    assert caller.wire.open_connections == 0


def use_until_it_breaks(stream, part):
    """Read or write until the peer's reset comes."""
    while True:
        select.select([stream], [], [], PATIENCE_S)
        if part == "write":
            stream.send(b"x")
        else:
            stream.recv(1)


@pytest.mark.parametrize("part", ["read", "write"])
def test_reset_of_one_connection_is_not_taken_for_an_error_of_another(caller, server, part):
    """OpenSSL's errors are kept by thread: what one connection left there must not end the next one."""
    for channel in (1, 2):
        caller.up(channel, server.port)
    broken, whole = (caller.wire._channels[channel]._stream for channel in (1, 2))
    caller.wire.send(1, Publish("reset", b""))
    with pytest.raises(ConnectionError):
        use_until_it_breaks(broken, part)
    with pytest.raises(crypto.Error) as empty:
        crypto.load_certificate(crypto.FILETYPE_ASN1, b"")
    assert all(library != "system library" for library, _, _ in empty.value.args[0])
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            whole.recv(1)
    caller.publish_and_hear(2, "echo/a", b"x")


def test_message_before_connack_ends_the_connection(authority, caller, monkeypatch):
    """A server speaks first with CONNACK, or not at all."""
    with TlsServer(authority) as server:
        monkeypatch.setattr(server, "_answer", lambda sock, _head, _body: sock.sendall(publish(b"m", b"x")) is None)
        caller.connect(1, server.port)
        assert caller.failure(1) == (Outcome.DISCONNECTED, "malformed")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xf0\x00",
        b"\x32\x00",
        b"\x36\x05\x00\x01a\x00\x01",
        b"\x90\x03\x00\x01\x07",
        b"\x40\x01\x00",
        b"\x20\x02\x00\x00",
        publish(b"\xff\xfe", b"x"),
        b"\x30\xff\xff\xff\xff\xff",
    ],
)
def test_malformed_packets_end_the_connection(caller, server, garbage):
    """Whatever bytes come, the answer is an event."""
    caller.up(1, server.port)
    caller.wire.send(1, Publish("raw", garbage, qos=0))
    assert caller.failure(1) == (Outcome.DISCONNECTED, "malformed")
    assert caller.wire.open_connections == 0


@pytest.mark.parametrize("stray", [b"\x40\x02\x12\x34", b"\x90\x03\x12\x34\x01", b"\x90\x02\x12\x34", b"\xc0\x00"])
def test_stray_answers_are_harmless(caller, server, stray):
    """Acknowledgements of what we never sent change nothing."""
    caller.up(1, server.port)
    caller.wire.send(1, Publish("raw", stray, qos=0))
    caller.publish_and_hear(1, "echo/a", b"x")


def test_keep_alive_pings(caller, server):
    """An idle connection sends PINGREQ and lives."""
    caller.up(1, server.port, keep_alive_s=1)
    visit = server.visits.get(timeout=PATIENCE_S)
    while visit.packets.qsize() < 3:
        assert not caller.wire.wait(CLOCK.now() + 0.2)
    assert [visit.packets.get()[0] for _ in range(3)] == [CONNECT, PINGREQ, PINGREQ]


def test_dead_peer_is_noticed(authority, caller):
    """A ping without an answer is the end."""
    with TlsServer(authority, pings=False) as server:
        caller.up(1, server.port, keep_alive_s=1)
        assert caller.failure(1) == (Outcome.DISCONNECTED, "keep-alive")
