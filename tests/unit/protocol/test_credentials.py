"""Certificate issuance, both ends, held against literal messages of SDK tests and a recorded live run."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LocalProtocolError, Outcome, RemoteProtocolError
from engine.protocol import credentials
from engine.protocol.credentials import Accepted, Issued, Reason, Refusal, Rejected, Request

RES = "$iothub/credentials/res"
CONFLICT = b"""{"errorCode":409005,"message":"A credential management operation is already active","trackingId":
  "59E2C1B1F2C34C6E9F4C5A6B7D8E9F00-G2:-TimeStamp:2026-01-30T00:00:00.0000000Z","timestampUtc":
  "2026-01-30T00:00:00.123456789Z","retryAfter":5,"info":{"requestId":"active-1","correlationId":
  "11111111-2222-4333-8444-555555555555","operationExpires":"2026-01-30T12:00:00.000Z"}}"""


def test_request_topic_ends_with_the_id() -> None:
    """Nothing follows the request id, because the service takes all of it."""
    assert credentials.request_topic("abcd") == "$iothub/credentials/POST/issueCertificate/?$rid=abcd"


def test_request_payload_has_only_known_fields() -> None:
    """The service refuses fields it does not know, so replace is left out unless it is asked for."""
    assert json.loads(credentials.request_payload("d", b"a")) == {"id": "d", "csr": "YQ=="}
    assert json.loads(credentials.request_payload("d", b"a", "*"))["replace"] == "*"
    assert json.loads(credentials.request_payload("d", b"a", "old-1"))["replace"] == "old-1"


@pytest.mark.parametrize("rid", ["", "abc", "-abc", "abc-", "a" * 37, "ab_d", "ab d", "äbcd"])
def test_ids_that_the_hub_refuses_are_our_mistake(rid: str) -> None:
    """A request id has 4 to 36 letters, digits and inner dashes."""
    with pytest.raises(LocalProtocolError):
        credentials.request_topic(rid)
    with pytest.raises(LocalProtocolError):
        credentials.request_payload("d", b"a", rid)


@pytest.mark.parametrize(
    ("expires", "expires_at"),
    [
        ('"2026-01-01T12:00:00.000Z"', 1767268800.0),
        ('"2026-01-01T12:00:00.123456789Z"', 1767268800.123456789),
        ('"2026-01-01T12:00:00Z"', 1767268800.0),
        ("null", None),
    ],
)
def test_parse_response_of_a_202_says_until_when(expires: str, expires_at: float | None) -> None:
    """Three to nine digits of fraction, or no time at all."""
    payload = f'{{"correlationId": "11111111-2222", "operationExpires": {expires}}}'.encode()
    assert credentials.parse_response(f"{RES}/202/?$rid=abcd", payload) == Accepted("abcd", "11111111-2222", expires_at)


@pytest.mark.parametrize(
    "payload", [b'{"correlationId":"c","certificates":["YQ==","Yg==","Yw=="]}', b'["YQ==","Yg==","Yw=="]']
)
def test_parse_response_of_a_200_takes_both_forms(payload: bytes) -> None:
    """The object of the live service and the array of the SDK for C give the same chain."""
    assert credentials.parse_response(f"{RES}/200/?$rid=abcd", payload) == Issued("abcd", (b"a", b"b", b"c"))


def test_parse_response_tolerates_a_version() -> None:
    """A suffix that some tools saw does not become part of the request id."""
    answer = credentials.parse_response(f"{RES}/200/?$rid=abcd&$version=1", b'["YQ=="]')
    assert answer == Issued("abcd", (b"a",))


def test_parse_response_of_a_409_names_the_active_request() -> None:
    """The request in the way can be replaced by its id."""
    answer = credentials.parse_response(f"{RES}/409/?$rid=abcd", CONFLICT)
    assert isinstance(answer, Rejected)
    assert (answer.failure.outcome, answer.failure.code) == (Outcome.CONFLICT, "409005")
    assert (answer.failure.retry_after_s, answer.active_rid) == (5.0, "active-1")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.BAD_REQUEST),
        (401, Outcome.UNAUTHORIZED),
        (412, Outcome.PRECONDITION),
        (429, Outcome.THROTTLED),
        (500, Outcome.SERVER),
        (503, Outcome.SERVER),
    ],
)
def test_parse_response_branches_on_the_status(status: int, outcome: Outcome) -> None:
    """Codes changed between versions of the service; the topic's status did not."""
    answer = credentials.parse_response(f"{RES}/{status}/?$rid=abcd", b'{"errorCode":409004,"info":null}')
    assert isinstance(answer, Rejected)
    assert (answer.failure.outcome, answer.active_rid) == (outcome, "")
    empty = credentials.parse_response(f"{RES}/{status}/?$rid=abcd", b"")
    assert isinstance(empty, Rejected)
    assert empty.failure.code == str(status)


