"""Contracts between files: what a module is given, and what of it is used."""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from infra.bicep.kinds import branches, kind_of, strings_of
from infra.bicep.source import Declaration, Source, Template
from infra.bicep.syntax import entries, entry, items, literal, parts, text_of
from infra.findings import Finding

_OUTPUT: Final = r"{name}(?:\[[^\]]*\])?(?:!|\??)\.\??outputs\.\??(\w+)"


def check(template: Template) -> Iterator[Finding]:
    """What is wrong between the files of a template, and with the parameters of each."""
    called = {source.path for source in template.entry_points()}
    for source in template:
        for declared in source.of("param").values():
            if declared.value is not None:
                yield from fits(source, declared.value, declared, f"default of {declared.name}")
        for declared in source.of("output").values():
            if declared.value is not None:
                yield from fits(source, declared.value, declared, f"output {declared.name}")
        for module in source.of("module").values():
            target = template.module(source, module)
            if target is None:
                yield source.finding(module.target, "BCP091", f"there is no file {text_of(module.target)}")
                continue
            called.add(target.path)
            yield from _call(source, module, target)
            yield from _outputs(source, module, target)
    for source in template:
        if source.path not in called:
            yield source.finding(source.root, "unused-module", "no template deploys this file")


def fits(source: Source, value: Node, declared: Declaration, what: str) -> Iterator[Finding]:
    """What a value has against the declaration of the parameter or output that it is for."""
    expected = declared.type_name.removesuffix("?")
    for branch in branches(value):
        found = kind_of(source, branch)
        if found and expected in ("string", "int", "bool", "object", "array") and found != expected:
            yield source.finding(branch, "BCP033", f"{what}: expected {expected}, found {found}")
            continue
        yield from _bounds(source, branch, declared, what)
    allowed = declared.argument("allowed")
    if allowed is not None:
        words = [word for word in map(literal, parts(allowed)) if word is not None]
        for word in strings_of(source, value) if words else ():
            if word not in words:
                yield source.finding(value, "BCP033", f"{what}: {word!r} is not one of {', '.join(words)}")


def _bounds(source: Source, value: Node, declared: Declaration, what: str) -> Iterator[Finding]:
    size = None
    if value.type == "number":
        size, names = int(text_of(value)), ("minValue", "maxValue")
    elif value.type == "array" or literal(value) is not None:
        size = len(items(value)) if value.type == "array" else len(literal(value) or "")
        names = ("minLength", "maxLength")
    if size is None:
        return
    least, most = (_number(declared.argument(name)) for name in names)
    if (least is not None and size < least) or (most is not None and size > most):
        unit = "" if value.type == "number" else " in length"
        yield source.finding(value, "BCP328", f"{what}: {size}{unit} is not from {least} to {most}")


def _number(node: Node | None) -> int | None:
    return int(text_of(node)) if node is not None and node.type == "number" else None


def _call(source: Source, module: Declaration, target: Source) -> Iterator[Finding]:
    parameters = target.of("param")
    needed = {name for name, found in parameters.items() if found.value is None and not found.type_name.endswith("?")}
    for body in module.bodies:
        params = entry(body, "params")
        given = {found.name: found for found in entries(params.value if params else None) if found.name}
        if params is not None and params.value.type != "object":
            continue
        for name, found in given.items():
            if name not in parameters:
                yield source.finding(found.key, "BCP037", f"module {module.name}: {target.path.name} has no {name!r}")
            else:
                yield from fits(source, found.value, parameters[name], f"module {module.name}: {name}")
        if missing := sorted(needed - given.keys()):
            yield source.finding(module.node, "BCP035", f"module {module.name}: missing {', '.join(missing)}")
        if source.scope != target.scope and entry(body, "scope") is None:
            yield source.finding(module.node, "BCP134", f"module {module.name}: needs a scope, a {target.scope}")


def _outputs(source: Source, module: Declaration, target: Source) -> Iterator[Finding]:
    pattern = re.compile(_OUTPUT.format(name=re.escape(module.name)))
    for node in source.nodes:
        found = pattern.fullmatch(text_of(node)) if node.type == "member_expression" else None
        if found and found[1] not in target.of("output"):
            yield source.finding(node, "BCP053", f"module {module.name}: {target.path.name} has no output {found[1]!r}")
