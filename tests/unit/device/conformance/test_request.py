"""The bytes of requests that no device would send."""

import base64
import json

import pytest

from engine.device.conformance.case import Body, Replace, Send
from engine.device.conformance.request import UNKNOWN_ID, payload_of, topic_of
from engine.errors import RemoteProtocolError
from engine.protocol import credentials
from engine.protocol.credentials import MAX_CSR_CHARS, Reason, Refusal, Request

CSR = b"a csr"


def payload(send: Send) -> bytes:
    """The payload of a device's second request."""
    return payload_of(send, "d-0", csr=CSR, before="tag-1")


def test_valid_request_is_the_one_of_every_device():
    """The same bytes as a renewal's, with nothing to replace, the one before, or any."""
    for replace, named in ((Replace.NOTHING, None), (Replace.BEFORE, "tag-1"), (Replace.ANY, "*")):
        assert payload(Send(replace=replace)) == credentials.request_payload("d-0", CSR, named)
    assert topic_of(Send(), "tag-2") == credentials.request_topic("tag-2")


def test_request_of_another_replaces_what_was_never_asked():
    """It is well formed, and no request of ours has its id: ours are the tag and a number."""
    assert credentials.parse_request(payload(Send(replace=Replace.UNKNOWN)), "d-0") == Request(CSR, UNKNOWN_ID)
    assert UNKNOWN_ID.count("-") == 4


def test_request_that_is_no_pkcs10_is_valid_in_form():
    """It gets past the first checks: base64 of something else."""
    asked = credentials.parse_request(payload(Send(Body.NO_CSR)), "d-0")
    assert isinstance(asked, Request)
    assert asked.csr != CSR


REFUSED = (Body.EMPTY, Body.TRUNCATED, Body.ARRAY, Body.EMPTY_CSR, Body.LONG_CSR, Body.NO_BASE64, Body.OTHER_ID,
           Body.EMPTY_ID, Body.UNKNOWN_FIELD)  # fmt: skip


@pytest.mark.parametrize("send", [*map(Send, REFUSED), Send(replace=Replace.ILL_FORMED)])
def test_wrong_request_is_wrong(send: Send):
    """The service's end refuses each of them at once; only the one that is cut short is no JSON."""
    refusal = credentials.parse_request(payload(send), "d-0")
    assert isinstance(refusal, Refusal)
    assert (refusal.reason is Reason.MALFORMED) == (send.body is Body.TRUNCATED)


def test_wrong_request_is_wrong_in_one_thing_only():
    """Mended in that one field it is the valid request."""
    valid = json.loads(payload(Send()))
    for body in (Body.EMPTY_CSR, Body.LONG_CSR, Body.NO_BASE64, Body.OTHER_ID, Body.EMPTY_ID, Body.UNKNOWN_FIELD):
        sent = json.loads(payload(Send(body)))
        differing = {name for name in {*sent, *valid} if sent.get(name) != valid.get(name)}
        assert len(differing) == 1, body
        assert {**sent, **{name: valid.get(name) for name in differing}} == valid | dict.fromkeys(differing - {*valid})


def test_long_csr_is_too_long_however_it_is_measured():
    """The base64 and what it holds are over 8 KB."""
    text = json.loads(payload(Send(Body.LONG_CSR)))["csr"]
    assert len(text) > len(base64.b64decode(text)) > MAX_CSR_CHARS


def test_request_without_an_id_ends_at_the_slash():
    """Its topic has no query, so that nobody could be answered."""
    topic = topic_of(Send(has_id=False), "tag-1")
    assert topic == "$iothub/credentials/POST/issueCertificate/"
    with pytest.raises(RemoteProtocolError):
        credentials.parse_request_topic(f"{topic}?")
