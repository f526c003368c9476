"""Tags: everything that can have some has them, and azd finds every service of azure.yaml by its own."""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from infra.bicep.source import Source
from infra.bicep.syntax import entries, literal, value_of
from infra.findings import Finding, of_line
from infra.project import Project

AZD: Final = "azd-service-name"


def check(project: Project) -> Iterator[Finding]:
    """Resources without tags, and services without a resource or the other way round."""
    for source in project.template:
        yield from _untagged(source, project)
    yield from _services(project)


def _untagged(source: Source, project: Project) -> Iterator[Finding]:
    for declared in source.of("resource").values():
        name, version = declared.resource_type
        body = project.data.body(name, version) if project.data else None
        has_tags = name == "Microsoft.Resources/resourceGroups" or (body is not None and "tags" in body.properties)
        is_child = any(value_of(written, "parent") is not None for written in declared.bodies)
        if has_tags and not declared.is_existing and not is_child:
            for written in declared.bodies:
                if value_of(written, "tags") is None:
                    yield source.finding(declared.node, "untagged", f"{declared.name}, a {name}, has no tags")


def _services(project: Project) -> Iterator[Finding]:
    path = project.root / "azure.yaml"
    services = _of_azure_yaml(path.read_text(encoding="utf-8")) if path.is_file() else {}
    tagged = {}
    for source in project.template:
        for node in source.nodes:
            for name, value in _tags(node):
                tagged[name] = True
                if name not in services:
                    yield source.finding(value, "azd-service", f"azure.yaml has no service {name!r}")
    for name, line in services.items():
        if name not in tagged:
            yield of_line(path, line, "azd-service", f"no resource is tagged {AZD}: {name}")


def _tags(node: Node) -> Iterator[tuple[str, Node]]:
    for found in entries(node):
        name = literal(found.value)
        if found.name == AZD and name is not None:
            yield name, found.value


def _of_azure_yaml(text: str) -> dict[str, int]:
    """The services by name with their lines: the keys one step below `services:`."""
    services, inside = {}, False
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(r"\S", line) and not line.startswith("#"):
            inside = line.startswith("services:")
        elif inside and (found := re.match(r"  ([\w-]+):", line)):
            services[found[1]] = number
    return services
