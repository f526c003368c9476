"""DPS over HTTPS, the device's end."""

import json

import pytest

from engine.errors import LocalProtocolError, Outcome, RemoteProtocolError
from engine.protocol import dps
from engine.protocol.dps_http import Caller, read_response
from engine.protocol.http import Response
from engine.protocol.mqtt import Identity

VERSION = "?api-version=2025-07-01-preview"
CALLER = Caller("dps.example", 443, "0ne00000001", "d-1", token="SharedAccessSignature sr=x")


def test_register_goes_where_the_sdk_puts_it() -> None:
    """Path, method, body and token of the SDK for C#; the port is left out where it is the scheme's own."""
    request = CALLER.register(b"a")
    assert request.method == "PUT"
    assert request.url == f"https://dps.example/0ne00000001/registrations/d-1/register{VERSION}"
    assert json.loads(request.body) == {"registrationId": "d-1", "csr": "YQ=="}
    assert request.header("content-type") == "application/json; charset=utf-8"
    assert request.header("authorization") == "SharedAccessSignature sr=x"
    assert request.identity is None


def test_poll_asks_for_the_operation() -> None:
    """Without a body; what the service put into the id cannot lead elsewhere."""
    request = Caller("dps.example", 8443, "0ne1", "d-1").poll("4.ab.c-d/../x?y")
    assert request.method == "GET"
    assert request.url == (f"https://dps.example:8443/0ne1/registrations/d-1/operations/4.ab.c-d%2F..%2Fx%3Fy{VERSION}")
    assert (request.body, request.header("content-type"), request.header("authorization")) == (b"", "", "")


def test_certificate_takes_the_place_of_a_token() -> None:
    """It is presented in TLS, and there is no header for it."""
    identity = Identity(b"key", (b"leaf",))
    request = Caller("dps.example", 443, "0ne1", "d-1", identity=identity).register(None)
    assert request.identity == identity
    assert request.header("authorization") == ""


def test_caller_does_not_show_its_token() -> None:
    """Nor does what it asks."""
    assert "Signature" not in repr(CALLER) + repr(CALLER.register(None))


def test_id_that_dps_has_none_of_is_our_mistake() -> None:
    """It never becomes a path."""
    with pytest.raises(LocalProtocolError):
        Caller("dps.example", 443, "0ne1", "../x").register(None)


def test_response_is_read_like_an_answer_over_mqtt() -> None:
    """The delay is the header's, everything else the body's."""
    reply = read_response(Response(202, (("retry-after", "3"),), dps.assigning_payload("op")))
    assert (reply.rid, reply.status, reply.retry_after_s, reply.operation_id) == ("", 202, 3.0, "op")
    assigned = dps.assigned_payload("op", "d-1", assignment=dps.Assignment("h", "d-1", (b"a",)), created="now")
    assert read_response(Response(200, (), assigned)).assignment == dps.Assignment("h", "d-1", (b"a",))


@pytest.mark.parametrize(
    ("status", "headers", "body", "found"),
    [
        (429, (("retry-after", "7"),), b'{"errorCode":429001}', (Outcome.THROTTLED, "429001", 7.0)),
        (429, (("retry-after", "7"),), b"slow down", (Outcome.THROTTLED, "429", 7.0)),
        (503, (), b"<html>", (Outcome.SERVER, "503", None)),
        (401, (), b"", (Outcome.UNAUTHORIZED, "401", None)),
        (400, (), b'{"errorCode":[]}', (Outcome.BAD_REQUEST, "400", None)),
    ],
)
def test_error_is_told_by_its_status_whoever_wrote_its_body(status, headers, body, found) -> None:  # type: ignore[no-untyped-def]
    """The code and the delay are kept where there are any."""
    failure = read_response(Response(status, headers, body)).failure
    assert failure is not None
    assert (failure.outcome, failure.code, failure.retry_after_s) == found


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status":"assigned"}', b'{"status":"assigning"}'])
def test_success_that_is_none_is_the_services_mistake(body: bytes) -> None:
    """What cannot be read as an answer is none."""
    with pytest.raises(RemoteProtocolError):
        read_response(Response(200, (), body))
