"""Checkov's policies over the templates, with what it only counts as failures, and every exception with its reason.

An exception is a comment in the resource, `// checkov:skip=CKV_AZURE_1: why`. Checkov reads the templates without these
comments, and what it then finds is held against them here: so an exception that is not needed any more is found too.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.findings import Finding, of_line

RESOURCES: Final = 160
"""What checkov counts in all templates; another number means that it reads something else than before."""

_SKIP: Final = re.compile(r"//\s*checkov:skip=(?P<check>[A-Z0-9_]+):?[ \t]*(?P<reason>.*)")
_REASON_WORDS: Final = 3
_WITHIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Skip:
    """An exception: for one check in the resource that has this line."""

    path: Path
    line: int
    check: str
    reason: str


def command() -> Path | None:
    """Checkov as `make check-infra` sets it up, or the one that CHECKOV names; None where there is none."""
    installed = Path(__file__).parents[2] / ".certfleet/checkov/bin/checkov"
    path = Path(os.environ.get("CHECKOV") or installed)
    return path if path.is_file() else None


def run(checkov: Path, folder: Path) -> Mapping[str, Any]:
    """What checkov has to say of a folder's templates, their exceptions taken out."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(folder, Path(temporary) / folder.name))
        for path in copy.rglob("*.bicep"):
            path.write_text(_SKIP.sub("//", path.read_text(encoding="utf-8")), encoding="utf-8")
        options = ("--framework", "bicep", "--skip-download", "--compact", "--output", "json")
        done = subprocess.run(
            [checkov, "--directory", copy, *options],
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
            env={**os.environ, "LOG_LEVEL": "ERROR"},
        )
    try:
        said = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"checkov ended with {done.returncode} and no report: {done.stderr[-500:]}") from None
    found: Mapping[str, Any] = said[0] if isinstance(said, list) else said
    return found


def judge(said: Mapping[str, Any], folder: Path, skips: list[Skip], *, resources: int = RESOURCES) -> Iterator[Finding]:
    """What is wrong, by what checkov said of the folder."""
    results, used = said.get("results", {}), set()
    for name in results.get("parsing_errors", ()):
        yield of_line(_path(folder, name), 1, "checkov-parsing", "checkov cannot read this file")
    for failed in results.get("failed_checks", ()):
        path, (first, last) = _path(folder, failed["file_path"]), failed["file_line_range"]
        excuses = {s for s in skips if s.path == path and s.check == failed["check_id"] and first <= s.line <= last}
        used |= excuses
        if not excuses:
            yield of_line(path, first, failed["check_id"], f"{failed['resource']}: {failed['check_name']}")
    for skip in skips:
        if len(skip.reason.split()) < _REASON_WORDS:
            yield of_line(skip.path, skip.line, "checkov-skip", f"{skip.check} is skipped without a reason")
        if skip not in used:
            yield of_line(skip.path, skip.line, "checkov-skip", f"{skip.check} does not fail here: no need to skip it")
    found = said.get("summary", said).get("resource_count", 0)
    if found != resources:
        yield of_line(folder / "main.bicep", 1, "checkov-count", f"{found} resources were read, not {resources}")


def skips_in(folder: Path) -> list[Skip]:
    """The exceptions in the templates of a folder."""
    return [
        Skip(path, number, found["check"], found["reason"].strip())
        for path in sorted(folder.rglob("*.bicep"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (found := _SKIP.search(line))
    ]


def _path(folder: Path, name: str) -> Path:
    """A file as checkov names it: from the folder on, or absolute in its copy."""
    _, _, inside = name.rpartition(f"/{folder.name}/")
    return folder / inside.lstrip("/")
