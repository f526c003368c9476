"""Roles: every one that is assigned is known by its id, and the name it has here is Azure's."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tree_sitter import Node

from infra.bicep.source import Source
from infra.bicep.syntax import literal, parts, text_of, value_of
from infra.findings import Finding
from infra.project import Project

ROLES: Final[Mapping[str, str]] = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "b9a307c4-5aa3-4b52-ba60-2b17c136cd7b": "Container Apps Jobs Operator",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
    "0ad04412-c4d5-4796-b79c-f76d14c8d402": "Durable Task Data Contributor",
    "dfce44e4-17b7-4bd1-a6d1-04996ec95633": "Device Provisioning Service Data Contributor",
    "10745317-c249-44a1-a5ce-3a4353c0bbd8": "Device Provisioning Service Data Reader",
    "4fc6c259-987e-4a07-842e-c321cc9d413f": "IoT Hub Data Contributor",
    "b447c946-2db7-41ec-983d-d8bf3b1c77e3": "IoT Hub Data Reader",
    "4ea46cd5-c1b2-4a8e-910b-273211f9ce47": "IoT Hub Registry Contributor",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "a5c3590a-3a1a-4cd4-9648-ea0a32b15137": "Azure Device Registry Contributor",
    "547f7f0a-69c0-4807-bd9e-0321dfb66a84": "Azure Device Registry Onboarding",
}
"""Source: Azure, "Azure built-in roles"."""

ASSIGNMENT: Final = "Microsoft.Authorization/roleAssignments"
ACCESS: Final = r"access(?:-[a-z]+)*\.bicep"
"""One file, or one for each scope where assignments have several: a module has one scope."""

_GUID: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def check(project: Project) -> Iterator[Finding]:
    """Role ids that are unknown or called something else, and assignments that are not where or what they should be."""
    for source in project.template:
        for node in source.nodes:
            guid = literal(node)
            if guid and re.fullmatch(_GUID, guid):
                yield from _named(source, node, guid.lower())
        for declared in source.of("resource").values():
            if declared.resource_type[0] == ASSIGNMENT and not declared.is_existing:
                if not re.fullmatch(ACCESS, source.path.name):
                    yield source.finding(
                        declared.node, "role-place", "roles are assigned in access.bicep alone, or access-SCOPE.bicep"
                    )
                for body in declared.bodies:
                    if value_of(body, "properties", "principalType") is None:
                        yield source.finding(body, "principal-type", f"{declared.name}: says no principalType")


def _named(source: Source, node: Node, guid: str) -> Iterator[Finding]:
    if guid not in ROLES:
        yield source.finding(node, "role-unknown", f"{guid} is no role that is known here")
        return
    name = _name(node)
    if name is not None and _words(name) != _words(ROLES[guid]):
        yield source.finding(node, "role-name", f"{guid} is {ROLES[guid]!r}, and is called {name!r}")


def _name(node: Node) -> str | None:
    """What a value is called: the property or variable that it is the value of, None where it has no name."""
    parent = node.parent
    if parent is not None and parent.type in ("object_property", "variable_declaration"):
        return text_of(parts(parent)[0])
    return None


def _words(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
