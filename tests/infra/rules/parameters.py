"""Parameters: each says what it is, and those of a deployment are all given in its parameters file, and no others."""

import json
import re
from collections.abc import Iterator
from typing import Final

from infra.bicep.source import Declaration, Source
from infra.bicep.syntax import literal, text_of
from infra.findings import Finding, line_of, of_line
from infra.project import Project

_DESCRIBED: Final = re.compile(r"(Required|Optional)\. \S.*", re.DOTALL)


_DEFAULT: Final = re.compile(r"\$\{\w+=(.*)\}")
"""What azd takes where a variable of its environment is missing."""


def check(project: Project) -> Iterator[Finding]:
    """Parameters and outputs without a description, and parameters files that do not fit."""
    for source in project.template:
        yield from _described(source)
    for source in project.template.entry_points():
        yield from _given(source)


def _described(source: Source) -> Iterator[Finding]:
    for declared in source.of("param").values():
        found = _DESCRIBED.fullmatch(literal(declared.argument("description")) or "")
        word = "Required" if declared.value is None else "Optional"
        if found is None:
            text = f"{declared.name} has no description 'Required. ...' or 'Optional. ...'"
            yield source.finding(declared.node, "undescribed", text)
        elif found[1] != word:
            yield source.finding(
                declared.node, "undescribed", f"{declared.name} is {word.lower()}, and says {found[1]}"
            )
    for declared in source.of("output").values():
        if not literal(declared.argument("description")):
            yield source.finding(declared.node, "undescribed", f"output {declared.name} has no description")


def _given(source: Source) -> Iterator[Finding]:
    path = source.path.with_name("main.parameters.json")
    if not path.is_file():
        yield source.finding(source.root, "parameters-file", f"there is no {path.name} beside it")
        return
    text = path.read_text(encoding="utf-8")
    try:
        given = json.loads(text)["parameters"]
    except (ValueError, KeyError, TypeError) as error:
        yield of_line(path, getattr(error, "lineno", 1), "parameters-file", f"no parameters file: {error}")
        return
    declared = source.of("param")
    for name in given.keys() - declared.keys():
        yield of_line(path, line_of(text, f'"{name}"'), "parameter-left-over", f"{name} is no parameter")
    for name in declared.keys() & given.keys():
        written = _DEFAULT.fullmatch(str(given[name].get("value", "")))
        ours = _default(declared[name])
        if written and ours is not None and written[1] != ours:
            line = line_of(text, f'"{name}"')
            yield of_line(
                path, line, "parameter-default", f"{name} is {written[1]!r} here, and {ours!r} in {source.path.name}"
            )
    for name in declared.keys() - given.keys():
        yield source.finding(declared[name].node, "parameter-not-given", f"{name} is not in {path.name}")


def _default(declared: Declaration) -> str | None:
    """A default that is written down, as azd would have it."""
    value = declared.value
    if value is None:
        return None
    return text_of(value) if value.type in ("number", "boolean") else literal(value)
