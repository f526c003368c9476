"""Resources: their bodies against Azure's types, their parents and scopes, and what is read of them."""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from infra.bicep.source import Declaration, Source
from infra.bicep.syntax import entry, literal, parts, text_of, value_of, walk
from infra.bicep.types import NOT_IN_DATA, REQUIRED, SCOPES, Property, Type, TypeData
from infra.bicep.values import Place, check_properties
from infra.findings import Finding

_EVERYWHERE: Final = ("scope", "parent", "dependsOn")
"""Bicep's own, which the types do not list."""

_KIND: Final = re.compile(r"(?P<name>[\w.]+(?:/\w+)+)@(?P<version>\d{4}-\d{2}-\d{2}(?:-\w+)?)")


def check(source: Source, data: TypeData) -> Iterator[Finding]:
    """What is wrong with the resources of a file, and with what it reads of them."""
    for declared in source.of("resource").values():
        name, version = declared.resource_type
        body = data.body(name, version)
        if body is not None:
            yield from _resource(source, declared, body, data)
        elif f"{name}@{version}".lower() not in NOT_IN_DATA:
            yield source.finding(declared.target, "BCP081", _unknown(declared, data))
    yield from _reads(source, data)


def _unknown(declared: Declaration, data: TypeData) -> str:
    written = literal(declared.target) or text_of(declared.target)
    if not _KIND.fullmatch(written):
        return f"{written!r} is no resource type with a version"
    versions = data.versions(declared.resource_type[0])
    return f"{written} is not known, " + (f"only version {', '.join(versions)}" if versions else "in no version")


def _resource(source: Source, declared: Declaration, body: Type, data: TypeData) -> Iterator[Finding]:
    name, version = declared.resource_type
    for written in declared.bodies:
        known = body.properties | {word: Property(0, None) for word in _EVERYWHERE}
        if declared.is_existing:
            known = {
                word: Property(found.flags if word == "name" else found.flags & ~REQUIRED, found.type)
                for word, found in known.items()
            }
        if entry(written, "parent") is None and "/" in name.partition("/")[2]:
            yield from _segments(source, written, name)
            known["name"] = Property(known["name"].flags, None)  # the pattern is the last part's only
        yield from check_properties(source, written, known, body.rest, Place(name))
        yield from _parent(source, written, name)
        scope = data.scopes(name, version)
        is_here = entry(written, "scope") is None and entry(written, "parent") is None
        if is_here and not scope & SCOPES.get(source.scope, 0):
            yield source.finding(declared.target, "BCP135", f"{name} cannot be deployed to a {source.scope}")
    if any(part.type == "resource_declaration" for part in walk(declared.node) if part != declared.node):
        yield source.finding(declared.node, "nested-resource", f"{declared.name}: write children with parent:")


def _segments(source: Source, written: Node, name: str) -> Iterator[Finding]:
    value = value_of(written, "name")
    if value is not None and value.type == "string" and text_of(value).count("/") < name.count("/") - 1:
        yield source.finding(value, "BCP169", f"{name}: a child needs parent:, or a name with a / for each level")


def _parent(source: Source, written: Node, name: str) -> Iterator[Finding]:
    parent = value_of(written, "parent")
    declared = source.of("resource").get(text_of(parent)) if parent is not None else None
    if parent is not None and declared is not None:
        found, expected = declared.resource_type[0], name.rpartition("/")[0]
        if found.lower() != expected.lower():
            yield source.finding(parent, "BCP036", f"{name}: its parent is a {expected}, not a {found}")


def _reads(source: Source, data: TypeData) -> Iterator[Finding]:
    """Members of resources that they do not have; each chain is followed from its whole."""
    resources = source.of("resource")
    inner = {parts(node)[0].id for node in source.nodes if node.type == "member_expression"}
    for node in source.nodes:
        if node.type != "member_expression" or node.id in inner:
            continue
        chain = _chain(node)
        declared = resources.get(text_of(chain[0])) if chain[0].type == "identifier" else None
        body = data.body(*declared.resource_type) if declared else None
        if body is not None and declared is not None:
            yield from _read(source, chain[1:], body, declared)


def _chain(node: Node) -> list[Node]:
    """The nodes of `a.b.c` from left to right; calls and indices end it."""
    if node.type == "member_expression":
        owner, member = parts(node)[0], parts(node)[-1]
        return [*_chain(owner), member]
    return [node]


def _read(source: Source, members: list[Node], found: Type, declared: Declaration) -> Iterator[Finding]:
    for member in members:
        name, properties = text_of(member), found.properties
        if found.kind != "Object" or name in ("getSecret", "listKeys", "list"):
            return
        known = properties.get(name)
        if known is None and found.rest is None:
            yield source.finding(member, "BCP053", f"{declared.name}, a {declared.resource_type[0]}, has no {name!r}")
        following = known.type if known else found.rest
        if known is None or following is None:
            return
        found = following
