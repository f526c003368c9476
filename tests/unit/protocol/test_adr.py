"""Device-registry calls as HTTP values, and what the answers say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.protocol import adr
from engine.protocol.adr import Running
from engine.protocol.http import Response

NAMESPACE = adr.Namespace("sub-1", "group-1", "space-1", "westeurope")
URL = (
    "https://management.azure.com/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.DeviceRegistry"
    "/namespaces/space-1/devices/adrdev7?api-version=2025-11-01-preview"
)
OPERATION = "https://management.azure.com/subscriptions/sub-1/operations/1?api-version=1"
TOKEN = "a-token-nobody-may-see"


def answer(status: int, body: object = None, **headers: str) -> Response:
    """An answer with a JSON body, or none; `_` in a header's name is a dash."""
    held = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, held, b"" if body is None else json.dumps(body).encode())


def test_create_refuses_to_replace() -> None:
    """The body has what PEER sends, and only a device that is not there is made."""
    request = adr.create(NAMESPACE, "adrdev7", TOKEN)
    assert (request.method, request.url, request.header("if-none-match")) == ("PUT", URL, "*")
    body = json.loads(request.body)
    assert body["location"] == "westeurope"
    assert body["properties"] == {
        "enabled": True,
        "externalDeviceId": "adrdev7",
        "operatingSystem": "Linux",
        "attributes": {"createdBy": "certfleet"},
    }


def test_calls_name_the_device_and_bear_the_token() -> None:
    """All of them; a body only where there is something to say, and then as JSON."""
    patch = adr.patch(NAMESPACE, "adrdev7", TOKEN, version="1.2.3")
    get, delete = adr.get(NAMESPACE, "adrdev7", TOKEN), adr.delete(NAMESPACE, "adrdev7", TOKEN)
    assert [(request.method, request.url) for request in (get, patch, delete)] == [
        ("GET", URL),
        ("PATCH", URL),
        ("DELETE", URL),
    ]
    assert json.loads(patch.body) == {"properties": {"operatingSystemVersion": "1.2.3"}}
    assert [request.header("content-type") for request in (get, patch, delete)] == ["", "application/json", ""]
    poll = adr.poll(OPERATION, TOKEN)
    assert (poll.method, poll.url, poll.body) == ("GET", OPERATION, b"")
    for request in (get, patch, delete, poll):
        assert request.header("authorization") == f"Bearer {TOKEN}"
        assert TOKEN not in repr(request)


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        (OPERATION, True),
        ("https://MANAGEMENT.azure.com:443/", True),
        ("https://management.azure.com:8443/", False),
        ("http://management.azure.com/", False),
        ("https://management.azure.com.evil.example/", False),
    ],
)
def test_namespace_knows_its_own_endpoint(url: str, is_ours: bool) -> None:
    """By scheme, host and port together."""
    assert NAMESPACE.serves(url) is is_ours


def test_token_scope_is_the_endpoints() -> None:
    """As Azure's identities want it."""
    assert adr.token_scope(adr.ENDPOINT) == "https://management.azure.com/.default"


def test_local_token_follows_from_the_group_key() -> None:
    """Both ends make the same one; another key makes another."""
    assert adr.local_token(b"k" * 32) == adr.local_token(b"k" * 32) != adr.local_token(b"l" * 32)


@pytest.mark.parametrize(
    ("response", "state"),
    [
        (answer(200, {"name": "adrdev7"}), None),
        (answer(204), None),
        (answer(201, {}), None),
        (answer(201, {}, azure_asyncoperation=OPERATION, location="/l", retry_after="4"), Running(OPERATION, 4.0)),
        (answer(200, {}, azure_asyncoperation=OPERATION), Running(OPERATION)),
        (answer(202, location="/l"), Running("https://management.azure.com/l", is_operation=False)),
        (answer(200, {}, location="/l"), None),
        (answer(412, {"error": {"code": "PreconditionFailed"}}), Failure(Outcome.PRECONDITION, "PreconditionFailed")),
        (answer(409, {"error": {"code": "Conflict", "message": "a\nb"}}), Failure(Outcome.CONFLICT, "Conflict", "a b")),
    ],
)
def test_answer_says_how_the_call_stands(response: Response, state: adr.State) -> None:
    """Done, refused, or under way at the operation's place before any other."""
    assert adr.read_answer(response, URL) == state


