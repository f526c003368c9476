"""The paho wire against a TLS server on loopback."""

import gc
import os
import select
import socket
import ssl
import threading
import time
import weakref
from collections import Counter

import pytest
from doubles.tls_server import CONNECT, DISCONNECT, PINGREQ, PUBLISH, SUBSCRIBE, Authority, TlsServer, packet, publish
from OpenSSL import SSL, crypto
from paho.mqtt import client as paho

from engine.adapters.mqtt import link as link_module
from engine.adapters.mqtt.hosts import Hosts
from engine.adapters.mqtt.tls import CONTEXTS
from engine.adapters.mqtt.wire import MqttWire
from engine.errors import LocalProtocolError, Outcome, SettingsError
from engine.protocol.mqtt import (
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    Publish,
    Published,
    Received,
    Subscribe,
    Subscribed,
)

PATIENCE_S = 20.0
BIG = 200_000


class Monotonic:
    """The system's clock."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)


CLOCK = Monotonic()


class Caller:
    """A wire, and what it said by channel."""

    def __init__(self, ca_file, **options):
        self.wire = MqttWire(CLOCK, ca_file=ca_file, **options)
        self.heard = {}

    def connect(self, channel, port, host="localhost", **fields):
        """Send Connect."""
        fields = {"client_id": f"device-{channel}", "username": f"hub/device-{channel}"} | fields
        self.wire.send(channel, Connect(host, port, **fields))

    def next(self, channel, kind):
        """The channel's next event, which must be of this kind."""
        deadline = CLOCK.now() + PATIENCE_S
        while not self.heard.get(channel):
            assert CLOCK.now() < deadline, f"no {kind.__name__} on channel {channel}"
            for source, event in self.wire.wait(deadline):
                self.heard.setdefault(source, []).append(event)
        event = self.heard[channel].pop(0)
        assert isinstance(event, kind), event
        return event

    def failure(self, channel):
        """The failure of the Disconnected that must come next, as (outcome, code)."""
        event = self.next(channel, Disconnected)
        assert not event.asked
        return event.failure.outcome, event.failure.code

    def up(self, channel, port, **fields):
        """Connect and see it through."""
        self.connect(channel, port, **fields)
        return self.next(channel, Connected)

    def publish_and_hear(self, channel, topic, payload, tag=0):
        """Publish to the echo and check that both the acknowledgement and the echo come."""
        self.wire.send(channel, Publish(topic, payload, tag))
        assert self.next(channel, Published).tag == tag
        event = self.next(channel, Received)
        assert (event.topic, event.payload) == (topic, payload)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A root that the caller trusts."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def caller(authority):
    """A wire that trusts the authority."""
    caller = Caller(authority.ca_file)
    yield caller
    caller.wire.close()


@pytest.fixture
def server(authority):
    """A server that behaves."""
    with TlsServer(authority) as server:
        yield server


def free_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def descriptors():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def ours():
    """How many objects of ours and of the libraries under us are alive, by kind."""
    kinds = Counter(type(thing) for thing in gc.get_objects())
    return {k: n for k, n in kinds.items() if k.__module__.split(".")[0] in ("engine", "paho", "OpenSSL", "select")}


# Connecting


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

    client = link_module.PreparedClient(paho.CallbackAPIVersion.VERSION2, client_id="d")
    client.prepared = prepared = Prepared()
    client.connect("nowhere.invalid", 8883, 60)
    assert prepared.sent == packet(1, b"\0\4MQTT\4\2\0\x3c\0\1d")
    assert client.socket() is prepared


def test_another_paho_is_refused(monkeypatch, authority):
    """Without the hook the wire does not start, and says why."""
    monkeypatch.setattr(link_module, "paho_version", "1.6.1")
    with pytest.raises(SettingsError, match=r"1\.6\.1"):
        MqttWire(CLOCK, ca_file=authority.ca_file)


def test_roots_that_cannot_be_read_are_refused(tmp_path):
    """A missing file is a setting's fault, at once."""
    with pytest.raises(SettingsError, match="ca_file"):
        MqttWire(CLOCK, ca_file=str(tmp_path / "none.pem"))


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


# Failing to connect


