"""A device registry namespace and its links, built and read."""

import pytest

from engine.errors import RemoteProtocolError
from engine.protocol import namespace
from engine.protocol.arm import ResourceId
from engine.protocol.body import Fields
from engine.protocol.namespace import Link, LinkState, Seen

HUB = ResourceId("sub", "rg", "Microsoft.Devices/IotHubs", "iot-one")
DPS = ResourceId("sub", "rg", "Microsoft.Devices/provisioningServices", "dps-one")


def test_body_asks_for_each_link_in_its_own_form():
    """A hub is a place for messages that devices may be dealt to, a provisioning service is not."""
    seen = Seen("succeeded", (), "westeurope", {"a": "b"})
    caller = {"type": "SystemAssigned"}
    assert namespace.namespace_body(seen, (HUB, DPS)) == {
        "location": "westeurope",
        "tags": {"a": "b"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "messaging": {
                "endpoints": {
                    "iot-one": {
                        "endpointType": "Microsoft.Devices/IotHubs",
                        "resourceId": str(HUB),
                        "inboundCallerIdentity": caller,
                        "provisioning": {"availability": "Available", "allocationWeight": 1},
                    }
                }
            },
            "provisioning": {
                "endpoints": {
                    "dps-one": {
                        "endpointType": "Microsoft.Devices/provisioningServices",
                        "resourceId": str(DPS),
                        "inboundCallerIdentity": caller,
                    }
                }
            },
        },
    }


def test_section_without_links_is_not_sent():
    """A patch for one hub says nothing of provisioning services."""
    assert set(namespace.endpoints_body((HUB,))) == {"messaging"}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Linked", LinkState.LINKED),
        ("Succeeded", LinkState.LINKED),
        ("Failed", LinkState.FAILED),
        ("Linking", LinkState.UNDER_WAY),
        (None, LinkState.UNDER_WAY),
    ],
)
def test_link_is_read_with_its_state_and_error(word: str | None, state: LinkState):
    """A word that is not known is under way: waiting has an end, a wrong success has none."""
    endpoint = {"resourceId": str(HUB).upper(), "linkingState": word, "linkingError": {"code": "X", "message": "m"}}
    document = {"location": "westeurope", "properties": {"messaging": {"endpoints": {"any": endpoint}}}}
    seen = namespace.read_namespace(Fields(document))
    assert seen.links == (Link(str(HUB).upper(), state, "X"),)
    assert seen.link(HUB) == seen.links[0]
    assert seen.link(DPS) is None
    assert (seen.state, seen.tags) == ("", {})


def test_namespace_of_another_form_is_the_services_mistake():
    """Endpoints are an object."""
    with pytest.raises(RemoteProtocolError):
        namespace.read_namespace(Fields({"location": "x", "properties": {"messaging": {"endpoints": []}}}))


def test_authorities_and_policy_are_as_documented():
    """Each has a location; the issuing one names its root."""
    assert namespace.root_body("x") == {
        "location": "x",
        "properties": {"certificateAuthorityType": "Root", "keyType": "ECC"},
    }
    issuer = {"issuerType": "Microsoft", "certificateAuthorityResourceId": "/root"}
    assert namespace.issuing_body("x", "/root") == {
        "location": "x",
        "properties": {"certificateAuthorityType": "ICA", "keyType": "ECC", "issuer": issuer},
    }
    assert namespace.policy_body("x", 30) == {
        "location": "x",
        "properties": {"certificate": {"validityPeriodInDays": 30}},
    }
