"""Enrollment groups asked for and read."""

import json

import pytest

from engine.errors import RemoteProtocolError
from engine.protocol import enrollment
from engine.protocol.http import Response

ORIGIN = "https://dps-one.azure-devices-provisioning.net"


def test_requests_are_the_documented_ones():
    """Method, path and version; a group's name is one word of the path; a group is made without a key of ours."""
    put = enrollment.put(ORIGIN, "one/two", "2026-11-01", {"credentialPolicyName": "p"})
    assert (put.method, put.url) == ("PUT", f"{ORIGIN}/enrollmentGroups/one%2Ftwo?api-version=2026-11-01")
    assert json.loads(put.body) == {
        "enrollmentGroupId": "one/two",
        "attestation": {"type": "symmetricKey"},
        "provisioningStatus": "enabled",
        "credentialPolicyName": "p",
    }
    key = enrollment.get_key(ORIGIN, "one", "2026-11-01")
    assert (key.method, key.url) == (
        "POST",
        f"{ORIGIN}/enrollmentGroups/one/attestationmechanism?api-version=2026-11-01",
    )
    assert enrollment.get(ORIGIN, "one", "2026-11-01").method == "GET"


def test_issuer_is_what_the_group_names():
    """Fields of others, and null, are not part of it."""
    body = {"attestation": {"type": "symmetricKey"}, "etag": "x", "credentialPolicyName": "p", "namespaceName": None}
    assert enrollment.read_issuer(Response(200, (), json.dumps(body).encode())) == {"credentialPolicyName": "p"}


def test_group_of_another_attestation_is_refused():
    """Its devices would not be let in."""
    with pytest.raises(RemoteProtocolError, match="'x509'"):
        enrollment.read_issuer(Response(200, (), b'{"attestation": {"type": "x509"}}'))


def test_key_is_the_primary_one():
    """In base64, as devices need it."""
    body = b'{"type": "symmetricKey", "symmetricKey": {"primaryKey": "a2V5", "secondaryKey": "eA=="}}'
    assert enrollment.read_key(Response(200, (), body)) == "a2V5"


@pytest.mark.parametrize("body", [b"{}", b'{"symmetricKey": {"primaryKey": "canary!"}}'])
def test_answer_without_key_is_told_without_what_it_has(body: bytes):
    """What should have been a key is in no message, nor in its cause."""
    with pytest.raises(RemoteProtocolError) as raised:
        enrollment.read_key(Response(200, (), body))
    assert "canary" not in str(raised.value)
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)
    assert "canary" not in repr(Response(200, (), body))
