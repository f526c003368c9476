"""Bicep as a tree, and what its nodes say.

Source: tree-sitter-bicep 1.1.0, `src/node-types.json`. It cannot read spread, `extension`, `resourceInput<>`, a
trailing `!` and parameter files.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER: Final = Parser(Language(tree_sitter_bicep.language()))
_COMMENTS: Final = ("comment", "diagnostic_comment")
_ESCAPES: Final = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\'": "'", "\\\\": "\\", "\\$": "$"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A property of an object as it is written; name is None where it is made at deployment."""

    name: str | None
    key: Node
    value: Node


def parse(text: bytes) -> Node:
    """The tree of a file; what could not be read is in it as ERROR and missing nodes."""
    return _PARSER.parse(text).root_node


def text_of(node: Node) -> str:
    """A node as it is written."""
    return (node.text or b"").decode(errors="replace")


def parts(node: Node) -> list[Node]:
    """What a node is made of, without punctuation and comments."""
    return [child for child in node.named_children if child.type not in _COMMENTS]


def items(node: Node) -> list[list[Node]]:
    """The items of an array, each of one node: or of several, where the grammar tears a call from what it calls."""
    found: list[list[Node]] = []
    for part in parts(node):
        if found and found[-1][-1].end_byte == part.start_byte:
            found[-1].append(part)
        else:
            found.append([part])
    return found


def walk(node: Node) -> Iterator[Node]:
    """A node and everything in it, in the order of the text."""
    yield node
    for child in parts(node):
        yield from walk(child)


def broken(node: Node) -> Iterator[Node]:
    """The outermost parts of the text that could not be read."""
    if node.type == "ERROR" or node.is_missing:
        yield node
    elif node.has_error:
        for child in node.children:
            yield from broken(child)


def assigned(declaration: Node) -> Node | None:
    """What stands right of a declaration's `=`."""
    seen = False
    for child in declaration.children:
        if seen and child.type not in _COMMENTS:
            return child
        seen = seen or child.type == "="
    return None


def literal(node: Node | None) -> str | None:
    """The value of a string in which nothing is put at deployment, else None."""
    if node is None or node.type != "string" or any(part.type == "interpolation" for part in parts(node)):
        return None
    written = text_of(node)
    if written.startswith("'''"):
        return written[3:-3].removeprefix("\n")
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), written[1:-1])


def entries(node: Node | None) -> list[Entry]:
    """The properties of an object, [] of anything else."""
    found = []
    for part in parts(node) if node is not None and node.type == "object" else []:
        inside = parts(part)
        if part.type == "object_property" and len(inside) > 1:
            key, value = inside[0], inside[-1]
            found.append(Entry(literal(key) if key.type == "string" else text_of(key), key, value))
    return found


def entry(node: Node | None, *path: str) -> Entry | None:
    """The property that a path of names leads to."""
    for name in path[:-1]:
        inner = entry(node, name)
        node = inner.value if inner else None
    return next((found for found in entries(node) if found.name == path[-1]), None)


def value_of(node: Node | None, *path: str) -> Node | None:
    """The value that a path of names leads to."""
    found = entry(node, *path)
    return found.value if found else None


def bodies(node: Node | None) -> Iterator[Node]:
    """The objects that a declaration may come to: those under if, for, parentheses and both branches of a choice."""
    if node is None:
        return
    if node.type == "object":
        yield node
    elif node.type in ("if_statement", "for_statement", "parenthesized_expression"):
        yield from bodies(parts(node)[-1])
    elif node.type == "ternary_expression":
        for branch in parts(node)[1:]:
            yield from bodies(branch)


def called(node: Node) -> str | None:
    """The name of the function or method that a node calls."""
    if node.type != "call_expression":
        return None
    function = parts(node)[0]
    return text_of(parts(function)[-1] if function.type == "member_expression" else function)


def arguments(node: Node) -> list[Node]:
    """What a function is called with."""
    return [part for child in parts(node) if child.type == "arguments" for part in parts(child)]
