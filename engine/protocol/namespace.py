"""A device registry namespace that hubs and a provisioning service are linked to, and its certificate authorities.

This is the form of autumn 2026. None of it is in published type data: it is as Microsoft's own test environment uses
it, told in words. So words of the service that we do not know count as "under way", and every wait has an end.
Source: infra reference, section 4, steps 1 to 4.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.protocol.arm import ResourceId, tags_of
from engine.protocol.body import Fields

HUB: Final = "Microsoft.Devices/IotHubs"
PROVISIONING: Final = "Microsoft.Devices/provisioningServices"

STILL_REPLICATING: Final = frozenset(
    {
        "AdrMiNotAuthorized",
        "LinkableResourceNotReady",
        "AuthorizationFailed",
        "LinkInitiateFailed",
        "NamespaceMiTokenAcquisitionFailed",
        "OutboundIdentityUnavailable",
    }
)
"""Why a link fails while roles have not arrived everywhere; after anything else, trying again is of no use."""


class LinkState(StrEnum):
    """How a link is."""

    LINKED = "linked"
    FAILED = "failed"
    UNDER_WAY = "under way"


_WORDS: Final = {"linked": LinkState.LINKED, "succeeded": LinkState.LINKED, "failed": LinkState.FAILED}
"""Lower case. Failed is told by the source, the words for success are ours to verify."""


@dataclass(frozen=True, slots=True)
class Link:
    """One endpoint of a namespace as it was read; error is the service's code of a link that failed."""

    resource_id: str
    state: LinkState
    error: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A namespace as it was read."""

    state: str
    links: tuple[Link, ...]
    location: str
    tags: Mapping[str, str]

    def link(self, resource: ResourceId) -> Link | None:
        """The link to a resource, None where there is none."""
        return next((link for link in self.links if resource.is_same(link.resource_id)), None)


def read_namespace(resource: Fields) -> Seen:
    """What an answer says of the namespace. Raises RemoteProtocolError on fields of another kind."""
    properties = resource.optional_object("properties")
    links = (*_links(properties, "messaging"), *_links(properties, "provisioning"))
    state = properties.optional_text("provisioningState").lower()
    return Seen(state, links, resource.text("location"), tags_of(resource))


def endpoints_body(resources: Sequence[ResourceId]) -> dict[str, object]:
    """The properties that ask for links to hubs and provisioning services."""
    caller = {"type": "SystemAssigned"}
    sections: dict[str, dict[str, object]] = {}
    for resource in resources:
        endpoint: dict[str, object] = {"resourceId": str(resource), "inboundCallerIdentity": caller}
        if resource.kind.lower() == HUB.lower():
            endpoint |= {"endpointType": HUB, "provisioning": {"availability": "Available", "allocationWeight": 1}}
            sections.setdefault("messaging", {})[resource.name] = endpoint
        else:
            sections.setdefault("provisioning", {})[resource.name] = endpoint | {"endpointType": PROVISIONING}
    return {name: {"endpoints": endpoints} for name, endpoints in sections.items()}


def namespace_body(seen: Seen, resources: Sequence[ResourceId]) -> dict[str, object]:
    """The whole namespace, with links to these resources, and with the tags that it has."""
    return {
        "location": seen.location,
        "tags": dict(seen.tags),
        "identity": {"type": "SystemAssigned"},
        "properties": endpoints_body(resources),
    }


def root_body(location: str) -> dict[str, object]:
    """A root certificate authority."""
    return {"location": location, "properties": {"certificateAuthorityType": "Root", "keyType": "ECC"}}


def issuing_body(location: str, root_id: str) -> dict[str, object]:
    """A certificate authority that issues, under a root of the namespace."""
    issuer = {"issuerType": "Microsoft", "certificateAuthorityResourceId": root_id}
    properties = {"certificateAuthorityType": "ICA", "keyType": "ECC", "issuer": issuer}
    return {"location": location, "properties": properties}


def policy_body(location: str, validity_days: int) -> dict[str, object]:
    """What certificates of an issuing authority are like."""
    return {"location": location, "properties": {"certificate": {"validityPeriodInDays": validity_days}}}


def _links(properties: Fields, section: str) -> Iterator[Link]:
    endpoints = properties.optional_object(section).optional_object("endpoints")
    for key in endpoints.values:
        endpoint = endpoints.optional_object(key)
        state = _WORDS.get(endpoint.optional_text("linkingState").lower(), LinkState.UNDER_WAY)
        error = endpoint.optional_object("linkingError").optional_code("code")
        yield Link(endpoint.optional_text("resourceId"), state, error)
