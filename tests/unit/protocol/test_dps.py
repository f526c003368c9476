"""DPS messages, both ends, held against literal messages of public documents and SDK tests."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LocalProtocolError, Outcome, RemoteProtocolError
from engine.protocol import dps
from engine.protocol.dps import Assignment, Login, Poll, Register, Status

ASSIGNING = b'{"operationId":"4.d0a671905ea5b2c8.e7173b7b-0e54-4aa0-9d20-aeb1b89e6c7d","status":"assigning"}'
ASSIGNED = b"""{
  "operationId": "4.002305f54fc89692.b1f11200-8776-4b5d-867b-dc21c4b59c12", "status": "assigned",
  "registrationState": {
    "registrationId": "myRegistrationId", "createdDateTimeUtc": "2019-12-27T19:51:41.6630592Z",
    "assignedHub": "contoso.azure-devices.net", "deviceId": "my-device-id1", "status": "assigned",
    "substatus": "initialAssignment", "lastUpdatedDateTimeUtc": "2019-12-27T19:51:41.8579703Z",
    "etag": "XXXXXXXXXXX=", "symmetricKey": {"enrollmentGroupId": "group-1"}, "payload": null,
    "issuedCertificateChain": ["YQ==", "Yg==", "Yw=="]}}"""
FAILED = b"""{"operationId":"4.x","status":"failed","registrationState":{"registrationId":"r","status":"failed",
  "errorCode":400207,"errorMessage":"Custom allocation failed with status code: 400","payload":null}}"""
INVALID_CERTIFICATE = (
    b'{"errorCode":401002,"trackingId":"8ad0463c-6427-4479-9dfa-3e8bb7003e9b",'
    b'"message":"Invalid certificate.","timestampUtc":"2020-04-10T05:24:22.4718526Z"}'
)
RES = "$dps/registrations/res"
IDS = st.from_regex(r"[a-z0-9._:-]{0,20}[a-z0-9-]", fullmatch=True)


def test_username_has_no_question_mark() -> None:
    """The user name is the one the SDKs send, with the API version that knows certificates."""
    assert dps.username("0ne00000001", "device-1") == (
        "0ne00000001/registrations/device-1/api-version=2025-07-01-preview"
    )


def test_device_topics_are_those_of_the_article() -> None:
    """Register and poll go where the article on MQTT says."""
    assert dps.register_topic("1") == "$dps/registrations/PUT/iotdps-register/?$rid=1"
    assert dps.poll_topic("1", "4.ab.c-d") == (
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1&operationId=4.ab.c-d"
    )


def test_register_payload_leaves_out_what_is_not_asked_for() -> None:
    """Without a request for a certificate there is no csr field."""
    assert dps.register_payload("d-1", None) == b'{"registrationId":"d-1"}'
    assert json.loads(dps.register_payload("d-1", b"a")) == {"registrationId": "d-1", "csr": "YQ=="}


@pytest.mark.parametrize("registration_id", ["", "a/b", "ends.", "a" * 129, "spa ce", "é"])
def test_ids_that_dps_has_none_of_are_our_mistake(registration_id: str) -> None:
    """An id that would break a user name never leaves the house."""
    with pytest.raises(LocalProtocolError):
        dps.username("scope", registration_id)


def test_parse_reply_of_a_202_says_when_and_what_to_ask() -> None:
    """The first answer of a registration."""
    reply = dps.parse_reply(f"{RES}/202/?$rid=1&retry-after=3", ASSIGNING)
    assert (reply.rid, reply.status, reply.retry_after_s, reply.state) == ("1", 202, 3.0, Status.ASSIGNING)
    assert reply.operation_id == "4.d0a671905ea5b2c8.e7173b7b-0e54-4aa0-9d20-aeb1b89e6c7d"
    assert reply.assignment is None
    assert reply.failure is None


def test_parse_reply_of_a_200_has_hub_and_chain() -> None:
    """The last answer of a registration, with a certificate."""
    reply = dps.parse_reply(f"{RES}/200/?$rid=1", ASSIGNED)
    assert reply.assignment == Assignment("contoso.azure-devices.net", "my-device-id1", (b"a", b"b", b"c"))


def test_parse_reply_of_an_error_has_its_code() -> None:
    """A rejected attestation, as the SDK for C records it."""
    failure = dps.parse_reply(f"{RES}/401/?$rid=1", INVALID_CERTIFICATE).failure
    assert failure is not None
    assert (failure.outcome, failure.code, failure.detail) == (Outcome.UNAUTHORIZED, "401002", "Invalid certificate.")
    assert failure.retry_after_s is None


def test_parse_reply_of_a_429_has_its_delay() -> None:
    """A throttled registration says how long to wait."""
    failure = dps.parse_reply(f"{RES}/429/?$rid=1&retry-after=5", b"").failure
    assert failure is not None
    assert (failure.outcome, failure.retry_after_s) == (Outcome.THROTTLED, 5.0)


@pytest.mark.parametrize(
    ("payload", "outcome", "code"),
    [
        (FAILED, Outcome.BAD_REQUEST, "400207"),
        (b'{"status":"failed","registrationState":{"errorCode":500001}}', Outcome.SERVER, "500001"),
        (b'{"status":"failed","registrationState":{"errorCode":7}}', Outcome.SERVER, "7"),
        (b'{"status":"failed"}', Outcome.SERVER, "failed"),
        (b'{"status":"disabled"}', Outcome.SERVER, "disabled"),
        (b'{"status":"unassigned"}', Outcome.SERVER, "unassigned"),
    ],
)
def test_parse_reply_of_another_final_state_is_a_failure(payload: bytes, outcome: Outcome, code: str) -> None:
    """A registration that ends without a hub is the service's failure, with its narrowest code."""
    failure = dps.parse_reply(f"{RES}/200/?$rid=1", payload).failure
    assert failure is not None
    assert (failure.outcome, failure.code) == (outcome, code)