def test_wrong_root_is_a_tls_failure(tmp_path, server):
    """A server of an unknown authority is refused by name of the error."""
    caller = Caller(Authority(tmp_path, "other-root").ca_file)
    caller.connect(1, server.port)
    assert caller.failure(1) == (Outcome.TLS, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY")
    caller.wire.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_wrong_host_name_is_a_tls_failure_before_any_mqtt(authority, caller, host):
    """A good certificate for somebody else is refused, also the second time, and CONNECT is never sent."""
    with TlsServer(authority, names=("elsewhere.test", "127.0.0.2")) as server:
        for channel in (1, 2):
            caller.connect(channel, server.port, host=host)
            assert caller.failure(channel) == (Outcome.TLS, "HOSTNAME_MISMATCH")
            visit = server.visits.get(timeout=PATIENCE_S)
            assert visit.packets.empty()
        caller.wire.close()


def test_expired_server_certificate_is_a_tls_failure(authority, caller):
    """The reason is told."""
    with TlsServer(authority, days=(-3, -1)) as server:
        caller.connect(1, server.port)
        assert caller.failure(1) == (Outcome.TLS, "CERT_HAS_EXPIRED")


@pytest.mark.parametrize(
    ("tls", "codes"), [(ssl.TLSVersion.TLSv1_2, {"alert 40"}), (ssl.TLSVersion.TLSv1_3, {"alert 116", "alert"})]
)
def test_missing_client_certificate_is_a_tls_failure(authority, caller, tls, codes):
    """The server's alert is the code; with TLS 1.3 on loopback its reset can be faster than our reading."""
    with TlsServer(authority, trusted=authority, tls=tls) as server:
        for _ in range(20):
            caller.connect(1, server.port)
            outcome, code = caller.failure(1)
            assert outcome is Outcome.TLS
            assert code in codes


def test_many_sets_of_intermediates_work(authority, caller, server):
    """Contexts are kept for the last few sets; a set that was forgotten is loaded again."""
    chains = [authority.identity(f"d{n}").chain for n in range(CONTEXTS + 2)]
    key, leaf = (identity := authority.identity("d")).key, identity.chain[0]
    for extra in (*chains, chains[0]):
        caller.up(1, server.port, identity=type(identity)(key, (leaf, extra[0])))
        caller.wire.send(1, Disconnect())
        caller.next(1, Disconnected)
    assert len(caller.wire._network.trust._contexts) == CONTEXTS


def test_client_certificate_of_another_authority_is_a_tls_failure(authority, caller, tmp_path):
    """The server does not know who signed it."""
    with TlsServer(authority, trusted=authority) as server:
        caller.connect(1, server.port, identity=Authority(tmp_path, "other-root").identity("d1"))
        assert caller.failure(1) == (Outcome.TLS, "alert 48")


@pytest.mark.parametrize("part", ["key", "leaf", "issuer", "pair", "none"])
def test_unusable_credentials_are_a_tls_failure(authority, caller, server, part):
    """What does not parse or does not belong together never leaves, and is no exception."""
    good, other = authority.identity("d1"), authority.identity("d2")
    key, chain = {
        "key": (b"x", good.chain),
        "leaf": (good.key, (b"x", good.chain[1])),
        "issuer": (good.key, (good.chain[0], b"x")),
        "pair": (other.key, good.chain),
        "none": (good.key, ()),
    }[part]
    caller.connect(1, server.port, identity=type(good)(key, chain))
    assert caller.failure(1) == (Outcome.TLS, "credentials")
    assert caller.wire.open_connections == 0


def test_port_without_a_listener_is_a_network_failure(caller):
    """The error has its name."""
    caller.connect(1, free_port(), host="127.0.0.1")
    assert caller.failure(1) == (Outcome.NETWORK, "ECONNREFUSED")


def test_every_address_of_a_name_is_tried(authority, caller, server):
    """The one that listens is found, and the parts go back to the first dial; the last refusal counts if none does."""
    refused = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", free_port()))
    takes = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    answers = {1: [refused, takes], 2: [refused, refused]}
    caller.wire._network.hosts = Hosts(CLOCK, lambda _host, port, **_: answers[port])
    before = CLOCK.now()
    event = caller.up(1, 1)
    assert event.at - event.tcp_s - event.tls_s - event.connack_s >= before
    caller.connect(2, 2)
    assert caller.failure(2) == (Outcome.NETWORK, "ECONNREFUSED")
    assert caller.wire.open_connections == 1


def test_impossible_name_is_a_network_failure(caller):
    """No address, no dial."""
    caller.connect(1, 8883, host="a" * 70)
    assert caller.failure(1) == (Outcome.NETWORK, "EAI_NONAME")


def test_source_address_that_is_not_ours_is_a_network_failure(authority, server):
    """The system's answer is the code."""
    caller = Caller(authority.ca_file, source_addresses=["192.0.2.1"])
    caller.connect(1, server.port)
    assert caller.failure(1) == (Outcome.NETWORK, "EADDRNOTAVAIL")
    assert caller.wire.open_connections == 0
    caller.wire.close()


def test_source_addresses_are_dealt_in_turn(authority, server):
    """Connections leave from each address as often as from any other."""
    caller = Caller(authority.ca_file, source_addresses=["127.0.0.2", "127.0.0.3"])
    for channel in range(4):
        caller.up(channel, server.port)
    sources = [server.visits.get(timeout=PATIENCE_S).sock.getpeername()[0] for _ in range(4)]
    assert sorted(sources) == ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]
    caller.wire.close()


