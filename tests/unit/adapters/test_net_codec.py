"""HTTP/1.1 between values and bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.net.codec import ENDED, MALFORMED, TOO_LONG, Codec, head_of, host_header
from engine.errors import Failure, LocalProtocolError
from engine.protocol import http

URL = "https://a.test/b?c=d"
END = b""


def asked(codec=None, **fields):
    """A codec that has asked, and the bytes of its request."""
    codec = codec or Codec()
    request = http.Request(**({"method": "GET", "url": URL} | fields))
    return codec, codec.ask(head_of(request), request.body)


def heard(pieces):
    """What comes of a GET by these pieces: the first thing that is not None."""
    codec, _ = asked()
    for piece in pieces:
        if (came := codec.hear(piece)) is not None:
            return came, codec.can_go_on
    return None, codec.can_go_on


def one_by_one(data):
    """Single bytes."""
    return [bytes([byte]) for byte in data]


WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: 1\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "continue": b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n",
    "moved": b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/\r\nContent-Length: 0\r\n\r\n",
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
    "1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
}
ENDED_BY_THE_CONNECTION = {
    "1.0": b"HTTP/1.0 200 OK\r\n\r\nabc",
    "1.1": b"HTTP/1.1 200 OK\r\n\r\nabc",
}
CUT_OFF = {
    "nothing": b"",
    "head": b"HTTP/1.1 200 OK\r\nContent-",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
}
NOT_HTTP = {
    "alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "banner": b"SSH-2.0-OpenSSH\r\n",
    "other version": b"HTTP/2.0 200 OK\r\n\r\n",
    "status": b"HTTP/1.1 abc OK\r\n\r\n",
    "header": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "endless length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_response_is_the_same_in_one_piece_and_byte_by_byte(data):
    """Where the bytes are cut changes nothing, neither in the answer nor in what may follow."""
    at_once, slowly = heard([data]), heard(one_by_one(data))
    assert at_once == slowly
    assert isinstance(at_once[0], http.Response)


def test_response_is_passed_on_as_it_came():
    """Status, headers in lower case and in order, and the body; a redirect is one like any other."""
    response, can_go_on = heard([WHOLE["length"]])
    assert response == http.Response(200, (("content-length", "3"), ("x-a", "b")), b"abc")
    assert can_go_on
    assert heard([WHOLE["chunks"]])[0].body == b"abc"
    assert heard([WHOLE["moved"]])[0].header("Location") == "https://elsewhere.test/"
    assert heard([WHOLE["continue"]])[0].status == 201


@pytest.mark.parametrize("kind", ["close", "1.0"])
def test_connection_that_will_be_closed_is_not_gone_on_with(kind):
    """The server's word, or its age, decides."""
    assert not heard([WHOLE[kind]])[1]


def test_bytes_after_the_response_spoil_the_connection():
    """Nobody asked for them."""
    assert not heard([WHOLE["length"] + b"x"])[1]


@pytest.mark.parametrize("data", ENDED_BY_THE_CONNECTION.values(), ids=ENDED_BY_THE_CONNECTION)
def test_body_without_a_length_ends_with_the_connection(data):
    """It is not over before, and whole then."""
    assert heard([data]) == (None, False)
    assert heard([data, END]) == heard([*one_by_one(data), END])
    response, can_go_on = heard([data, END])
    assert response.body == b"abc"
    assert not can_go_on


@pytest.mark.parametrize("data", CUT_OFF.values(), ids=CUT_OFF)
def test_response_that_is_cut_off_is_disconnected(data):
    """An end that comes too early is told as one."""
    assert heard([data, END] if data else [END]) == heard([*one_by_one(data), END]) == (ENDED, False)


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_a_protocol_failure(data):
    """It is told as soon as it is seen, without waiting for an end."""
    assert heard([data]) == heard(one_by_one(data)) == (MALFORMED, False)


def test_response_that_is_too_long_is_a_protocol_failure():
    """Announced, counted, or in chunks; exactly the limit is fine."""
    most = http.MAX_BODY_BYTES
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    assert heard([head % (most + 1)])[0] == TOO_LONG
    assert len(heard([head % most, bytes(most)])[0].body) == most
    assert heard([b"HTTP/1.1 200 OK\r\n\r\n", bytes(most), b"x"])[0] == TOO_LONG
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (most + 1)
    assert heard([chunked, bytes(most), b"x"])[0] == TOO_LONG


@given(
    st.binary(),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
)
def test_any_bytes_are_an_answer_or_a_failure(data, start):
    """Whatever comes, in one piece or in many, is the same and is no exception."""
    at_once, slowly = heard([start + data, END]), heard([*one_by_one(start + data), END])
    assert isinstance(at_once[0], http.Response | Failure)
    assert at_once[0] == slowly[0]


def test_request_has_what_a_server_needs():
    """Target, host, user agent, the caller's headers and the length of the body, then the body."""
    _, data = asked(method="PATCH", headers=(("X-A", "b"),), body=b"{}")
    assert data == (
        b"PATCH /b?c=d HTTP/1.1\r\nHost: a.test\r\nUser-Agent: certfleet\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(("method", "has_length"), [("GET", False), ("DELETE", False), ("POST", True), ("PUT", True)])
def test_request_without_a_body_says_so_where_one_is_usual(method, has_length):
    """A server would otherwise ask for the length."""
    assert (b"Content-Length: 0\r\n" in asked(method=method)[1]) is has_length


def test_callers_user_agent_is_kept():
    """Ours is for requests without one."""
    data = asked(headers=(("user-agent", "me"),))[1]
    assert b"certfleet" not in data
    assert b"user-agent: me" in data


@pytest.mark.parametrize(
    ("scheme", "host", "port", "value"),
    [
        ("https", "a", 443, "a"),
        ("http", "a", 80, "a"),
        ("https", "a", 80, "a:80"),
        ("http", "a", 8080, "a:8080"),
        ("https", "::1", 443, "[::1]"),
        ("https", "::1", 1, "[::1]:1"),
    ],
)
def test_host_header_names_the_port_where_it_is_not_the_schemes(scheme, host, port, value):
    """An IPv6 address stands in brackets."""
    assert host_header(scheme, host, port) == value


def test_next_request_follows_the_first():
    """After a whole response the same codec serves another, and what it has heard counts from there."""
    codec, _ = asked()
    assert not codec.has_heard
    assert codec.hear(WHOLE["length"]).status == 200
    assert codec.has_heard
    asked(codec, method="POST", body=b"x")
    assert not codec.has_heard
    assert codec.hear(WHOLE["moved"]) == http.Response(
        302, (("location", "https://elsewhere.test/"), ("content-length", "0"))
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://a.test/"},
        {"url": "/b"},
        {"url": "https:///b"},
        {"url": "https://a.test:port/"},
        {"url": "https://a.test:99999/"},
        {"url": "https://ä.test/"},
        {"url": "https://a.test/ä"},
        {"url": "https://a.test/a b"},
        {"method": "G T"},
        {"headers": (("Authorization", "Bearer tok\r\nen"),)},
        {"headers": (("Authorization", "Bearer töken"),)},
        {"headers": (("Bad name", "Bearer token"),)},
        {"headers": (("Host", "b.test"),)},
        {"headers": (("Content-Length", "7"),), "body": b"x"},
    ],
)
def test_impossible_request_is_a_bug_and_shows_no_secret(fields):
    """The refusal neither quotes a header nor leads to an error that does."""
    with pytest.raises(LocalProtocolError) as refused:
        asked(**fields)
    assert str(refused.value) == "a request that HTTP does not allow"
    assert refused.value.__context__ is None
