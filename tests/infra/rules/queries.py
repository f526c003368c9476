"""Queries that templates load, as Microsoft's parser reads them."""

import re
from collections.abc import Iterator

from kql.parser import parse

from infra.findings import Finding
from infra.project import Project
from infra.rules.texts import loaded


def check(project: Project) -> Iterator[Finding]:
    """What the parser has against the queries; it must be installed."""
    paths = {str(path): path for path in loaded(project, ".kql")}
    if not paths:
        return
    for name, parsed in parse({name: path.read_text(encoding="utf-8") for name, path in paths.items()}).items():
        for problem in parsed.problems:
            found = re.fullmatch(r"(\d+):(\d+): (?:\w+) (\w*): (.*)", problem, re.DOTALL)
            line, column, code, message = found.groups() if found else ("1", "1", "", problem)
            yield Finding(paths[name], int(line), int(column), code or "KQL", message)
