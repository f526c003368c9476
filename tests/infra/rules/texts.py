"""Texts that templates load: each is there, and is what its name says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.bicep.syntax import arguments, called, literal
from infra.findings import Finding, of_line
from infra.project import Project

_LOADING: Final = ("loadTextContent", "loadJsonContent", "loadFileAsBase64", "loadYamlContent")


def check(project: Project) -> Iterator[Finding]:
    """Files that are loaded and are not there, and JSON that is none."""
    for source in project.template:
        for node in source.nodes:
            if called(node) not in _LOADING:
                continue
            name = literal(arguments(node)[0]) if arguments(node) else None
            if name is None:
                yield source.finding(node, "BCP032", f"{called(node)} needs the name of a file, written down")
            elif not (source.path.parent / name).is_file():
                yield source.finding(node, "BCP091", f"there is no file {name}")
    for path in loaded(project, ".json"):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            yield of_line(path, getattr(error, "lineno", 1), "json", str(error))


def loaded(project: Project, suffix: str) -> list[Path]:
    """The files of a kind that templates load and that are there, sorted."""
    found = set()
    for source in project.template:
        for node in source.nodes:
            name = literal(arguments(node)[0]) if called(node) in _LOADING and arguments(node) else None
            path = (source.path.parent / name).resolve() if name else None
            if path is not None and path.suffix == suffix and path.is_file():
                found.add(path)
    return sorted(found)
