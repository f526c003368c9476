"""Names: each is declared once, and used; nothing is used that is not declared."""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from infra.bicep.source import KINDS, Source
from infra.bicep.syntax import called, items, parts, text_of, walk
from infra.findings import Finding


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTIONS: Final = _words(
    """any array base64 base64ToJson base64ToString bool buildUri cidrHost cidrSubnet coalesce concat contains
    containsKey createArray dataUri dataUriToString dateTimeAdd dateTimeFromEpoch dateTimeToEpoch deployer deployment
    empty endsWith environment extensionResourceId fail filter first flatten format groupBy guid indexOf int
    intersection items join json last lastIndexOf length list listKeys loadDirectoryFileInfo loadFileAsBase64
    loadJsonContent loadTextContent loadYamlContent managementGroup managementGroupResourceId map mapValues max min
    newGuid objectKeys padLeft parseCidr parseUri pickZones providers range reduce reference replace resourceGroup
    resourceId shallowMerge skip sort split startsWith string sub subscription subscriptionResourceId substring take
    tenant tenantResourceId toLower toLogicalZone toObject toUpper trim tryGet union uniqueString uri uriComponent
    uriComponentToString utcNow"""
)
"""Source: Azure Resource Manager, "Bicep functions"."""

_DECORATORS: Final = _words(
    """allowed batchSize description discriminator export maxLength maxValue metadata minLength minValue
    onlyIfNotExists retryOn sealed secure waitUntil"""
)
_NAMESPACES: Final = frozenset(("az", "sys"))
_UNUSED: Final = {"param": "no-unused-params", "var": "no-unused-vars"}


def check(source: Source) -> Iterator[Finding]:
    """What is wrong with the names of a file."""
    yield from _duplicates(source)
    reader = _Reader(source)
    yield from reader.read(source.root, frozenset())
    for declared in source.declarations:
        code = "no-unused-existing-resources" if declared.is_existing else _UNUSED.get(declared.kind)
        if code and declared.name not in reader.used:
            yield source.finding(declared.node, code, f"{declared.name} is never used")


def _duplicates(source: Source) -> Iterator[Finding]:
    seen = set()
    for declared in source.declarations:
        name = (declared.kind == "output", declared.name)
        if name in seen:
            yield source.finding(declared.node, "BCP028", f"{declared.name} is declared twice")
        seen.add(name)


class _Reader:
    """Reads expressions, and remembers which of the file's names are used."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._declared = frozenset(source.of("param", "var", "resource", "module", "type", "func"))
        self.used: set[str] = set()

    def read(self, node: Node, bound: frozenset[str]) -> Iterator[Finding]:
        """What is wrong with the names in a node; bound are those of loops and lambdas around it."""
        match node.type:
            case "identifier":
                yield from self._name(node, bound)
            case "type":
                self.used.update(text_of(inner) for inner in walk(node) if inner.type == "identifier")
            case "decorator":
                yield from self._decorator(node)
            case "call_expression":
                yield from self._call(node, bound)
            case "array":
                yield from self._array(node, bound)
            case "object_property":
                key, *rest = parts(node)
                yield from self._all([key, *rest] if key.type == "string" else rest, bound)
            case "for_statement":
                head, *rest = parts(node)
                names = {text_of(inner) for inner in walk(head) if not parts(inner)}
                yield from self._all(rest, bound | names)
            case "lambda_expression":
                *bindings, body = parts(node)
                names = {text_of(inner) for part in bindings for inner in walk(part) if inner.type == "identifier"}
                yield from self.read(body, bound | names)
            case "metadata_declaration" | "target_scope_assignment":
                return
            case kind if kind in KINDS:
                yield from self._all(parts(node)[1:], bound)
            case _:
                yield from self._all(parts(node), bound)

    def _all(self, nodes: list[Node], bound: frozenset[str]) -> Iterator[Finding]:
        for node in nodes:
            yield from self.read(node, bound)

    def _array(self, node: Node, bound: frozenset[str]) -> Iterator[Finding]:
        for first, *torn in items(node):
            if torn and first.type == "identifier":
                yield from self._function(first)
            else:
                yield from self.read(first, bound)
            yield from self._all(torn, bound)

    def _name(self, node: Node, bound: frozenset[str]) -> Iterator[Finding]:
        name = text_of(node)
        if name in bound | _NAMESPACES:
            return
        if name in self._declared:
            self.used.add(name)
        else:
            yield self._source.finding(node, "BCP057", f"the name {name!r} does not exist")

    def _call(self, node: Node, bound: frozenset[str]) -> Iterator[Finding]:
        function, *rest = parts(node)
        if function.type == "identifier":
            yield from self._function(function)
        else:
            yield from self.read(function, bound)
        yield from self._all(rest, bound)

    def _function(self, node: Node) -> Iterator[Finding]:
        name = text_of(node)
        self.used.add(name)
        if name not in _FUNCTIONS | self._declared:
            yield self._source.finding(node, "BCP057", f"there is no function {name!r}")

    def _decorator(self, node: Node) -> Iterator[Finding]:
        for call in parts(node):
            name = called(call)
            if name is not None and name not in _DECORATORS:
                yield self._source.finding(call, "BCP057", f"there is no decorator {name!r}")
            for part in parts(call)[1:]:
                yield from self.read(part, frozenset())
