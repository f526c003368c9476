"""Azure's own types of resources, as the Bicep compiler has them.

The data is a cut of Azure/bicep-types-az and no part of this project: BICEP_TYPES says where it is.
Source: Azure/bicep-types, `docs/` and `src/bicep-types/src/types.ts`: kinds of types, flags of properties, scopes.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

REQUIRED: Final = 1
READ_ONLY: Final = 2
SCOPES: Final = {"tenant": 1, "managementGroup": 2, "subscription": 4, "resourceGroup": 8}
NOT_IN_DATA: Final[Mapping[str, str]] = {
    "microsoft.resources/resourcegroups@2024-11-01": "a name, a place and tags",
    "microsoft.web/sites/config@2024-11-01": "authsettingsV2, compared by hand with the reference",
}
"""What is used and yet no part of the cut, and why it is let through unchecked."""

_ROOT: Final = Path(__file__).parents[3]
_BESIDE: Final = _ROOT.parent / "shared/reference/data/bicep-types.json"


@dataclass(frozen=True, slots=True)
class Property:
    """type is None where anything goes."""

    flags: int
    type: "Type | None"

    @property
    def is_required(self) -> bool:
        """Whether an object without it is refused."""
        return self.flags & (REQUIRED | READ_ONLY) == REQUIRED

    @property
    def is_read_only(self) -> bool:
        """Whether only the service sets it."""
        return bool(self.flags & READ_ONLY)


@dataclass(frozen=True, slots=True)
class Type:
    """One type of the data. kind is Object, DiscriminatedObject, Array, Union, String, StringLiteral, Integer, ..."""

    kind: str
    facts: Mapping[str, Any]
    data: "TypeData" = field(repr=False)

    @property
    def properties(self) -> dict[str, Property]:
        """The properties that an object is known to have."""
        found = self.facts.get("properties") or {}
        return {name: Property(flags, self.data.type(index)) for name, (flags, index) in found.items()}

    @property
    def rest(self) -> "Type | None":
        """The type of an object's other properties, None where it has no others."""
        return self.data.type(self.facts["add"]) if "add" in self.facts else None

    @property
    def item(self) -> "Type":
        """The type of an array's items."""
        return self.data.type(self.facts["item"])

    @property
    def options(self) -> list["Type"]:
        """The types of a union."""
        return [self.data.type(index) for index in self.facts["el"]]

    @property
    def words(self) -> list[str]:
        """The strings that a union knows, or the one of a literal."""
        options = self.options if self.kind == "Union" else [self]
        return [option.facts["value"] for option in options if option.kind == "StringLiteral"]

    def branch(self, word: str) -> "Type | None":
        """What a discriminated object is when its discriminator is this word."""
        if word not in self.facts["el"]:
            return None
        chosen = self.data.type(self.facts["el"][word])
        merged = {**(self.facts.get("properties") or {}), **(chosen.facts.get("properties") or {})}
        return Type("Object", {**chosen.facts, "properties": merged}, self.data)


class TypeData:
    """Types by index, resources by `type@version` in lower case."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._types = data["types"]
        self._resources = {name.lower(): (name, found) for name, found in data["resources"].items()}

    def type(self, index: int) -> Type:
        """The type of an index."""
        facts = self._types[index]
        return Type(facts["t"], facts, self)

    def body(self, name: str, version: str) -> Type | None:
        """What a resource looks like, None when this version of it is not in the data."""
        found = self._resources.get(f"{name}@{version}".lower())
        return self.type(found[1]["body"]) if found else None

    def scopes(self, name: str, version: str) -> int:
        """Where a resource may be deployed to: a sum of SCOPES."""
        found = self._resources.get(f"{name}@{version}".lower())
        return int(found[1]["scopes"]) if found else 0

    def versions(self, name: str) -> list[str]:
        """The versions of a resource type that are in the data."""
        names = [found for found, _ in self._resources.values()]
        return sorted(found.partition("@")[2] for found in names if found.lower().partition("@")[0] == name.lower())


def path_of_types() -> Path:
    """Where the data is expected."""
    return Path(os.environ.get("BICEP_TYPES") or _BESIDE)


def load() -> TypeData | None:
    """The data, None where it is absent."""
    path = path_of_types()
    return TypeData(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
