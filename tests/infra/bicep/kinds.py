"""What an expression comes to, as far as the text tells: its kind, and the strings that it may be."""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from infra.bicep.source import Source
from infra.bicep.syntax import called, literal, parts, text_of

_WRITTEN: Final = {
    "string": "string",
    "number": "int",
    "boolean": "bool",
    "object": "object",
    "array": "array",
    "for_statement": "array",
}
_RETURNED: Final = {
    "string": "base64 base64ToString format guid join loadFileAsBase64 loadTextContent newGuid padLeft replace "
    "resourceId string subscriptionResourceId substring tenantResourceId toLower toUpper trim uniqueString uri utcNow",
    "bool": "bool contains empty endsWith startsWith",
    "int": "dateTimeToEpoch indexOf int lastIndexOf length",
    "array": "createArray filter map objectKeys range sort split",
}
_OF_CALLS: Final = {name: kind for kind, names in _RETURNED.items() for name in names.split()}
_OF_OPERATORS: Final = {
    **dict.fromkeys(("==", "!=", "=~", "!~", "<", "<=", ">", ">=", "&&", "||"), "bool"),
    **dict.fromkeys(("+", "-", "*", "/", "%"), "int"),
}
_OF_ALL_RESOURCES: Final = {"id": "string", "name": "string", "type": "string", "apiVersion": "string"}


def branches(node: Node) -> Iterator[Node]:
    """The expressions of which an expression is one: those of a choice, else itself."""
    if node.type == "parenthesized_expression" and parts(node):
        yield from branches(parts(node)[0])
    elif node.type == "ternary_expression":
        for branch in parts(node)[1:]:
            yield from branches(branch)
    else:
        yield node


def kind_of(source: Source, node: Node, seen: frozenset[str] = frozenset()) -> str | None:
    """string, int, bool, object or array; None where only the deployment tells, or it may be one of two.

    seen are the variables that led here; one that leads back to itself is nothing.
    """
    kinds = {_kind(source, branch, seen) for branch in branches(node)}
    return kinds.pop() if len(kinds) == 1 else None


def strings_of(source: Source, node: Node, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """The strings that an expression may be, as far as they are written down; seen as in kind_of."""
    for branch in branches(node):
        value = literal(branch)
        if value is not None:
            yield value
        elif branch.type == "identifier" and text_of(branch) not in seen:
            yield from _strings_of_name(source, text_of(branch), seen)


def _strings_of_name(source: Source, name: str, seen: frozenset[str]) -> Iterator[str]:
    declared = source.of("param", "var").get(name)
    if declared is None:
        return
    allowed = declared.argument("allowed")
    if allowed is not None:
        yield from filter(None, map(literal, parts(allowed)))
    elif declared.kind == "var" and declared.value is not None:
        yield from strings_of(source, declared.value, seen | {name})


def _kind(source: Source, node: Node, seen: frozenset[str]) -> str | None:
    if node.type in _WRITTEN:
        return _WRITTEN[node.type]
    if node.type == "identifier":
        return _kind_of_name(source, text_of(node), seen)
    if node.type == "call_expression":
        return _OF_CALLS.get(called(node) or "")
    if node.type == "unary_expression":
        return "bool" if node.children[0].type == "!" else "int"
    if node.type == "binary_expression":
        return _OF_OPERATORS.get(node.children[1].type)
    if node.type == "member_expression":
        owner, member = parts(node)[0], parts(node)[-1]
        if owner.type == "identifier" and text_of(owner) in source.of("resource"):
            return _OF_ALL_RESOURCES.get(text_of(member))
    return None


def _kind_of_name(source: Source, name: str, seen: frozenset[str]) -> str | None:
    declared = source.of("param", "var").get(name)
    if declared is None or name in seen:
        return None
    if declared.kind == "param":
        return declared.type_name if declared.type_name in _WRITTEN.values() else None
    return kind_of(source, declared.value, seen | {name}) if declared.value is not None else None