@pytest.mark.parametrize(("before_tls", "codes"), [("reset", {"ECONNRESET"}), ("close", {"EOF", "ECONNRESET"})])
def test_end_before_mqtt_began_is_a_network_failure(authority, caller, before_tls, codes):
    """A connection that dies in the handshake is the network's."""
    with TlsServer(authority, before_tls=before_tls) as server:
        caller.connect(1, server.port)
        outcome, code = caller.failure(1)
        assert outcome is Outcome.NETWORK
        assert code in codes


def test_server_that_does_not_speak_tls_is_a_tls_failure(caller):
    """OpenSSL's words are the code."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller.connect(1, listener.getsockname()[1], host="127.0.0.1")
        caller.wire.wait(CLOCK.now())
        sock, _ = listener.accept()
        with sock:
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            outcome, code = caller.failure(1)
    assert outcome is Outcome.TLS
    assert code


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (1, Outcome.BAD_REQUEST),
        (2, Outcome.BAD_REQUEST),
        (3, Outcome.SERVER),
        (4, Outcome.UNAUTHORIZED),
        (5, Outcome.UNAUTHORIZED),
        (6, Outcome.PROTOCOL),
    ],
)
def test_refused_connack_is_told_at_once(authority, caller, code, outcome):
    """Every return code has its outcome, the ones paho swallows too."""
    with TlsServer(authority, connack=code) as server:
        caller.connect(1, server.port)
        assert caller.failure(1) == (outcome, f"connack {code}")


def test_close_without_connack_is_disconnected(authority, caller):
    """A server that takes CONNECT and goes is not the network's fault."""
    with TlsServer(authority, connack=None) as server:
        caller.connect(1, server.port)
        assert caller.failure(1)[0] is Outcome.DISCONNECTED


# Talking


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