@pytest.mark.parametrize(
    "response", [answer(202), answer(202, azure_asyncoperation="ftp://x/"), answer(201, location="https://a@b/")]
)
def test_answer_that_leads_nowhere_is_a_mistake(response: Response) -> None:
    """A call that goes on has a place where to ask about it."""
    with pytest.raises(RemoteProtocolError):
        adr.read_answer(response, URL)


IN_WORDS, BY_STATUS = Running(OPERATION, 4.0), Running(OPERATION, 4.0, is_operation=False)
BROKEN = {"status": "Failed", "error": {"code": "Busy", "message": "no"}}


@pytest.mark.parametrize(
    ("asked", "response", "state"),
    [
        (IN_WORDS, answer(200, {"status": "Succeeded"}), None),
        (IN_WORDS, answer(200, {"status": "InProgress"}, retry_after="9"), Running(OPERATION, 9.0)),
        (IN_WORDS, answer(200, {"status": "Accepted"}), Running(OPERATION)),
        (IN_WORDS, answer(200, BROKEN), Failure(Outcome.SERVER, "Busy", "no")),
        (IN_WORDS, answer(200, {"status": "Canceled"}), Failure(Outcome.SERVER, "Canceled")),
        (IN_WORDS, answer(404), Failure(Outcome.NOT_FOUND, "404")),
        (BY_STATUS, answer(202), Running(OPERATION, None, is_operation=False)),
        (BY_STATUS, answer(202, {"status": "Failed"}), Failure(Outcome.SERVER, "Failed")),
        (BY_STATUS, answer(200, {"name": "adrdev7", "status": "a property"}), None),
        (BY_STATUS, answer(204), None),
        (BY_STATUS, answer(503), Failure(Outcome.SERVER, "503")),
    ],
)
def test_poll_says_how_the_call_stands(asked: Running, response: Response, state: adr.State) -> None:
    """An operation says it in words, a location by its status."""
    assert adr.read_poll(response, asked) == state


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"status": 7}', b'{"status": "Failed", "error": 1}'])
def test_poll_that_does_not_say_is_a_mistake(body: bytes) -> None:
    """An operation without a status, or with a body of another form."""
    with pytest.raises(RemoteProtocolError):
        adr.read_poll(Response(200, (), body), IN_WORDS)


def test_failure_has_the_services_code_and_what_it_asks_for() -> None:
    """The outcome is the status's; the correlation id is kept for whoever asks the service's people."""
    error = {"error": {"code": "TooManyRequests", "message": "slow down"}}
    failure = adr.read_failure(answer(429, error, retry_after="11", x_ms_correlation_request_id="c-1"))
    assert failure == Failure(Outcome.THROTTLED, "TooManyRequests", "slow down (correlation c-1)", 11.0)


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b'{"error": 3}', b'{"error": {"code": []}}'])
def test_failure_in_a_gateways_words_keeps_its_status(body: bytes) -> None:
    """What stands between us and the service need not speak as it does."""
    assert adr.read_failure(Response(502, (), body)) == Failure(Outcome.SERVER, "502")


@given(st.integers(100, 599), st.binary(max_size=80), st.sampled_from(["", OPERATION, "/l", "x y"]))
def test_answers_are_read_or_refused(status: int, body: bytes, place: str) -> None:
    """Whatever comes: a state or a documented error, and no failure is a success."""
    headers = (("azure-asyncoperation", place), ("location", place)) if place else ()
    for response in (Response(status, headers, body), Response(status, (), b'{"status":' + body + b"}")):
        for read in (lambda r: adr.read_answer(r, URL), lambda r: adr.read_poll(r, IN_WORDS)):
            try:
                state = read(response)
            except RemoteProtocolError:
                continue
            assert isinstance(state, Failure) or status // 100 == 2
