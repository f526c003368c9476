"""Exchanges that are given up, and loops that are closed."""

import gc
import socket
from collections import Counter

import pytest
from integration.net.caller import CLOCK, PATIENCE_S, Caller, descriptors, free_port
from integration.net.web_server import HttpServer

from engine.errors import LocalProtocolError
from engine.protocol import http


@pytest.fixture(params=[True, False], ids=["plain", "tls"])
def web(request, authority):
    """A server, without TLS and with it."""
    with HttpServer(authority, plain=request.param) as server:
        yield server


def queued(caller, web):
    """An exchange that waits for its turn to dial."""
    caller.wire._dialler._at_once = 0
    caller.ask(1, web.url("/"))
    caller.wire._dialler._at_once = 64


def dialling(caller, web):
    """An exchange whose dial has just begun."""
    caller.ask(1, web.url("/"))


def shaking_hands(caller, web):
    """An exchange in the middle of its handshake, or just past it."""
    caller.ask(1, web.url("/silent"))
    caller.wire.wait(CLOCK.now())


def waiting(caller, web):
    """An exchange whose request has arrived."""
    caller.ask(1, web.url("/silent"))
    caller.rest()
    web.requests.get(timeout=PATIENCE_S)


def writing(caller, web):
    """An exchange whose request cannot leave whole."""
    web.gate.clear()
    caller.ask(2, web.url("/"))
    caller.ask(1, web.url("/"), "PUT", body=bytes(8_000_000))
    caller.rest()
    caller.wire.send(2, http.Abandon())


def reading(caller, web):
    """An exchange with half an answer."""
    caller.ask(1, web.url("/half"))
    caller.rest()
    web.requests.get(timeout=PATIENCE_S)
    caller.rest()


def failed(caller, web):
    """An exchange whose failure nobody has fetched."""
    caller.ask(1, f"http://{'a' * 70}/")


def again(caller, web):
    """An exchange on a connection that served another before."""
    caller.answer(1, web.url("/"))
    caller.ask(1, web.url("/silent"))


def nothing(caller, web):
    """No exchange."""


STAGES = [queued, dialling, shaking_hands, waiting, writing, reading, failed, again, nothing]


@pytest.mark.parametrize("stage", STAGES)
def test_abandoned_exchange_says_nothing_and_holds_nothing(authority, caller, web, stage):
    """Whatever the stage, the descriptor is free, no event comes, and the channel can ask again."""
    stage(caller, web)
    caller.wire.send(1, http.Abandon())
    caller.wire.send(1, http.Abandon())
    assert caller.wire.open_connections == 0
    web.gate.set()
    caller.rest()
    assert not caller.heard.get(1)
    assert caller.answer(1, web.url("/"), "PUT", body=b"again").body == b"again"
    assert caller.wire.open_connections == 1


def test_abandon_leaves_other_channels_alone(caller, web):
    """Their events and exchanges stay."""
    caller.ask(1, f"http://{'a' * 70}/")
    caller.ask(2, f"http://{'a' * 70}/")
    caller.ask(3, web.url("/"))
    caller.wire.send(1, http.Abandon())
    caller.unanswered(2)
    caller.next(3, http.Responded)
    assert not caller.heard.get(1)


@pytest.mark.parametrize("stage", STAGES)
def test_close_leaves_no_descriptor(authority, stage):
    """Whatever the stage, and with idle connections; twice is once."""
    with HttpServer(authority) as web:
        before = descriptors()
        caller = Caller(authority.ca_file)
        for channel in (7, 8, 9):
            caller.ask(channel, web.url("/"))
        for channel in (7, 8, 9):
            caller.next(channel, http.Responded)
        if stage is not again:
            for _ in range(3):
                web.requests.get(timeout=PATIENCE_S)
        stage(caller, web)
        caller.wire.close()
        caller.wire.close()
        assert caller.wire.open_connections == 0
        web.close()
        assert descriptors() <= before


def test_abandoned_dial_makes_room_for_the_next(authority, web):
    """The cap counts what is under way, not what was."""
    caller = Caller(authority.ca_file, handshakes=1)
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:  # takes connections, never answers
        caller.ask(1, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        caller.ask(2, web.url("/"))
        caller.rest()
        assert caller.wire.open_connections == 1
        caller.wire.send(1, http.Abandon())
        caller.next(2, http.Responded)
    caller.wire.close()


def ours():
    """How many objects of ours and of the libraries under us are alive, by kind."""
    kinds = Counter(type(thing) for thing in gc.get_objects())
    return {k: n for k, n in kinds.items() if str(k.__module__).split(".")[0] in ("engine", "h11", "OpenSSL")}


def test_exchanges_leave_nothing_behind(authority, web):
    """Hundreds of exchanges, ended in every way, leave no descriptor and no object, and no work for the collector."""
    caller = Caller(authority.ca_file)
    paths = ["/", "/closing", "/drop", "/garbage", "/cut", "/second-drop", "/silent", "/chunks"]

    def churn(count):
        for n in range(count):
            path = paths[n % len(paths)]
            caller.ask(1, web.url(path))
            caller.ask(2, f"http://localhost:{refused}/")
            caller.next(2, http.Unanswered)
            if path == "/silent":
                with pytest.raises(LocalProtocolError):
                    caller.ask(1, web.url(path))
                caller.wire.send(1, http.Abandon())
            else:
                caller.next(1, (http.Responded, http.Unanswered))
        caller.wire._calls._pool.clear()

    refused = free_port()
    churn(40)
    gc.collect()
    gc.disable()
    try:
        held, objects = descriptors(), ours()
        churn(200)
        assert ours() == objects
        assert caller.wire.open_connections == 0
        assert not caller.wire._calls._by_channel
        assert not caller.wire._calls._by_line
        assert not caller.wire._dialler._under_way
        web.close()
        assert descriptors() <= held
    finally:
        gc.enable()
    caller.wire.close()
