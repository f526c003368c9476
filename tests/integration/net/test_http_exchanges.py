"""HTTP exchanges that are answered."""

import ssl

import pytest
from integration.net.caller import BIG, CLOCK, PATIENCE_S, Caller
from integration.net.web_server import HttpServer

from engine.adapters.net.pool import IDLE_S
from engine.errors import LocalProtocolError
from engine.protocol import http
from engine.protocol.mqtt import Connected


@pytest.fixture(params=["plain", "1.2", "1.3"])
def web(request, authority):
    """A server over TCP, TLS 1.2 or TLS 1.3."""
    tls = ssl.TLSVersion.TLSv1_3 if request.param == "1.3" else ssl.TLSVersion.TLSv1_2
    with HttpServer(authority, plain=request.param == "plain", tls=tls) as server:
        yield server


@pytest.fixture
def https(authority):
    """A server over TLS."""
    with HttpServer(authority) as server:
        yield server


def test_request_is_answered(caller, web):
    """What was asked for arrives, and what comes back is the response; its time is no later than the look."""
    before = CLOCK.now()
    caller.ask(1, web.url("/echo?a=b"), "PUT", headers=(("Authorization", "Bearer t"),), body=b"hello")
    event = caller.next(1, http.Responded)
    assert (event.response.status, event.response.body) == (200, b"hello")
    assert before <= event.at <= CLOCK.now()
    _, method, path, headers, body = web.requests.get(timeout=PATIENCE_S)
    assert (method, path, body) == ("PUT", "/echo?a=b", b"hello")
    expected = {
        "host": f"localhost:{web.port}",
        "user-agent": "certfleet",
        "authorization": "Bearer t",
        "content-length": "5",
    }
    assert headers == expected


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/chunks", 200, b"abc"),
        ("/moved", 302, b""),
        ("/closing", 200, b"a"),
        ("/until-the-end", 200, b"abc"),
        ("/continue", 200, b"x"),
        ("/slow", 200, b"x"),
        ("/two", 200, b"a"),
        ("/goodbye", 200, b"a"),
    ],
)
def test_every_kind_of_response_is_heard(caller, web, path, status, body):
    """Three times in a row, whatever became of the connection; a redirect is not followed."""
    for _ in range(3):
        response = caller.answer(1, web.url(path), "PUT", body=b"x")
        assert (response.status, response.body) == (status, body)


def test_connection_is_used_again_by_any_channel(caller, web):
    """Ten requests of ten channels, one after the other, are one visit."""
    for channel in range(10):
        assert caller.answer(channel, web.url("/")).status == 200
    assert web.visits.qsize() == 1
    assert caller.wire.open_connections == 1


def test_connection_is_not_shared_between_identities_hosts_or_schemes(authority, caller, https):
    """Each identity has its own, and a name for the same place is another place."""
    identities = [authority.identity("d1"), authority.identity("d2"), None]
    for _ in range(2):
        for identity in identities:
            caller.answer(1, https.url("/"), identity=identity)
        caller.answer(1, https.url("/", host="127.0.0.1"))
    assert https.visits.qsize() == 4


def test_client_certificate_is_presented(authority, caller):
    """It is the request's identity."""
    with HttpServer(authority, trusted=authority) as server:
        caller.answer(1, server.url("/"), identity=authority.identity("device-7"))
        assert server.visits.get(timeout=PATIENCE_S).common_name == "device-7"
        caller.wire.close()


@pytest.mark.parametrize("path", ["/closing", "/until-the-end", "/two"])
def test_connection_that_cannot_go_on_is_closed(caller, web, path):
    """Another request dials."""
    for visits in (1, 2):
        caller.answer(1, web.url(path))
        assert caller.wire.open_connections == 0
        assert web.visits.qsize() == visits


def test_many_requests_at_once_are_all_answered(authority, https):
    """Each finds its own answer, over no more handshakes at a time than allowed."""
    caller = Caller(authority.ca_file, handshakes=3)
    for round_ in range(2):
        for channel in range(40):
            caller.ask(channel, https.url(f"/{channel}"), "POST", body=b"%d of %d" % (channel, round_))
        for channel in range(40):
            assert caller.next(channel, http.Responded).response.body == b"%d of %d" % (channel, round_)
    assert https.visits.qsize() == 40
    assert caller.wire.open_connections == 40
    caller.wire.close()


