"""An enrollment group is made where there is none, and its key is asked for."""

import json

import pytest

from engine.cli.target.enrolling import enroll
from engine.cli.target.script import SetupFailed
from engine.cli.target.wanted import CertificateModel
from engine.protocol.body import Fields
from tests.unit.cli.target.playing import answer, play
from tests.unit.cli.target.wishes import wanted

ORIGIN = "https://dps.example"
MISSING = answer(404, {"errorCode": 404201, "message": "Enrollment group not found"})
KEY = answer(200, {"type": "symmetricKey", "symmetricKey": {"primaryKey": "a2V5"}})
POLICY = CertificateModel.CREDENTIAL_POLICY
GROUP = {"attestation": {"type": "symmetricKey"}, "credentialPolicyName": "certfleet"}


def refusal(status: int, code: int) -> object:
    """An error of the provisioning service."""
    return answer(status, {"errorCode": code, "message": "words", "trackingId": "t", "timestampUtc": "now"})


def test_group_is_made_and_read_again():
    """What is used is what the service has, and not what was sent."""
    key, stage = play(
        enroll(wanted(POLICY), Fields({}), ORIGIN, is_fresh=False), [MISSING, answer(), answer(200, GROUP), KEY]
    )
    assert key == "a2V5"
    assert [request.method for request in stage.asked] == ["GET", "PUT", "GET", "POST"]
    assert json.loads(stage.asked[1].body)["credentialPolicyName"] == "certfleet"
    assert not any("a2V5" in line for line in stage.said)


def test_group_that_is_there_is_only_read():
    """And its key is asked for."""
    _, stage = play(enroll(wanted(POLICY), Fields({}), ORIGIN, is_fresh=False), [answer(200, GROUP), KEY])
    assert [request.method for request in stage.asked] == ["GET", "POST"]


@pytest.mark.parametrize("is_fresh", [True, False])
def test_service_is_pushed_before_a_group_is_made(is_fresh: bool):
    """Its tags are sent again with ours; a link that is old and a group that is there need no push."""
    issuer = dict(wanted().issuer)
    group = answer(200, {"attestation": {"type": "symmetricKey"}, **issuer})
    service = Fields({"tags": {"a": "b"}})
    answers = [group, *([answer(200)] if is_fresh else []), KEY]
    _, stage = play(enroll(wanted(), service, ORIGIN, is_fresh=is_fresh), answers)
    patches = [json.loads(request.body) for request in stage.asked if request.method == "PATCH"]
    assert patches == ([{"tags": {"a": "b", "certfleet-linked": "adr-one"}}] if is_fresh else [])


def test_refusal_that_does_not_pass_is_told():
    """With the service's number and words."""
    with pytest.raises(SetupFailed, match="enrollment group certfleet: 401 401002, words"):
        play(enroll(wanted(POLICY), Fields({}), ORIGIN, is_fresh=False), [refusal(401, 401002)])
    with pytest.raises(SetupFailed, match="enrollment group certfleet: 400 400300, words"):
        play(enroll(wanted(POLICY), Fields({}), ORIGIN, is_fresh=False), [MISSING, refusal(400, 400300)])
