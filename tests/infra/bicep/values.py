"""What is written, against the types it is for.

Names are followed to what they are declared as, where that is in the same file. What a call returns or a member of an
object is, is taken on trust where `kinds` does not know it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tree_sitter import Node

from infra.bicep.kinds import branches, kind_of, strings_of
from infra.bicep.limits import limits_of
from infra.bicep.source import Source
from infra.bicep.syntax import bodies, entries, items, literal, text_of, value_of
from infra.bicep.types import Property, Type
from infra.findings import Finding

_KINDS: Final = {
    "Object": "object",
    "DiscriminatedObject": "object",
    "Array": "array",
    "String": "string",
    "StringLiteral": "string",
    "Integer": "int",
    "Boolean": "bool",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which property of which resource a value is for, its indices left out."""

    resource: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.resource}: {self.path}" if self.path else self.resource

    def of(self, name: str) -> "Place":
        """A property of what is here."""
        return Place(self.resource, f"{self.path}.{name}" if self.path else name)

    def item(self) -> "Place":
        """An item of what is here."""
        return Place(self.resource, f"{self.path}[]")


def check(source: Source, node: Node, expected: Type | None, place: Place) -> Iterator[Finding]:
    """What is wrong with a value."""
    for branch in branches(node):
        if expected is not None:
            yield from _check(source, branch, expected, place)


def check_properties(
    source: Source, node: Node, known: dict[str, Property], rest: Type | None, place: Place
) -> Iterator[Finding]:
    """What is wrong with the properties of an object; rest is the type of those that are not known, None: refused."""
    seen = set()
    by_lower = {name.lower(): name for name in known}
    for found in entries(node):
        if found.name is None:
            continue
        if found.name in seen:
            yield source.finding(found.key, "BCP025", f"{place.of(found.name)} is set twice")
        seen.add(found.name)
        if found.name in known and known[found.name].is_read_only:
            yield source.finding(found.key, "BCP073", f"{place.of(found.name)} is read-only")
        elif found.name in known:
            yield from check(source, found.value, known[found.name].type, place.of(found.name))
        elif rest is not None:
            yield from check(source, found.value, rest, place.of(found.name))
        else:
            near = by_lower.get(found.name.lower())
            hint = f"; it is called {near!r}" if near else ""
            yield source.finding(found.key, "BCP037", f"{place}: there is no property {found.name!r}{hint}")
    if missing := [name for name, found in known.items() if found.is_required and name not in seen]:
        yield source.finding(node, "BCP035", f"{place}: missing {', '.join(missing)}")


def _check(source: Source, node: Node, expected: Type, place: Place) -> Iterator[Finding]:
    kind = kind_of(source, node)
    wanted = _KINDS.get(expected.kind)
    if expected.kind == "Union":
        yield from _union(source, node, expected, place)
    elif kind and wanted and kind != wanted:
        yield source.finding(node, "BCP036", f"{place}: expected {wanted}, found {kind}")
    elif expected.kind == "DiscriminatedObject":
        yield from _discriminated(source, node, expected, place)
    elif expected.kind == "Object" and node.type == "object":
        yield from check_properties(source, node, expected.properties, expected.rest, place)
    elif expected.kind == "Array":
        yield from _array(source, node, expected, place)
    elif expected.kind == "Integer" and node.type == "number":
        yield from _integer(source, node, expected, place)
    elif wanted == "string":
        yield from _string(source, node, expected, place)


def _discriminated(source: Source, node: Node, expected: Type, place: Place) -> Iterator[Finding]:
    name = expected.facts["discriminator"]
    chosen = value_of(node, name)
    word = literal(chosen)
    if node.type != "object" or (chosen is not None and word is None):
        return
    branch = expected.branch(word) if word is not None else None
    if chosen is None:
        yield source.finding(node, "BCP078", f"{place}: missing {name}")
    elif branch is None:
        yield source.finding(
            chosen, "BCP036", f"{place.of(name)}: {word!r} is not one of {sorted(expected.facts['el'])}"
        )
    else:
        yield from check_properties(source, node, branch.properties, branch.rest, place)


def _array(source: Source, node: Node, expected: Type, place: Place) -> Iterator[Finding]:
    if node.type == "array":
        found = items(node)
        if not expected.facts.get("minLength", 0) <= len(found) <= expected.facts.get("maxLength", len(found)):
            yield source.finding(node, "BCP332", f"{place}: {len(found)} items")
        for item, *torn in found:
            if not torn:
                yield from check(source, item, expected.item, place.item())
    elif node.type == "for_statement":
        for body in bodies(node):
            yield from check(source, body, expected.item, place.item())


def _union(source: Source, node: Node, expected: Type, place: Place) -> Iterator[Finding]:
    kinds = {_KINDS.get(option.kind) for option in expected.options}
    kind = kind_of(source, node)
    if kind and kinds == {"string"} and kind != "string":
        yield source.finding(node, "BCP036", f"{place}: expected string, found {kind}")
    for word in strings_of(source, node) if expected.words else ():
        if word not in expected.words:
            yield source.finding(node, "BCP088", f"{place}: {word!r} is not one of {', '.join(expected.words)}")


def _string(source: Source, node: Node, expected: Type, place: Place) -> Iterator[Finding]:
    facts, value = expected.facts, literal(node)
    if value is not None and facts.get("sensitive"):
        yield source.finding(node, "secret-literal", f"{place}: a secret is written here")
    for word in strings_of(source, node):
        if expected.kind == "StringLiteral" and word != facts["value"]:
            yield source.finding(node, "BCP036", f"{place}: must be {facts['value']!r}")
        if not facts.get("minLength", 0) <= len(word) <= facts.get("maxLength", len(word)):
            yield source.finding(node, "BCP332", f"{place}: {word!r} has {len(word)} characters")
        if "pattern" in facts and not re.search(facts["pattern"], word):
            yield source.finding(node, "pattern", f"{place}: {word!r} does not match {facts['pattern']}")


def _integer(source: Source, node: Node, expected: Type, place: Place) -> Iterator[Finding]:
    value = int(text_of(node))
    least, most = limits_of(place.resource, place.path) or (
        expected.facts.get("minValue", value),
        expected.facts.get("maxValue", value),
    )
    if not least <= value <= most:
        yield source.finding(node, "BCP328", f"{place}: {value} is not from {least} to {most}")
