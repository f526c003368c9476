"""How the wire connects."""

import ssl

import pytest
from integration.net.caller import CLOCK, PATIENCE_S, Caller
from paho.mqtt import client as paho

from doubles.tls_server import CONNECT, TlsServer, packet
from engine.adapters.net import prepared as prepared_module
from engine.adapters.net.wire import EpollWire
from engine.errors import LocalProtocolError, Outcome, SettingsError
from engine.protocol.mqtt import (
    Connected,
    Disconnect,
    Disconnected,
    Publish,
    Subscribe,
)


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_connect_parts_add_up_to_the_time_since_the_dial(authority, caller, tls, host):
    """The three parts are the time between the dial, which starts at once here, and CONNACK."""
    with TlsServer(authority, tls=tls) as server:
        before = CLOCK.now()
        event = caller.up(1, server.port, host=host)
        parts = (event.tcp_s, event.tls_s, event.connack_s)
        assert min(parts) >= 0
        assert before <= event.at - sum(parts) <= event.at <= CLOCK.now()
        caller.wire.close()


def test_connect_offers_no_tls_that_it_was_not_told_to(authority):
    """A server of TLS 1.3 alone is refused by a caller of 1.2, and says so by its alert."""
    with TlsServer(authority, tls=ssl.TLSVersion.TLSv1_3) as server:
        caller = Caller(authority.ca_file, newest_tls="1.2")
        caller.connect(1, server.port)
        assert caller.failure(1)[:2] == (Outcome.TLS, "alert 70")
        caller.wire.close()


def test_connect_sends_what_was_asked_for(caller, server):
    """Protocol 3.1.1, the flags, the keep-alive, client id, user name and password are in CONNECT."""
    caller.up(1, server.port, client_id="d1", username="hub/d1", password="word", keep_alive_s=77, clean_session=False)
    body = server.visits.get(timeout=PATIENCE_S).next(CONNECT)
    assert body == b"\0\4MQTT\4\xc0\0\x4d" + b"\0\2d1" + b"\0\6hub/d1" + b"\0\4word"


def test_prepared_socket_goes_into_paho_and_connect_comes_out():
    """The private hook holds: paho takes the socket it is given, dials nothing, and writes CONNECT on it."""

    class Prepared:
        sent = b""

        def send(self, data):
            self.sent += bytes(data)
            return len(data)

        def setblocking(self, _flag):
            pass

        def close(self):
            pass

    client = prepared_module.PreparedClient(paho.CallbackAPIVersion.VERSION2, client_id="d")
    client.prepared = prepared = Prepared()
    client.connect("nowhere.invalid", 8883, 60)
    assert prepared.sent == packet(1, b"\0\4MQTT\4\2\0\x3c\0\1d")
    assert client.socket() is prepared


def test_another_paho_is_refused(monkeypatch, authority):
    """Without the hook the wire does not start, and says why."""
    monkeypatch.setattr(prepared_module, "paho_version", "1.6.1")
    with pytest.raises(SettingsError, match=r"1\.6\.1"):
        EpollWire(CLOCK, ca_file=authority.ca_file)


def test_roots_that_cannot_be_read_are_refused(tmp_path):
    """A missing file is a setting's fault, at once."""
    with pytest.raises(SettingsError, match="ca_file"):
        EpollWire(CLOCK, ca_file=str(tmp_path / "none.pem"))


def test_public_roots_are_the_default(server):
    """Without a file certifi's bundle decides, which does not hold our root."""
    caller = Caller(None)
    caller.connect(1, server.port)
    assert caller.failure(1)[0] is Outcome.TLS
    caller.wire.close()


def test_connect_on_an_open_channel_is_a_bug(caller, server):
    """A channel is connected once at a time, dialling included."""
    caller.connect(1, server.port)
    with pytest.raises(LocalProtocolError):
        caller.connect(1, server.port)
    caller.next(1, Connected)
    with pytest.raises(LocalProtocolError):
        caller.connect(1, server.port)


def test_publish_before_connected_is_a_bug_and_after_the_end_is_dropped(caller, server):
    """Nobody can know yet that a connection has ended while its event is on the way."""
    caller.connect(1, server.port)
    with pytest.raises(LocalProtocolError):
        caller.wire.send(1, Publish("t", b""))
    caller.next(1, Connected)
    caller.wire.send(1, Disconnect())
    caller.wire.send(1, Publish("t", b""))
    caller.wire.send(1, Subscribe("t"))
    caller.wire.send(1, Disconnect())
    assert caller.next(1, Disconnected).asked
    assert not caller.wire.wait(CLOCK.now())


def test_impossible_topics_are_bugs(caller, server):
    """paho's refusal of a topic is ours."""
    caller.up(1, server.port)
    with pytest.raises(LocalProtocolError):
        caller.wire.send(1, Publish("a/#", b""))
    with pytest.raises(LocalProtocolError):
        caller.wire.send(1, Subscribe("a/#/b"))
