"""Connections that never come to be, or are refused."""

import resource
import socket

import pytest
from integration.net.caller import CLOCK, PATIENCE_S, Caller, free_port

from doubles.tls_server import TlsServer
from engine.adapters.net.hosts import Hosts
from engine.errors import Outcome


def test_port_without_a_listener_is_a_network_failure(caller):
    """The error has its name."""
    caller.connect(1, free_port(), host="127.0.0.1")
    assert caller.failure(1) == (Outcome.NETWORK, "ECONNREFUSED")


def test_every_address_of_a_name_is_tried(authority, caller):
    """The one that listens is found, and the parts go back to the first dial; the first refusal counts if none does."""
    with TlsServer(authority, names=("hub.test",)) as server:
        refused = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", free_port()))
        takes = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        nowhere = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("255.255.255.255", 1))
        answers = {1: [refused, takes], 2: [refused, nowhere], 3: [nowhere, refused]}
        caller.wire._network.hosts = Hosts(CLOCK, lambda _host, port, **_: answers[port])
        before = CLOCK.now()
        event = caller.up(1, 1, host="hub.test")
        assert event.at - event.tcp_s - event.tls_s - event.connack_s >= before
        for channel, code in ((2, "ECONNREFUSED"), (3, "ENETUNREACH")):
            caller.connect(channel, channel, host="hub.test")
            assert caller.failure(channel) == (Outcome.NETWORK, code)
        assert caller.wire.open_connections == 1
        caller.wire.close()


def test_names_under_localhost_lead_to_this_machine(authority, caller):
    """An emulator can have several hubs by name, with nothing to set up."""
    with TlsServer(authority, names=("hub-1.localhost",)) as server:
        caller.up(1, server.port, host="hub-1.localhost")
        caller.wire.close()


def test_no_free_port_is_told_as_it_is(authority, caller, server):
    """What this machine has run out of is not hidden behind the refusal of another address."""
    taken = []
    real = caller.wire._network.socket_towards

    def bound(address):
        sock = real(address)
        if address[0] is socket.AF_INET:  # the same four numbers twice: the system has no other port to give
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(taken[0] if taken else ("127.0.0.1", 0))
            taken.append(sock.getsockname())
        return sock

    caller.wire._network.socket_towards = bound
    caller.up(1, server.port)
    caller.connect(2, server.port)
    assert caller.failure(2) == (Outcome.NETWORK, "EADDRNOTAVAIL")


def test_no_free_descriptor_is_told_as_it_is(caller, server):
    """The process' own limit has its name."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as spare:
        next_number = spare.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_number, hard))
    try:
        caller.connect(1, server.port)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caller.failure(1) == (Outcome.NETWORK, "EMFILE")


def test_address_without_a_route_is_a_network_failure(caller):
    """What the system refuses on the spot is told like any refusal."""
    caller.connect(1, 1, host="255.255.255.255")
    assert caller.failure(1) == (Outcome.NETWORK, "ENETUNREACH")
    assert caller.wire.open_connections == 0


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