def test_parse_reply_keeps_polling_while_unassigned() -> None:
    """A 202 that says unassigned goes on, as in the SDKs for C and C#."""
    reply = dps.parse_reply(f"{RES}/202/?$rid=1", b'{"operationId":"4.x","status":"unassigned"}')
    assert (reply.state, reply.failure) == (Status.UNASSIGNED, None)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"status":"assigning"}',
        b'{"status":"dreaming","operationId":"4.x"}',
        b'{"status":1}',
        b'{"status":"assigned"}',
        b'{"status":"assigned","registrationState":[]}',
        b'{"status":"assigned","registrationState":{"assignedHub":"h"}}',
        b'{"status":"assigned","registrationState":{"assignedHub":"h","deviceId":"d","issuedCertificateChain":[1]}}',
        b'{"status":"assigned","registrationState":{"assignedHub":"\\ud800","deviceId":"d"}}',
        b'{"status":"assigned","registrationState":{"assignedHub":"evil.example\\u0000.contoso.net","deviceId":"d"}}',
        b'{"status":"assigned","registrationState":{"assignedHub":"a/b?c","deviceId":"d"}}',
    ],
)
def test_parse_reply_refuses_incomplete_answers(payload: bytes) -> None:
    """A success that lacks what the next step needs is the service's mistake."""
    with pytest.raises(RemoteProtocolError):
        dps.parse_reply(f"{RES}/200/?$rid=1", payload)


# The service's end.


@given(IDS, IDS)
def test_usernames_come_back(id_scope: str, registration_id: str) -> None:
    """What a device writes is what the service reads."""
    login = dps.parse_username(dps.username(id_scope, registration_id))
    assert login == Login(id_scope, registration_id, dps.API_VERSION)


def test_parse_username_takes_what_sdks_add() -> None:
    """Any API version, a client version, and a stray question mark are tolerated."""
    text = "s/registrations/d/api-version=2019-03-31&ClientVersion=azure-iot-device%2F2.14.0"
    assert dps.parse_username(text) == Login("s", "d", "2019-03-31")
    assert dps.parse_username("s/registrations/d/?api-version=x") == Login("s", "d", "x")


@pytest.mark.parametrize(
    "text", ["", "s", "hub/d/?api-version=x", "s/registrations/d", "s/registrations/d/a=b", "s/registrations/d/a&a"]
)
def test_parse_username_is_none_for_others(text: str) -> None:
    """A hub's user name, or half of one, is nobody at DPS."""
    assert dps.parse_username(text) is None


def test_requests_come_back() -> None:
    """Register and poll are read as they were written."""
    assert dps.parse_request(dps.register_topic("1"), dps.register_payload("d", b"x")) == Register("1", "d", b"x")
    assert dps.parse_request(dps.poll_topic("1", "4.a b"), b"") == Poll("1", "4.a b")


def test_parse_request_takes_null_for_absent() -> None:
    """The patched SDK for Python sends every key, with null for what it does not want."""
    payload = b'{"csr": null, "payload": null, "registrationId": "d"}'
    assert dps.parse_request(dps.register_topic("1"), payload) == Register("1", "d", None)
    assert dps.parse_request(dps.register_topic("1"), b"{}") == Register("1", "", None)


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'{"csr": 1}', b'{"csr": ""}', b'{"csr": "-"}', b'{"registrationId": 1}']
)
def test_parse_request_answers_bad_bodies(payload: bytes) -> None:
    """A body that cannot be read is answered, so the error knows the request's id."""
    with pytest.raises(dps.BadRegistration) as caught:
        dps.parse_request(dps.register_topic("7"), payload)
    assert caught.value.rid == "7"


@pytest.mark.parametrize("topic", ["x", "$dps/registrations/PUT/iotdps-register/?", "$dps/registrations/GET/x/?$rid=1"])
def test_parse_request_refuses_other_topics(topic: str) -> None:
    """Nobody can be answered there."""
    with pytest.raises(RemoteProtocolError):
        dps.parse_request(topic, b"{}")


def test_reply_topic_has_the_rid_first() -> None:
    """The SDK for Python loses a delay that comes before the id."""
    assert dps.reply_topic(202, "1", 3) == "$dps/registrations/res/202/?$rid=1&retry-after=3"
    assert dps.reply_topic(200, "1") == "$dps/registrations/res/200/?$rid=1"


def test_service_payloads_come_back() -> None:
    """What the service writes is what a device reads, with a chain and without."""
    assert dps.parse_reply(dps.reply_topic(202, "1", 3), dps.assigning_payload("4.x")).operation_id == "4.x"
    for chain in ((), (b"a", b"b", b"c")):
        assignment = Assignment("hub", "d", chain)
        payload = dps.assigned_payload("4.x", "d", assignment=assignment, created="2026-01-01T00:00:00.000Z")
        assert dps.parse_reply(dps.reply_topic(200, "1"), payload).assignment == assignment
        assert (b"issuedCertificateChain" in payload) is bool(chain)
    payload = dps.error_payload(404201, "gone", tracking_id="t", at="2026-01-01T00:00:00.000Z")
    failure = dps.parse_reply(dps.reply_topic(404, "1"), payload).failure
    assert failure is not None
    assert (failure.outcome, failure.code) == (Outcome.NOT_FOUND, "404201")
