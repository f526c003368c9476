"""The target's services refuse what the real ones are told to refuse."""

import json

import pytest

from doubles.target_services import DPS_ID, HUB_IDS, NAMESPACE_ID, Refused, Services

CALLER = {"type": "SystemAssigned"}
ENDPOINT = {
    "endpointType": "Microsoft.Devices/provisioningServices",
    "resourceId": DPS_ID,
    "inboundCallerIdentity": CALLER,
}


def code(refused: pytest.ExceptionInfo[Refused]) -> str:
    """The refusal's code."""
    return str(refused.value.document["error"]["code"])


def test_link_that_is_there_may_neither_be_sent_again_nor_left_out():
    """Either would be found out."""
    services = Services()
    services.link_all()
    patch = {"properties": {"provisioning": {"endpoints": {"dps-one": ENDPOINT}}}}
    with pytest.raises(Refused) as refused:
        services.manage("PATCH", NAMESPACE_ID, patch)
    assert code(refused) == "LinkedEndpointImmutable"
    with pytest.raises(Refused) as refused:
        services.manage("PUT", NAMESPACE_ID, {"location": "x", "tags": {}, "identity": CALLER, "properties": {}})
    assert code(refused) == "LinkedEndpointRemoved"


def test_link_gets_on_with_each_look():
    """Under way, then linked, and the namespace ends."""
    services = Services(link_looks=1)
    body = {"properties": {"provisioning": {"endpoints": {"dps-one": ENDPOINT}}}}
    services.manage("PATCH", NAMESPACE_ID, body)
    states = []
    for _ in range(3):
        services.manage("GET", NAMESPACE_ID, None)
        states.append(services.links["dps-one"]["linkingState"])
    assert states == ["Linking", "Linked", "Linked"]
    assert services.resources[NAMESPACE_ID]["properties"]["provisioningState"] == "Succeeded"


def test_authority_needs_the_link_and_a_policy_an_issuing_one():
    """In this order, and no other."""
    services = Services()
    root = f"{NAMESPACE_ID}/certificateAuthorities/r"
    body = {"location": "x", "properties": {"certificateAuthorityType": "Root"}}
    with pytest.raises(Refused) as refused:
        services.manage("PUT", root, body)
    assert code(refused) == "NamespaceNotLinked"
    services.link_all()
    services.manage("PUT", root, body)
    with pytest.raises(Refused) as refused:
        services.manage("PUT", f"{root}/certificatePolicies/p", {"location": "x", "properties": {}})
    assert code(refused) == "PolicyRequiresIssuingCa"


def test_group_is_refused_until_the_link_was_pushed():
    """400004, in the provisioning service's own form."""
    services = Services()
    group = {"attestation": {"type": "symmetricKey"}, "provisioningStatus": "enabled"}
    with pytest.raises(Refused) as refused:
        services.enroll("PUT", "/enrollmentGroups/one", group)
    assert refused.value.document["errorCode"] == 400004
    assert json.dumps(refused.value.document)
    assert len(HUB_IDS) == 2
