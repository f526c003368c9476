"""HTTP exchanges that are not answered."""

import socket
import ssl

import pytest
from integration.net.caller import PATIENCE_S, Caller, free_port
from integration.net.web_server import HttpServer

from doubles.tls_server import Authority
from engine.errors import Outcome
from engine.protocol import http


@pytest.fixture(params=[True, False], ids=["plain", "tls"])
def web(request, authority):
    """A server, without TLS and with it."""
    with HttpServer(authority, plain=request.param) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "outcome", "codes"),
    [
        ("/drop", Outcome.DISCONNECTED, {"EOF"}),
        ("/cut", Outcome.DISCONNECTED, {"EOF"}),
        ("/reset", Outcome.DISCONNECTED, {"ECONNRESET"}),
        ("/garbage", Outcome.PROTOCOL, {"malformed"}),
        ("/long", Outcome.PROTOCOL, {"too-long"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_bad_answer_has_its_failure(caller, web, path, outcome, codes, method):
    """On a fresh connection nothing is sent again, and nothing is kept."""
    for _ in range(2):
        caller.ask(1, web.url(path), method)
        found, code = caller.unanswered(1)
        assert found is outcome
        assert code in codes
        assert caller.wire.open_connections == 0
    assert web.requests.qsize() == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_request_that_must_not_be_repeated_is_not(caller, web, method):
    """Nobody knows whether the server has done it."""
    caller.answer(1, web.url("/"))
    caller.ask(1, web.url("/second-drop"), method)
    assert caller.unanswered(1)[0] is Outcome.DISCONNECTED
    assert web.requests.qsize() == 2


def test_request_is_repeated_once_only(caller, web):
    """A fresh connection that ends the same way is the end."""
    caller.answer(1, web.url("/"))
    caller.ask(1, web.url("/drop"))
    assert caller.unanswered(1) == (Outcome.DISCONNECTED, "EOF")
    assert web.requests.qsize() == 3


@pytest.mark.parametrize("path", ["/cut", "/garbage"])
def test_answer_that_had_begun_is_not_asked_for_again(caller, web, path):
    """The first byte of it settles that the request had arrived."""
    caller.answer(1, web.url("/"))
    caller.ask(1, web.url(path))
    caller.unanswered(1)
    assert web.requests.qsize() == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_port_without_a_listener_is_a_network_failure(caller, scheme):
    """The error has its name."""
    caller.ask(1, f"{scheme}://localhost:{free_port()}/")
    assert caller.unanswered(1) == (Outcome.NETWORK, "ECONNREFUSED")
    assert caller.wire.open_connections == 0


def test_impossible_name_is_a_network_failure(caller):
    """No address, no dial."""
    caller.ask(1, f"https://{'a' * 70}/")
    assert caller.unanswered(1) == (Outcome.NETWORK, "EAI_NONAME")


def test_unknown_authority_is_a_tls_failure(tmp_path, authority):
    """The reason is told, and no request leaves."""
    caller = Caller(Authority(tmp_path, "other-root").ca_file)
    with HttpServer(authority) as server:
        caller.ask(1, server.url("/"))
        assert caller.unanswered(1) == (Outcome.TLS, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY")
        assert server.requests.empty()
    caller.wire.close()


def test_wrong_host_name_is_a_tls_failure(authority, caller):
    """A good certificate for somebody else is refused before the request leaves."""
    with HttpServer(authority, names=("elsewhere.test",)) as server:
        caller.ask(1, server.url("/"))
        assert caller.unanswered(1) == (Outcome.TLS, "HOSTNAME_MISMATCH")
        server.visits.get(timeout=PATIENCE_S)
        assert server.requests.empty()
        caller.wire.close()


@pytest.mark.parametrize(
    ("tls", "codes"), [(ssl.TLSVersion.TLSv1_2, {"alert 40"}), (ssl.TLSVersion.TLSv1_3, {"alert 116", "alert"})]
)
def test_missing_client_certificate_is_a_tls_failure(authority, caller, tls, codes):
    """The server's alert is the code, also where it comes after our handshake."""
    with HttpServer(authority, trusted=authority, tls=tls) as server:
        for _ in range(20):
            caller.ask(1, server.url("/"))
            outcome, code = caller.unanswered(1)
            assert outcome is Outcome.TLS
            assert code in codes


def test_server_without_tls_is_a_tls_failure(authority, caller):
    """https is not spoken on a port of http."""
    with HttpServer(authority, plain=True) as server:
        caller.ask(1, f"https://localhost:{server.port}/")
        caller.rest()
        visit = server.visits.get(timeout=PATIENCE_S)
        visit.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert caller.unanswered(1)[0] is Outcome.TLS


def test_tls_server_asked_without_tls_is_not_answered(authority, caller):
    """What it says is no HTTP, or nothing."""
    with HttpServer(authority) as server:
        caller.ask(1, f"http://localhost:{server.port}/")
        assert caller.unanswered(1)[0] in (Outcome.PROTOCOL, Outcome.DISCONNECTED)
        assert caller.wire.open_connections == 0


def test_source_address_that_is_not_ours_is_a_network_failure(authority, web):
    """Requests leave from the same addresses as everything else."""
    caller = Caller(authority.ca_file, source_addresses=["192.0.2.1"])
    caller.ask(1, web.url("/"))
    assert caller.unanswered(1) == (Outcome.NETWORK, "EADDRNOTAVAIL")
    caller.wire.close()


def test_answer_that_comes_before_the_request_has_left_is_heard(caller):
    """A server may refuse and close without taking the body; the connection is not used again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller.ask(1, f"http://127.0.0.1:{listener.getsockname()[1]}/", "PUT", body=bytes(16_000_000))
        sock, _ = listener.accept()
        with sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.rest()
            sock.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
            assert caller.next(1, http.Responded).response.status == 413
    assert caller.wire.open_connections == 0


def test_no_failure_shows_a_header(caller, web):
    """A token stays ours, whatever happens to the request."""
    secret = "sesame-1234"
    fields = {"headers": (("Authorization", f"Bearer {secret}"),), "body": secret.encode()}
    urls = [web.url(path) for path in ("/drop", "/garbage", "/long", "/cut")] + [f"http://localhost:{free_port()}/"]
    for url in urls:
        caller.ask(1, url, "POST", **fields)
        assert secret not in repr(caller.next(1, http.Unanswered))
    assert secret not in repr(http.Request("GET", urls[0], **fields))
