"""Resource Manager's ids, addresses and requests."""

import json

import pytest

from engine.errors import LocalProtocolError
from engine.protocol import arm
from engine.protocol.arm import Address, ResourceId
from engine.protocol.body import Fields

HUB = "/subscriptions/0f4a/resourceGroups/rg-one/providers/Microsoft.Devices/IotHubs/iot-one"
ADDRESS = Address("https://management.azure.com", HUB, "2026-03-01-preview")


def test_id_is_read_and_written_alike():
    """What is parsed is written again as it was, and its letter case means nothing."""
    found = ResourceId.parse(HUB)
    assert (found.group, found.kind, found.name) == ("rg-one", "Microsoft.Devices/IotHubs", "iot-one")
    assert str(found) == HUB
    assert found.is_same(HUB.upper())
    assert not found.is_same(f"{HUB}-two")


@pytest.mark.parametrize("text", ["", "iot-one", f"{HUB}/certificates/one", f"{HUB}?x=1", f"{HUB}\n", HUB[1:]])
def test_other_texts_are_refused(text: str):
    """Neither a name, nor a part of a resource, nor a URL is the id of a resource."""
    with pytest.raises(LocalProtocolError, match="expected a resource id"):
        ResourceId.parse(text)


def test_address_leads_to_parts_of_a_resource():
    """A part keeps the endpoint and the version."""
    found = ADDRESS.under("certificateAuthorities/one")
    assert found.url == f"https://management.azure.com{HUB}/certificateAuthorities/one?api-version=2026-03-01-preview"


def test_requests_have_no_token():
    """Whoever sends them adds it; those with a body say that it is JSON."""
    requests = [
        arm.get(ADDRESS),
        arm.put(ADDRESS, {"a": 1}),
        arm.patch(ADDRESS, {"tags": {}}),
        arm.post(ADDRESS.under("synchronize")),
    ]
    assert [request.method for request in requests] == ["GET", "PUT", "PATCH", "POST"]
    assert not any(request.header("authorization") for request in requests)
    assert [request.header("content-type") for request in requests] == ["", "application/json", "application/json", ""]
    assert json.loads(requests[1].body) == {"a": 1}


def test_tags_are_those_of_the_resource():
    """None where it has none."""
    assert arm.tags_of(Fields({"tags": {"a": "b"}})) == {"a": "b"}
    assert arm.tags_of(Fields({})) == {}
