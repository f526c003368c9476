"""Azure Resource Manager as HTTP values: a resource read, put, patched, told to do something. Whoever sends a request
adds the token.

Source: Azure Resource Manager, "Resource ID format" and "Common API details"; resource providers' RPC, "Put" and
"Patch" (tags).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import LocalProtocolError
from engine.protocol.body import Fields, write_json
from engine.protocol.http import Request

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[0-9A-Za-z-]{1,64})/resourceGroups/(?P<group>[A-Za-z0-9._()-]{1,90})"
    r"/providers/(?P<kind>[A-Za-z.]{1,64}/[A-Za-z]{1,64})/(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,63})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A resource of a resource group, such as a hub; kind is "Microsoft.Devices/IotHubs". Letter case means nothing."""

    subscription: str
    group: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "ResourceId":
        """The id of a text. Raises LocalProtocolError on anything else."""
        match = _ID.fullmatch(text)
        if match is None:
            form = "/subscriptions/{id}/resourceGroups/{group}/providers/{kind}/{name}"
            raise LocalProtocolError(f"expected a resource id of the form {form}, found {text[:200]!r}")
        return cls(*match.group("subscription", "group", "kind", "name"))

    def __str__(self) -> str:
        place = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{place}/providers/{self.kind}/{self.name}"

    def is_same(self, other: str) -> bool:
        """Whether other is the text of this id."""
        return str(self).lower() == other.lower()


@dataclass(frozen=True, slots=True)
class Address:
    """Where a resource is, or a part of one: the resource manager's URL without path, the path, the API's version."""

    endpoint: str
    path: str
    version: str

    def under(self, path: str) -> "Address":
        """What lies beneath, such as "certificateAuthorities/one"."""
        return Address(self.endpoint, f"{self.path}/{path}", self.version)

    @property
    def url(self) -> str:
        """The URL to ask."""
        return f"{self.endpoint}{self.path}?api-version={self.version}"


def get(address: Address) -> Request:
    """Read it; 404 when it is not there."""
    return Request("GET", address.url, (("Accept", "application/json"),))


def put(address: Address, body: Mapping[str, object]) -> Request:
    """Make it so, whether it was there or not."""
    return _with_body("PUT", address.url, body)


def patch(address: Address, body: Mapping[str, object]) -> Request:
    """Change what body names, and leave the rest."""
    return _with_body("PATCH", address.url, body)


def post(address: Address) -> Request:
    """Tell it to do what the address names."""
    return Request("POST", address.url, (("Accept", "application/json"),))


def tags_of(resource: Fields) -> dict[str, str]:
    """The tags of a resource that was read. A patch of tags replaces all of them, so they have to be sent again."""
    return {name: str(value) for name, value in resource.optional_object("tags").values.items()}


def _with_body(method: str, url: str, body: Mapping[str, object]) -> Request:
    headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
    return Request(method, url, headers, write_json(body))
