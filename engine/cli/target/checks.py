"""Whether what is deployed fits the certificate model that is asked for: each has hubs and services of its own kind.

Source: infra reference, section 4, the table of both models.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.cli.target.wanted import CertificateModel, Wanted
from engine.protocol.arm import ResourceId
from engine.protocol.body import Fields

GEN2: Final = "gen2"


def problems(
    wanted: Wanted, service: Fields, hubs: Mapping[ResourceId, Fields], namespace: Fields | None
) -> tuple[str, ...]:
    """Everything about the deployed resources that does not fit, a sentence each."""
    found = [*_of_service(wanted, service, hubs)]
    for hub, fields in hubs.items():
        found += _of_hub(wanted, hub, fields)
    if wanted.model is not CertificateModel.NONE and namespace is None:
        found.append(f"there is no namespace {wanted.registry.name}")
    if (
        wanted.model is CertificateModel.CERTIFICATE_AUTHORITY
        and namespace is not None
        and not _has_identity(namespace)
    ):
        found.append(f"namespace {wanted.registry.name} has no system-assigned identity")
    return tuple(found)


def _of_service(wanted: Wanted, service: Fields, hubs: Mapping[ResourceId, Fields]) -> Iterator[str]:
    name = f"provisioning service {wanted.provisioning.name}"
    properties = service.optional_object("properties")
    linked = properties.optional_object("deviceRegistryNamespace").optional_text("resourceId")
    match wanted.model:
        case CertificateModel.NONE:
            if linked:
                yield f"{name} belongs to a namespace, and the model none has none"
        case CertificateModel.CREDENTIAL_POLICY:
            if not wanted.registry.is_same(linked):
                yield f"{name} belongs to {linked or 'no namespace'}, and not to {wanted.registry.name}"
        case CertificateModel.CERTIFICATE_AUTHORITY:
            if not _has_identity(service):
                yield f"{name} has no system-assigned identity; added later it is refused (IH400158): deploy it anew"
    if wanted.model is not CertificateModel.CERTIFICATE_AUTHORITY:
        known = _hosts_known(properties)
        yield from (f"{name} does not know hub {hub.name}" for hub, each in hubs.items() if host_of(each) not in known)


def _of_hub(wanted: Wanted, hub: ResourceId, fields: Fields) -> Iterator[str]:
    size = fields.optional_object("sku").optional_text("name")
    is_gen2 = size.lower() == GEN2
    if is_gen2 != (wanted.model is CertificateModel.CREDENTIAL_POLICY):
        yield f"hub {hub.name} is of size {size or 'unknown'}, which is not for the model {wanted.model}"
    if wanted.model is CertificateModel.CREDENTIAL_POLICY and is_gen2:
        registry = fields.optional_object("properties").optional_object("deviceRegistry")
        if not wanted.registry.is_same(registry.optional_text("namespaceResourceId")):
            yield f"hub {hub.name} does not belong to namespace {wanted.registry.name}"
    if wanted.model is CertificateModel.CERTIFICATE_AUTHORITY and not _has_identity(fields):
        yield f"hub {hub.name} has no system-assigned identity"


def host_of(hub: Fields) -> str:
    """The host of a hub that was read, "" where it tells none."""
    return hub.optional_object("properties").optional_text("hostName").lower()


def _hosts_known(properties: Fields) -> set[str]:
    """Hosts of the hubs that a provisioning service deals devices to. One linked by its connection string is told by
    its name. Source: type data of provisioningServices, iotHubs (`name` is read-only, and the hub's host)."""
    entries: Any = properties.values.get("iotHubs")
    listed = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    return {str(each.get(field, "")).lower() for each in listed for field in ("hostName", "name")}


def _has_identity(resource: Fields) -> bool:
    return "systemassigned" in resource.optional_object("identity").optional_text("type").lower()
