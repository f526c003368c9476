"""MQTT inside a WebSocket."""

import gc
import os
import select
import ssl

import pytest
from integration.net.caller import BIG, CLOCK, PATIENCE_S, Caller, descriptors
from integration.net.web_server import WebSocketServer

from doubles.tls_server import CONNECT, DISCONNECT, SUBSCRIBE
from engine.adapters.net.link import Link, Stage
from engine.adapters.net.websocket import WebSocketStream
from engine.errors import Outcome
from engine.protocol.mqtt import (
    Connected,
    Disconnect,
    Disconnected,
    Publish,
    Published,
    Received,
    Subscribe,
    Subscribed,
)


@pytest.fixture
def web(authority):
    """A server that behaves."""
    with WebSocketServer(authority) as server:
        yield server


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("cut", [0, 1])
def test_mqtt_goes_through_a_websocket(authority, caller, tls, cut):
    """Connect, subscribe and publish, with the client certificate, however the server cuts its bytes."""
    with WebSocketServer(authority, tls=tls, cut=cut, trusted=authority) as server:
        caller.up(1, server.port, websocket=True, identity=authority.identity("device-1"), client_id="d1")
        request = server.upgrades.get(timeout=PATIENCE_S)
        assert (request.target, request.subprotocols) == ("/$iothub/websocket", ["mqtt"])
        assert request.host == f"localhost:{server.port}"
        caller.wire.send(1, Subscribe("a/#"))
        assert caller.next(1, Subscribed).granted == 1
        caller.publish_and_hear(1, "echo/a", b"x", 5)
        visit = server.visits.get(timeout=PATIENCE_S)
        assert visit.common_name == "device-1"
        assert b"d1" in visit.next(CONNECT)
        visit.next(SUBSCRIBE)
        caller.wire.close()


def test_upgrade_is_part_of_the_time_until_connack(caller, web):
    """The parts still add up to the time since the dial, and the last begins when TLS is done."""
    before = CLOCK.now()
    web.gate.clear()
    caller.connect(1, web.port, websocket=True)
    while caller.wire._channels[1].stage is not Stage.CONNACK:
        caller.wire.wait(CLOCK.now())
    shaken_hands = CLOCK.now()
    web.gate.set()
    event = caller.next(1, Connected)
    assert event.at - event.connack_s <= shaken_hands <= event.at
    assert before <= event.at - event.tcp_s - event.tls_s - event.connack_s


def test_disconnect_says_goodbye_twice(caller, web):
    """DISCONNECT, then the close of the WebSocket."""
    caller.up(1, web.port, websocket=True)
    caller.wire.send(1, Disconnect())
    assert caller.next(1, Disconnected).asked
    web.visits.get(timeout=PATIENCE_S).next(DISCONNECT)
    assert caller.wire.open_connections == 0


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Outcome.UNAUTHORIZED),
        (403, Outcome.UNAUTHORIZED),
        (404, Outcome.NOT_FOUND),
        (429, Outcome.THROTTLED),
        (503, Outcome.SERVER),
        (302, Outcome.PROTOCOL),
    ],
)
def test_refused_upgrade_is_told_with_its_status(authority, caller, status, outcome):
    """CONNECT never leaves."""
    with WebSocketServer(authority, status=status) as server:
        caller.connect(1, server.port, websocket=True)
        assert caller.failure(1) == (outcome, f"http {status}")
        assert server.visits.get(timeout=PATIENCE_S).packets.empty()
        assert caller.wire.open_connections == 0


@pytest.mark.parametrize("answer", [b"HTTP/1.1 abc\r\n\r\n", b"220 mail.test ESMTP\r\n\r\n", b"\x20\x02\x00\x00"])
def test_server_that_is_no_websocket_is_a_protocol_failure(authority, caller, answer):
    """Whatever it says instead."""
    with WebSocketServer(authority, answer=answer) as server:
        caller.connect(1, server.port, websocket=True)
        assert caller.failure(1) == (Outcome.PROTOCOL, "websocket")


