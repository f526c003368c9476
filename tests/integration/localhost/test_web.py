"""HTTP triggers and admin calls of a running host."""

import json

from tests.integration.localhost.hosting import Host, call


def test_ready_line_names_the_functions(host: Host) -> None:
    """The ready line has the address on loopback and every function of the app."""
    assert host.ready["ready"] is True
    assert host.url.startswith("http://127.0.0.1:")
    assert {"start", "echo", "tick", "fan_out", "work"} <= set(host.ready["functions"])
    assert call("GET", f"{host.url}/admin/host/status").json == {"state": "Running"}


def test_function_sees_the_request(host: Host) -> None:
    """Route parameters, query, headers and bytes reach the function; repeated values are joined by commas."""
    url = f"{host.url}/app/echo/Hello/3?a=1&a=2&b=%C3%A4"
    reply = call("POST", url, b"\x00" * 1000, {"X-Color": "red"})
    assert (reply.status, reply.headers["x-heard"]) == (201, "yes")
    assert reply.json == {
        "params": {"word": "Hello", "times": "3"},
        "query": {"a": "1,2", "b": "ä"},
        "color": "red",
        "size": 1000,
    }


def test_optional_parameter_may_be_absent(host: Host) -> None:
    """A route with an optional end matches without it."""
    assert call("POST", f"{host.url}/app/echo/hello").json["params"] == {"word": "hello"}


def test_request_that_no_route_takes_is_404(host: Host) -> None:
    """A parameter against its constraint, a method the function does not have, and a wrong prefix are all 404."""
    assert call("POST", f"{host.url}/app/echo/hello/three").status == 404
    assert call("GET", f"{host.url}/app/echo/hello").status == 404
    assert call("POST", f"{host.url}/api/echo/hello").status == 404


def test_function_answers_bytes_or_text(host: Host) -> None:
    """Bytes arrive as they were sent, str as text; the literal route wins over the catch-all."""
    raw = call("GET", f"{host.url}/app/files/a/b%2Fc")
    assert (raw.headers["content-type"], raw.body) == ("application/octet-stream", b"a/b/c\x00\xff")
    text = call("PUT", f"{host.url}/app/files/README")
    assert (text.status, text.body) == (200, b"read me, said in PUT")


def test_function_that_raises_is_500_with_an_error_id(host: Host) -> None:
    """The caller gets an id and no secrets; the log has both."""
    reply = call("GET", f"{host.url}/app/boom")
    assert reply.status == 500
    assert b"secret" not in reply.body
    log = host.errors.read_text()
    assert json.loads(reply.body)["id"] in log
    assert "ValueError: a secret of the app" in log


def test_admin_call_fires_a_timer(host: Host) -> None:
    """A timer function can be fired by hand, also without timers; any other name is 404."""
    before = len(host.started("tick"))
    assert call("POST", f"{host.url}/admin/functions/tick", {"input": ""}).status == 202
    assert len(host.started("tick")) == before + 1
    assert call("POST", f"{host.url}/admin/functions/echo", {"input": ""}).status == 404
