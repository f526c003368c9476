"""What is deployed and what is asked for, held against each other."""

from typing import Any

import pytest

from engine.cli.target.checks import host_of, problems
from engine.cli.target.wanted import CertificateModel
from engine.protocol.body import Fields
from tests.unit.cli.target.wishes import HUB, NAMESPACE, wanted

SYSTEM, USER = {"type": "SystemAssigned"}, {"type": "UserAssigned"}
NONE, POLICY, AUTHORITY = CertificateModel


def hub(size: str, identity: dict[str, str], **properties: Any) -> Fields:
    """A hub as it is read."""
    return Fields(
        {"sku": {"name": size}, "identity": identity, "properties": {"hostName": "Iot-One.example", **properties}}
    )


def service(identity: dict[str, str], **properties: Any) -> Fields:
    """A provisioning service as it is read."""
    return Fields({"identity": identity, "properties": properties})


PLAIN = hub("S1", SYSTEM)
GEN2 = hub("GEN2", USER, deviceRegistry={"namespaceResourceId": str(NAMESPACE).upper()})
KNOWN = {"iotHubs": [{"name": "iot-one.example"}]}
BOTH = {"type": "SystemAssigned, UserAssigned"}
OWNED = {"deviceRegistryNamespace": {"resourceId": str(NAMESPACE)}}
SPACE = Fields({"identity": SYSTEM})


@pytest.mark.parametrize(
    ("model", "one_service", "one_hub", "namespace", "found"),
    [
        (NONE, service(USER, **KNOWN), PLAIN, None, []),
        (NONE, service(USER, iotHubs=[{"hostName": "IOT-one.example"}]), PLAIN, None, []),
        (POLICY, service(USER, **KNOWN, **OWNED), GEN2, SPACE, []),
        (AUTHORITY, service(BOTH), PLAIN, SPACE, []),
        (NONE, service(USER), PLAIN, None, ["does not know hub iot-one"]),
        (NONE, service(USER, iotHubs=[{"name": "other"}]), PLAIN, None, ["does not know hub iot-one"]),
        (NONE, service(USER, **KNOWN, **OWNED), PLAIN, None, ["the model none has none"]),
        (NONE, service(USER, **KNOWN), GEN2, None, ["of size GEN2, which is not for the model none"]),
        (POLICY, service(USER, **KNOWN, **OWNED), PLAIN, SPACE, ["of size S1"]),
        (POLICY, service(USER, **KNOWN), GEN2, SPACE, ["belongs to no namespace"]),
        (POLICY, service(USER, **KNOWN, **OWNED), hub("GEN2", USER), SPACE, ["hub iot-one does not belong"]),
        (POLICY, service(USER, **KNOWN, **OWNED), GEN2, None, ["there is no namespace adr-one"]),
        (AUTHORITY, service(USER), PLAIN, SPACE, ["IH400158"]),
        (AUTHORITY, service(SYSTEM), hub("S1", USER), SPACE, ["hub iot-one has no system-assigned identity"]),
        (AUTHORITY, service(SYSTEM), PLAIN, Fields({}), ["namespace adr-one has no system-assigned identity"]),
        (AUTHORITY, service(USER), hub("GEN2", SYSTEM), None, ["IH400158", "size GEN2", "no namespace"]),
    ],
)
def test_everything_that_does_not_fit_is_told(
    model: CertificateModel, one_service: Fields, one_hub: Fields, namespace: Fields | None, found: list[str]
):
    """Each model has hubs and services of its own kind; all that is wrong is told at once."""
    told = problems(wanted(model), one_service, {HUB: one_hub}, namespace)
    assert len(told) == len(found)
    assert all(part in sentence for part, sentence in zip(found, told, strict=True))


def test_host_is_told_in_lower_case():
    """As it is compared, and as the allow-list has it."""
    assert (host_of(PLAIN), host_of(Fields({}))) == ("iot-one.example", "")
