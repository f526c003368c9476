"""Handshakes that must not succeed."""

import ssl

import pytest
from integration.net.caller import PATIENCE_S, Caller

from doubles.tls_server import Authority, TlsServer
from engine.adapters.net.tls import CONTEXTS
from engine.errors import Outcome
from engine.protocol.mqtt import (
    Disconnect,
    Disconnected,
)


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