def test_large_bodies_go_both_ways(caller, web):
    """More than the kernel takes at once, while the other side does not read."""
    body = bytes(range(256)) * 4096
    web.gate.clear()
    caller.ask(1, web.url("/"), "PUT", body=body)
    caller.ask(2, web.url("/"), "PUT", body=body[:BIG])
    caller.rest()
    web.gate.set()
    assert caller.next(1, http.Responded).response.body == body
    assert caller.next(2, http.Responded).response.body == body[:BIG]


def test_idle_connection_that_ended_is_dropped_at_once(caller, web):
    """The loop hears of the end while nobody asks, and the next request dials."""
    caller.answer(1, web.url("/"))
    visit = web.visits.get(timeout=PATIENCE_S)
    visit.sock.shutdown(2)
    deadline = CLOCK.now() + PATIENCE_S
    while caller.wire.open_connections:
        assert CLOCK.now() < deadline
        assert not caller.wire.wait(CLOCK.now() + 0.05)
    caller.answer(1, web.url("/"))
    assert web.visits.qsize() == 1


def test_connection_that_ended_unseen_is_not_used(caller, web):
    """Between two looks of the loop the end is seen when the connection is taken, even for what cannot be repeated."""
    for _ in range(10):
        caller.answer(1, web.url("/goodbye"), "POST")
        visit = web.visits.get(timeout=PATIENCE_S)
        while visit.sock.fileno() >= 0:  # until the server has closed its side
            pass
        assert caller.answer(1, web.url("/"), "POST").status == 200
        web.visits.get(timeout=PATIENCE_S)
        caller.wire._calls._pool.clear()


def test_idle_connections_are_closed_after_a_while(authority, https):
    """Also when nobody asks for anything any more."""
    clock = Hurried()
    caller = Caller(authority.ca_file)
    caller.wire._clock = caller.wire._network.clock = caller.wire._calls._pool._clock = clock
    caller.answer(1, https.url("/"))
    assert caller.wire.open_connections == 1
    clock.ahead_s += IDLE_S - 1
    caller.wire.wait(clock.now() + 0.3)
    assert caller.wire.open_connections == 1
    for _ in range(60):
        clock.ahead_s += 0.25
        caller.wire.wait(clock.now())
    assert caller.wire.open_connections == 0
    assert caller.wire._calls not in caller.wire._wheel
    caller.wire.close()


class Hurried:
    """The system's clock, and how far we are ahead of it."""

    ahead_s = 0.0

    def now(self):
        return CLOCK.now() + self.ahead_s


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_repeatable_request_on_a_stale_connection_is_sent_once_more(caller, web, method):
    """On a fresh connection, where it is answered."""
    caller.answer(1, web.url("/"))
    assert caller.answer(1, web.url("/second-drop"), method).status == 200
    assert web.visits.qsize() == 2
    assert [web.requests.get()[2] for _ in range(3)] == ["/", "/second-drop", "/second-drop"]


def test_one_exchange_at_a_time_a_channel(caller, https):
    """A second request is a bug, dialling or not; after the answer it is fine."""
    caller.ask(1, https.url("/silent"))
    with pytest.raises(LocalProtocolError):
        caller.ask(1, https.url("/"))
    caller.rest()
    https.requests.get(timeout=PATIENCE_S)
    with pytest.raises(LocalProtocolError):
        caller.ask(1, https.url("/"))
    caller.wire.send(1, http.Abandon())
    caller.answer(1, https.url("/"))


def test_impossible_request_is_a_bug_and_leaves_nothing(caller, https):
    """The channel is as free as before."""
    with pytest.raises(LocalProtocolError):
        caller.ask(1, "ftp://localhost/")
    caller.answer(1, https.url("/"))


def test_mqtt_and_http_share_a_channel(authority, caller, server, https):
    """Neither knows of the other."""
    caller.connect(1, server.port)
    caller.ask(1, https.url("/"))
    events = [caller.next(1, (Connected, http.Responded)) for _ in range(2)]
    assert {type(event) for event in events} == {Connected, http.Responded}
    caller.publish_and_hear(1, "echo/a", b"x")