def test_renegotiation_amid_writes_is_survived(authority, caller, tmp_path):
    """TLS 1.2 servers may ask for a new handshake at any time; big writes go on after it."""
    certificate, key = authority.server_files(("localhost",), (-1, 30))
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(certificate)
    context.use_privatekey_file(key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[int] = []
        thread = threading.Thread(target=renegotiating_server, args=(listener, context, seen), daemon=True)
        thread.start()
        caller.up(1, listener.getsockname()[1])
        for tag in range(10):
            caller.wire.send(1, Publish("t", bytes([tag]) * BIG, tag))
        assert [caller.next(1, Published).tag for _ in range(10)] == list(range(10))
        caller.wire.send(1, Disconnect())
        caller.next(1, Disconnected)
        thread.join(PATIENCE_S)
        assert seen == [1, *[3] * 10, 14]


def renegotiating_server(listener, context, seen):
    """Serve one connection, with a new handshake after every packet but the first."""
    sock, _ = listener.accept()
    connection = SSL.Connection(context, sock)
    connection.set_accept_state()
    connection.do_handshake()
    buffer = bytearray()
    while 14 not in seen:
        buffer += connection.recv(16_384)
        while (found := first_packet(buffer)) is not None:
            kind, body, size = found
            del buffer[:size]
            seen.append(kind)
            if kind == 1:
                connection.sendall(packet(2, b"\0\0"))
            elif kind == 3:
                connection.renegotiate()
                connection.do_handshake()
                connection.sendall(packet(4, body[3:5]))
    sock.close()


def first_packet(buffer):
    """(kind, body, size) of the first whole packet, None if there is none."""
    size, shift = 0, 0
    for at, digit in enumerate(buffer[1:5], start=1):
        size |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            whole = at + 1 + size
            return (buffer[0] >> 4, bytes(buffer[at + 1 : whole]), whole) if len(buffer) >= whole else None
    return None


# Ending


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


# The loop


def test_wait_ends_at_its_time(caller):
    """No events by then are no events."""
    until = CLOCK.now() + 0.01
    assert not caller.wire.wait(until)
    assert CLOCK.now() >= until


def test_wake_from_another_thread_ends_the_wait(caller):
    """The wait in progress ends empty, long before its time."""
    until = CLOCK.now() + PATIENCE_S
    thread = threading.Thread(target=caller.wire.wake)
    thread.start()
    assert not caller.wire.wait(until)
    assert CLOCK.now() < until
    thread.join()


def test_wake_before_the_wait_ends_the_next_one_only(caller):
    """A call between two waits is not lost, and several are one."""
    caller.wire.wake()
    caller.wire.wake()
    until = CLOCK.now() + PATIENCE_S
    assert not caller.wire.wait(until)
    assert CLOCK.now() < until
    until = CLOCK.now() + 0.01
    caller.wire.wait(until)
    assert CLOCK.now() >= until


def test_close_drops_everything(authority, server):
    """Connections, dials and queued dials are gone without a word; closing and waking again is harmless."""
    before = descriptors()
    caller = Caller(authority.ca_file, handshakes=2)
    caller.up(1, server.port)
    for channel in range(2, 9):
        caller.connect(channel, server.port)
    caller.wire.close()
    caller.wire.close()
    caller.wire.wake()
    assert caller.wire.open_connections == 0
    server.close()
    assert descriptors() <= before


def test_connections_leave_nothing_behind(authority, server):
    """Hundreds of connections, ended in every way, leave no descriptor and no object, and no work for the collector."""
    caller = Caller(authority.ca_file)
    refused, identity = free_port(), authority.identity("d")
    live: weakref.WeakSet[object] = weakref.WeakSet()

    def churn(count):
        for first in range(0, count, 20):
            for channel in range(first, first + 20):
                caller.connect(channel, refused if channel % 5 == 0 else server.port, identity=identity)
            for channel in range(first, first + 20):
                if channel % 5:
                    caller.next(channel, Connected)
                    live.add(caller.wire._channels[channel]._client)
                    live.add(caller.wire._channels[channel]._stream._connection)
                    caller.wire.send(channel, Disconnect() if channel % 2 else Publish("close", b""))
                caller.next(channel, Disconnected)

    churn(40)
    gc.collect()
    gc.disable()
    try:
        held, objects = descriptors(), ours()
        churn(300)
        assert not live
        assert caller.wire.open_connections == 0
        assert not caller.wire._peers
        assert not caller.wire._channels
        assert not caller.wire._wheel._slot_of
        assert ours() == objects
        server.close()
        assert descriptors() <= held
    finally:
        gc.enable()
    caller.wire.close()


def test_descriptors_beyond_1024_work(caller, server):
    """epoll has no limit where select has one."""
    spare = [socket.socket() for _ in range(1100)]
    try:
        for channel in range(3):
            caller.up(channel, server.port)
        assert min(fd for fd in caller.wire._peers) > 1024
        for channel in range(3):
            caller.publish_and_hear(channel, "echo/a", b"x")
    finally:
        for sock in spare:
            sock.close()


def test_handshakes_in_flight_are_capped(authority):
    """Only so many dials hold a descriptor; one that is given up makes room, and one still queued just goes."""
    caller = Caller(authority.ca_file, handshakes=2)
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:  # takes connections, never answers
        for channel in range(5):
            caller.connect(channel, listener.getsockname()[1], host="127.0.0.1")
        assert not caller.wire.wait(CLOCK.now() + 0.05)
        assert caller.wire.open_connections == 2
        caller.wire.send(4, Disconnect())
        assert caller.next(4, Disconnected).asked
        caller.wire.send(0, Disconnect())
        assert caller.next(0, Disconnected).asked
        assert caller.wire.open_connections == 2
        caller.connect(0, listener.getsockname()[1], host="127.0.0.1")
        caller.wire.close()


def test_time_in_the_queue_is_not_the_networks(authority, server):
    """With one handshake at a time each dial begins when the one before has shaken hands, in the order of the calls."""
    caller = Caller(authority.ca_file, handshakes=1)
    for channel in range(5):
        caller.connect(channel, server.port)
    events = [caller.next(channel, Connected) for channel in range(5)]
    began = [e.at - e.tcp_s - e.tls_s - e.connack_s for e in events]
    shaken = [e.at - e.connack_s for e in events]
    assert all(later >= earlier - 1e-6 for earlier, later in zip(shaken, began[1:], strict=False))
    caller.wire.close()


def test_failed_dial_makes_room_for_the_next(authority, server):
    """Refusals do not use up the cap."""
    caller = Caller(authority.ca_file, handshakes=1)
    refused = free_port()
    for channel in range(6):
        caller.connect(channel, refused if channel % 2 else server.port)
    for channel in range(6):
        caller.next(channel, Disconnected if channel % 2 else Connected)
    caller.wire.close()


def test_descriptor_numbers_are_used_again_without_mix_up(caller, server):
    """Connections that end and begin in the same breath share numbers, not events."""
    for channel in range(30):
        caller.up(channel, server.port)
    for round_ in range(5):
        for channel in range(30):
            caller.wire.send(channel, Publish("close", b"") if channel % 2 else Disconnect())
        for channel in range(30):
            caller.next(channel, Disconnected)
            caller.connect(channel, server.port, client_id=f"again-{round_}")
        for channel in range(30):
            caller.next(channel, Connected)
            caller.publish_and_hear(channel, "echo/a", str(channel).encode(), channel)


def test_epoll_forgets_what_is_closed(caller, server):
    """An idle loop with ended connections sleeps instead of spinning."""
    caller.up(1, server.port)
    caller.wire.send(1, Publish("close", b""))
    caller.failure(1)
    assert select.select([caller.wire._epoll], [], [], 0) == ([], [], [])
