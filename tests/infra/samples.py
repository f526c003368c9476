"""Small templates whose lines say what is wrong with them: `// !! CODE`, one code or several."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from infra.bicep.source import Template
from infra.findings import Finding

_EXPECTED: Final = re.compile(r"// !! (?P<codes>[\w-]+(?: [\w-]+)*)$")

type Places = list[tuple[str, int, str]]


def written(folder: Path, files: Mapping[str, str]) -> Template:
    """A template of these files, by their paths."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Template(folder)


def expected(files: Mapping[str, str]) -> Places:
    """File, line and code of every mistake that the files own up to, sorted."""
    return sorted(
        (name, number, code)
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if (found := _EXPECTED.search(line))
        for code in found["codes"].split()
    )


def places(findings: Iterable[Finding], folder: Path) -> Places:
    """The same of what was found."""
    return sorted((str(found.below(folder).path), found.line, found.code) for found in findings)
