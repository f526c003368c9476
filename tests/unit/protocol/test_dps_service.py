"""What the owner of a provisioning service asks of it, and its answers read."""

import pytest

from engine.errors import Outcome
from engine.protocol import dps_service
from engine.protocol.http import Response

ORIGIN = "https://contoso.azure-devices-provisioning.net"


def test_delete_is_the_documented_request():
    """Method, path, version and the token's header; a registration id is one word of the path, whatever is in it."""
    request = dps_service.delete_registration(ORIGIN, "device-1:a", "secret-token")
    assert (request.method, request.url) == ("DELETE", f"{ORIGIN}/registrations/device-1%3Aa?api-version=2021-10-01")
    assert request.header("authorization") == "Bearer secret-token"
    assert "secret-token" not in repr(request)


def test_success_is_no_failure():
    """204 is what it answers."""
    assert dps_service.read_failure(Response(204)) is None


@pytest.mark.parametrize(
    ("response", "outcome", "code"),
    [
        (
            Response(404, (), b'{"errorCode": 404201, "message": "Registration not found."}'),
            Outcome.NOT_FOUND,
            "404201",
        ),
        (Response(401), Outcome.UNAUTHORIZED, "401"),
        (Response(503, (), b"<html>a gateway</html>"), Outcome.SERVER, "503"),
    ],
)
def test_refusal_has_the_services_code_or_the_status(response, outcome, code):
    """A gateway's page is told by its status."""
    found = dps_service.read_failure(response)
    assert (found.outcome, found.code) == (outcome, code)


@pytest.mark.parametrize("body", [b'{"errorCode": 429001, "message": "Throttled."}', b"slow down"])
def test_throttled_answer_says_for_how_long(body):
    """The header counts whatever the body is."""
    found = dps_service.read_failure(Response(429, (("retry-after", "7"),), body))
    assert (found.outcome, found.retry_after_s) == (Outcome.THROTTLED, 7)
