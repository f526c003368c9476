"""What goes over a connection that is up."""

import os
import select
import ssl

import pytest
from integration.net.caller import BIG, CLOCK, PATIENCE_S

from doubles.tls_server import CONNECT, SUBACK, SUBSCRIBE, TlsServer, packet, publish
from engine.errors import LocalProtocolError
from engine.protocol.mqtt import (
    Connected,
    Publish,
    Published,
    Received,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)


def test_client_certificates_of_interleaved_identities_are_presented(authority, caller):
    """Each connection shows its own certificate, however they overlap."""
    with TlsServer(authority, trusted=authority) as server:
        names = [f"device-{n}" for n in range(6)]
        for channel, name in enumerate(names):
            caller.connect(channel, server.port, client_id=name, identity=authority.identity(name))
        for channel in range(6):
            caller.next(channel, Connected)
        seen = {}
        for _ in names:
            visit = server.visits.get(timeout=PATIENCE_S)
            seen[visit.common_name] = visit.next(CONNECT)
        assert sorted(seen) == names
        assert all(body.find(name.encode()) > 0 for name, body in seen.items())
        caller.wire.close()


def test_intermediate_that_cryptography_refuses_is_sent_all_the_same(authority, caller):
    """BER where DER is due, as some live authorities write it, does not stop a connection."""
    good = authority.identity("device-1")
    issuer = good.chain[1]
    quirk = issuer.replace(bytes.fromhex("0101ff"), bytes.fromhex("010101"))  # BOOLEAN TRUE that is not 0xff
    assert quirk != issuer
    with TlsServer(authority, trusted=authority) as server:
        caller.connect(1, server.port, identity=type(good)(good.key, (good.chain[0], issuer, quirk)))
        caller.next(1, Connected)
        caller.wire.close()


@pytest.mark.parametrize(("asked", "granted"), [(0, 0), (1, 1), (1, 0), (1, 0x80)])
def test_subscription_is_told_as_granted(authority, caller, asked, granted):
    """The QoS that was granted comes back with the topic, a refusal as 0x80."""
    with TlsServer(authority, granted=granted) as server:
        caller.up(1, server.port)
        caller.wire.send(1, Subscribe("$dps/registrations/res/#", asked))
        event = caller.next(1, Subscribed)
        assert (event.topic, event.granted) == ("$dps/registrations/res/#", granted)
        body = server.visits.get(timeout=PATIENCE_S).next(SUBSCRIBE)
        assert body[2:] == b"\0\x18$dps/registrations/res/#" + bytes([asked])
        caller.wire.close()


def test_acknowledgements_carry_the_tag(caller, server):
    """Many publishes at once are all on their way, and each PUBACK finds its tag; none is queued by paho."""
    caller.up(1, server.port)
    server.gate.clear()
    for tag in range(100, 300):
        caller.wire.send(1, Publish("t", b"x", tag))
    server.gate.set()
    assert [caller.next(1, Published).tag for _ in range(200)] == list(range(100, 300))


def test_unacknowledged_publish_says_nothing(caller, server):
    """QoS 0 has no answer."""
    caller.up(1, server.port)
    caller.wire.send(1, Publish("t", b"x", 5, qos=0))
    caller.publish_and_hear(1, "echo/a", b"y", 6)


def test_events_carry_the_time_of_their_bytes(caller, server):
    """Times never go back within a channel, and none is later than the look."""
    caller.up(1, server.port)
    caller.wire.send(1, Publish("echo/a", b"x", 1))
    first, second = caller.next(1, Published), caller.next(1, Received)
    assert first.at <= second.at <= CLOCK.now()


def test_large_payloads_go_both_ways(authority, caller):
    """200 KB out and in, several at once on several connections, arrive whole."""
    with TlsServer(authority, tls=ssl.TLSVersion.TLSv1_3) as server:
        payloads = [os.urandom(BIG) for _ in range(4)]
        for channel in range(2):
            caller.up(channel, server.port)
        for tag, payload in enumerate(payloads):
            for channel in range(2):
                caller.wire.send(channel, Publish(f"echo/{tag}", payload, tag))
        for channel in range(2):
            events = [caller.next(channel, (Published, Received)) for _ in range(8)]
            assert [e.tag for e in events if isinstance(e, Published)] == [0, 1, 2, 3]
            assert [e.payload for e in events if isinstance(e, Received)] == payloads
        caller.wire.close()


def test_slow_reader_gets_every_byte_once(caller, server):
    """Writes that the peer does not take are finished later, in order, while small ones queue behind them."""
    caller.up(1, server.port)
    server.gate.clear()
    for tag in range(40):
        caller.wire.send(1, Publish("t", bytes([tag]) * BIG, tag))
        caller.wire.send(1, Publish("t", b"small", 1000 + tag))
    assert caller.wire._channels[1].mask & select.EPOLLOUT
    server.gate.set()
    tags = [caller.next(1, Published).tag for _ in range(80)]
    assert tags == [tag for n in range(40) for tag in (n, 1000 + n)]


def test_both_sides_writing_at_once_do_not_stop_each_other(caller, server):
    """The server cannot read while its echoes wait for us: we read while our writes wait for it."""
    caller.up(1, server.port)
    payload = os.urandom(BIG)
    for tag in range(30):
        caller.wire.send(1, Publish("echo/a", payload, tag))
    events = [caller.next(1, (Published, Received)) for _ in range(60)]
    assert [e.tag for e in events if isinstance(e, Published)] == list(range(30))
    assert all(e.payload == payload for e in events if isinstance(e, Received))


def test_packets_decrypted_together_are_all_heard(caller, server):
    """Many small packets in one record need no second event of the descriptor."""
    caller.up(1, server.port)
    messages = b"".join(publish(b"m", str(n).encode(), n + 1) for n in range(50))
    caller.wire.send(1, Publish("raw", messages, qos=0))
    assert [caller.next(1, Received).payload for _ in range(50)] == [str(n).encode() for n in range(50)]


def test_unsubscription_is_told(authority, caller, monkeypatch):
    """UNSUBACK comes back as the topic; it and SUBACK are not taken for each other."""
    unsubscribe, unsuback = 10, 11
    with TlsServer(authority) as server:
        answer = server._answer

        def with_unsuback(sock, head, body):
            if head >> 4 != unsubscribe:
                return answer(sock, head, body)
            sock.sendall(packet(SUBACK, body[:2] + b"\1"))
            sock.sendall(packet(unsuback, body[:2]))
            return True

        monkeypatch.setattr(server, "_answer", with_unsuback)
        caller.up(1, server.port)
        caller.wire.send(1, Subscribe("a/#"))
        caller.next(1, Subscribed)
        caller.wire.send(1, Unsubscribe("a/#"))
        assert caller.next(1, Unsubscribed).topic == "a/#"
        assert server.visits.get(timeout=PATIENCE_S).next(unsubscribe)[2:] == b"\0\3a/#"
        with pytest.raises(LocalProtocolError):
            caller.wire.send(1, Unsubscribe(""))
        caller.wire.close()