def test_refused_connack_is_told_as_without_a_websocket(authority, caller):
    """The return code is the code."""
    with WebSocketServer(authority, connack=5) as server:
        caller.connect(1, server.port, websocket=True)
        assert caller.failure(1) == (Outcome.UNAUTHORIZED, "connack 5")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x88\x02\x03\xe9", "close 1001"),
        (b"\x88\x00", "close 1005"),
        (b"\x81\x01a", "malformed"),
        (b"\xff\xff", "malformed"),
        (b"\x82\x02\xf0\x00", "malformed"),
    ],
)
def test_end_of_the_websocket_is_disconnected(caller, web, frames, code):
    """Close frames by their code; bytes that are none, like packets that are none, are malformed."""
    caller.up(1, web.port, websocket=True)
    caller.wire.send(1, Publish("frames", frames, qos=0))
    assert caller.failure(1) == (Outcome.DISCONNECTED, code)
    assert caller.wire.open_connections == 0


@pytest.mark.parametrize(("topic", "codes"), [("close", {"EOF"}), ("reset", {"ECONNRESET", "EPIPE"})])
def test_drop_in_mid_session_is_disconnected(caller, web, topic, codes):
    """As without a WebSocket."""
    caller.up(1, web.port, websocket=True)
    caller.wire.send(1, Publish(topic, b""))
    outcome, code = caller.failure(1)
    assert outcome is Outcome.DISCONNECTED
    assert code in codes


def test_pings_of_the_server_do_not_disturb(caller, web):
    """They are answered amid everything else."""
    caller.up(1, web.port, websocket=True)
    for tag in range(20):
        caller.wire.send(1, Publish("frames", b"\x89\x02hi", qos=0))
        caller.publish_and_hear(1, "echo/a", b"x", tag)


def test_big_messages_go_both_ways_while_the_server_does_not_read(caller, web):
    """Frames that do not fit are finished later, in order, each whole."""
    caller.up(1, web.port, websocket=True)
    web.gate.clear()
    payloads = [os.urandom(BIG) for _ in range(40)]
    for tag, payload in enumerate(payloads):
        caller.wire.send(1, Publish("echo/a", payload, tag))
        caller.wire.send(1, Publish("t", b"small", 1000 + tag))
    assert caller.wire._channels[1].mask & select.EPOLLOUT
    web.gate.set()
    events = [caller.next(1, (Published, Received)) for _ in range(120)]
    assert [e.tag for e in events if isinstance(e, Published)] == [tag for n in range(40) for tag in (n, 1000 + n)]
    assert [e.payload for e in events if isinstance(e, Received)] == payloads


def test_disconnect_during_the_upgrade_ends_at_once(caller, web):
    """Nobody is there yet to say goodbye to."""
    web.gate.clear()
    caller.connect(1, web.port, websocket=True)
    caller.rest()
    caller.wire.send(1, Disconnect())
    assert caller.wire.open_connections == 0
    assert caller.next(1, Disconnected).asked


def test_upgrade_without_an_answer_ends_with_the_keep_alive(caller, web):
    """As a CONNACK that never comes does."""
    web.gate.clear()
    caller.connect(1, web.port, websocket=True, keep_alive_s=1)
    assert caller.failure(1) == (Outcome.DISCONNECTED, "keep-alive")


@pytest.mark.parametrize("turns", range(6))
def test_close_leaves_no_descriptor(authority, turns):
    """Whatever the stage of dial, upgrade and conversation."""
    with WebSocketServer(authority) as web:
        before = descriptors()
        caller = Caller(authority.ca_file)
        for channel in range(5):
            caller.connect(channel, web.port, websocket=True)
        for _ in range(turns):
            caller.wire.wait(CLOCK.now())
        caller.wire.close()
        assert caller.wire.open_connections == 0
        web.close()
        assert descriptors() <= before


def test_refused_upgrades_leave_nothing_behind(authority):
    """No object, and no work for the collector, whether refused in good order or not."""
    caller = Caller(authority.ca_file)
    with WebSocketServer(authority, status=403) as no, WebSocketServer(authority, answer=b"no\r\n\r\n") as nonsense:

        def churn(count):
            for n in range(count):
                caller.connect(1, (no, nonsense)[n % 2].port, websocket=True)
                caller.failure(1)

        churn(10)
        gc.collect()
        gc.disable()
        try:
            churn(20)
            assert not [thing for thing in gc.get_objects() if type(thing) in (WebSocketStream, Link)]
        finally:
            gc.enable()
    caller.wire.close()
