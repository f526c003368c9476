"""Bicep files and what they declare."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from os.path import normpath
from pathlib import Path
from typing import Final

from tree_sitter import Node

from infra.bicep.syntax import arguments, assigned, bodies, broken, called, literal, parse, parts, text_of, walk
from infra.findings import Finding

KINDS: Final = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "type_declaration": "type",
    "user_defined_function": "func",
}


@dataclass(frozen=True)
class Declaration:
    """One declaration with its decorators; value is what it is set to, None where it is given from outside."""

    kind: str
    name: str
    node: Node
    decorators: tuple[Node, ...]

    @cached_property
    def value(self) -> Node | None:
        """What stands right of the `=`."""
        return assigned(self.node)

    @cached_property
    def type_name(self) -> str:
        """The type of a parameter or output as it is written, "" of anything else."""
        return next((text_of(part) for part in parts(self.node) if part.type == "type"), "")

    @cached_property
    def target(self) -> Node:
        """The string that says what a resource or module is."""
        return next(part for part in parts(self.node) if part.type == "string")

    @property
    def is_existing(self) -> bool:
        """Whether a resource is only referred to."""
        return any(child.type == "existing" for child in self.node.children)

    @property
    def bodies(self) -> list[Node]:
        """The objects that a resource or module may come to."""
        return list(bodies(self.value))

    @property
    def resource_type(self) -> tuple[str, str]:
        """Type and API version of a resource; "" for what is not there."""
        name, _, version = (literal(self.target) or "").partition("@")
        return name, version

    def decorator(self, name: str) -> Node | None:
        """The call in a decorator of that name."""
        return next((found for found in self.decorators if called(found) == name), None)

    def argument(self, name: str) -> Node | None:
        """The first argument of the decorator of that name."""
        found = self.decorator(name)
        return arguments(found)[0] if found is not None and arguments(found) else None


class Source:
    """A file as it was read; nodes are everything in it, in the order of the text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_bytes()
        self.root = parse(self.text)
        self.nodes = list(walk(self.root))
        self.declarations = list(_declarations(self.root))
        self._of: dict[tuple[str, ...], dict[str, Declaration]] = {}

    def of(self, *kinds: str) -> Mapping[str, Declaration]:
        """The declarations of these kinds by name; of several with one name the last."""
        if kinds not in self._of:
            self._of[kinds] = {found.name: found for found in self.declarations if found.kind in kinds}
        return self._of[kinds]

    @property
    def scope(self) -> str:
        """What the file is deployed to."""
        found = next((node for node in parts(self.root) if node.type == "target_scope_assignment"), None)
        return (literal(assigned(found)) if found is not None else None) or "resourceGroup"

    def finding(self, node: Node, code: str, message: str) -> Finding:
        """A finding about a place in this file."""
        row, column = node.start_point
        return Finding(self.path, row + 1, column + 1, code, message)

    def unreadable(self) -> Iterator[Finding]:
        """What is not Bicep."""
        for node in broken(self.root):
            what = "something is missing" if node.is_missing else f"unreadable from {text_of(node)[:40]!r}"
            yield self.finding(node, "syntax", what)


def _declarations(root: Node) -> Iterator[Declaration]:
    decorators: tuple[Node, ...] = ()
    for node in parts(root):
        if node.type == "decorators":
            decorators = tuple(inner for part in parts(node) for inner in parts(part))
            continue
        if node.type in KINDS:
            name = next((text_of(part) for part in parts(node) if part.type == "identifier"), "")
            yield Declaration(KINDS[node.type], name, node, decorators)
        decorators = ()


class Template:
    """Every Bicep file of a folder, by its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder = folder.resolve()
        self.sources: Mapping[Path, Source] = {path: Source(path) for path in sorted(folder.rglob("*.bicep"))}

    def __iter__(self) -> Iterator[Source]:
        return iter(self.sources.values())

    def module(self, source: Source, declaration: Declaration) -> Source | None:
        """The file that a module is, None where there is none."""
        target = literal(declaration.target)
        return self.sources.get(Path(normpath(source.path.parent / target))) if target else None

    def entry_points(self) -> list[Source]:
        """The files that are deployed by themselves."""
        return [source for source in self if source.path.name == "main.bicep"]