@pytest.mark.parametrize(
    ("status", "payload"),
    [
        (202, b""),
        (202, b"{}"),
        (202, b'{"correlationId":1}'),
        (202, b'{"correlationId":"c","operationExpires":"tomorrow"}'),
        (202, b'{"correlationId":"c","operationExpires":"2026-13-01T12:00:00.000Z"}'),
        (202, b'{"correlationId":"c","operationExpires":5}'),
        (200, b""),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"1"),
        (200, b'["Y"]'),
        (200, b'{"certificates":{}}'),
        (201, b"{}"),
        (302, b"{}"),
        (400, b"{"),
        (400, b'{"errorCode":[]}'),
        (409, b'{"info":[]}'),
    ],
)
def test_parse_response_refuses_what_the_contract_does_not_allow(status: int, payload: bytes) -> None:
    """Wrong types, missing fields and unknown statuses are the service's mistake."""
    with pytest.raises(RemoteProtocolError):
        credentials.parse_response(f"{RES}/{status}/?$rid=abcd", payload)


def test_parse_response_refuses_the_singular_topic() -> None:
    """The article's spelling is not the service's."""
    with pytest.raises(RemoteProtocolError):
        credentials.parse_response("$iothub/credential/res/200/?$rid=abcd", b'["YQ=="]')


# The service's end.


def test_parse_request_topic_knows_its_topic() -> None:
    """The id of a request, nothing for other topics, and an error where nobody can be answered."""
    assert credentials.parse_request_topic(credentials.request_topic("abcd")) == "abcd"
    assert credentials.parse_request_topic("devices/d/messages/events/") is None
    for query in ("", "$rid=", "$rid=abc", "rid=abcd"):
        with pytest.raises(RemoteProtocolError):
            credentials.parse_request_topic(f"$iothub/credentials/POST/issueCertificate/?{query}")


@given(st.binary(min_size=1, max_size=2000), st.sampled_from([None, "*", "old-1"]))
def test_requests_come_back(csr: bytes, replace: str | None) -> None:
    """What a device writes is what the service reads."""
    payload = credentials.request_payload("d", csr, replace)
    assert credentials.parse_request(payload, "d") == Request(csr, replace or "")


@pytest.mark.parametrize("payload", [b"{", b"\xff", b" ", b"", b"[]", b'"x"', b"null"])
def test_parse_request_calls_no_json_malformed(payload: bytes) -> None:
    """What is no JSON at all, but not an empty body or something else than an object."""
    answer = credentials.parse_request(payload, "d")
    assert isinstance(answer, Refusal)
    assert (answer.reason is Reason.MALFORMED) == (payload in (b"{", b"\xff", b" "))
    assert answer.reason in (Reason.MALFORMED, Reason.INVALID)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "d"},
        {"csr": "YQ=="},
        {"id": "other", "csr": "YQ=="},
        {"id": "", "csr": "YQ=="},
        {"id": 1, "csr": "YQ=="},
        {"id": "d", "csr": ""},
        {"id": "d", "csr": 1},
        {"id": "d", "csr": "not base64!"},
        {"id": "d", "csr": "YQ==\n"},
        {"id": "d", "csr": "YWFh" * 2049},
        {"id": "d", "csr": "YQ==", "extra": 1},
        {"id": "d", "csr": "YQ==", "replace": ""},
        {"id": "d", "csr": "YQ==", "replace": "a"},
        {"id": "d", "csr": "YQ==", "replace": "**"},
        {"id": "d", "csr": "YQ==", "replace": 1},
    ],
)
def test_parse_request_refuses_every_recorded_case(body: dict[str, object]) -> None:
    """The cases that the recorded live run answered with 400 at once."""
    answer = credentials.parse_request(json.dumps(body).encode(), "d")
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.INVALID


def test_parse_request_takes_null_for_no_replacement() -> None:
    """A null replace replaces nothing."""
    assert credentials.parse_request(b'{"id":"d","csr":"YQ==","replace":null}', "d") == Request(b"a", "")


def test_service_payloads_come_back() -> None:
    """What the service writes is what a device reads."""
    accepted = credentials.accepted_payload("c", "2026-01-01T12:00:00.000Z")
    topic = credentials.response_topic(202, "abcd")
    assert credentials.parse_response(topic, accepted) == Accepted("abcd", "c", 1767268800.0)
    topic = credentials.response_topic(200, "abcd")
    for issued in (credentials.issued_payload("c", (b"a", b"b")), credentials.issued_array_payload((b"a", b"b"))):
        assert credentials.parse_response(topic, issued) == Issued("abcd", (b"a", b"b"))


def test_refusals_carry_what_their_reason_has() -> None:
    """The conflict names the active operation, the bad request its verification error, and others nothing."""

    def info(refusal: Refusal) -> object:
        body = credentials.refused_payload(refusal, 400040, tracking_id="t", at="2026-01-01T00:00:00.000Z")
        return json.loads(body)["info"]

    conflict = Refusal(Reason.CONFLICT, "m", request_id="r", correlation_id="c", expires="e")
    assert info(conflict) == {"requestId": "r", "correlationId": "c", "operationExpires": "e"}
    assert info(Refusal(Reason.BAD_CSR, "m")) == {"credentialError": "400000", "credentialMessage": "m"}
    assert info(Refusal(Reason.SERVER, "m")) is None
    body = credentials.refused_payload(Refusal(Reason.THROTTLED, "m", 7), 429002, tracking_id="t", at="a")
    assert json.loads(body)["retryAfter"] == 7


def test_every_reason_has_a_code_in_every_version() -> None:
    """No refusal can be without a code, and versions differ in the code only, never in the status."""
    for reason in Reason:
        assert credentials.CODES[reason] // 1000 == credentials.CODES_JANUARY_2026[reason] // 1000
