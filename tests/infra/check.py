"""Checks the templates in infra/ without Azure: `make check-infra`.

One line for each mistake, `file:line:column code: message`, and exit code 1 where there is one. What could not be
checked on this machine is said on stderr.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from infra import checkov, compiler
from infra.bicep import checker
from infra.bicep.types import path_of_types
from infra.findings import Finding, sorted_below
from infra.project import Project, read
from infra.rules import grants, identities, models, parameters, queries, roles, secrets, settings, tags, texts

RULES: Final[tuple[Callable[[Project], Iterator[Finding]], ...]] = (
    grants.check,
    identities.check,
    models.check,
    parameters.check,
    roles.check,
    secrets.check,
    settings.check,
    tags.check,
    texts.check,
)


def offline(project: Project) -> list[Finding]:
    """Everything that needs neither Node.js nor checkov nor the compiler."""
    found = [*checker.check(project.template, project.data)]
    for rule in RULES:
        found += rule(project)
    return sorted_below(found, project.root)


def main() -> int:
    """Run all checks; the exit code."""
    project = read()
    found = offline(project)
    if project.data is None:
        _say(f"not checked: bodies of resources, for {path_of_types()} is absent; BICEP_TYPES names Azure's types")
    found += queries.check(project)
    found += _policies(project.template.folder)
    found += _compiled(project)
    for finding in sorted_below(found, project.root):
        print(finding)
    _say(f"{len(project.template.sources)} templates, {len(found)} mistakes")
    return bool(found)


def _policies(folder: Path) -> Iterator[Finding]:
    checkov_command = checkov.command()
    if checkov_command is None:
        _say("not checked: policies, for checkov is not installed; run `make check-infra`, or set CHECKOV")
        return
    yield from checkov.judge(checkov.run(checkov_command, folder), folder, checkov.skips_in(folder))


def _compiled(project: Project) -> Iterator[Finding]:
    command = compiler.command()
    if command is None:
        _say("not checked: what the Bicep compiler says, for there is neither bicep nor az bicep on PATH")
        return
    yield from compiler.check(command, [source.path for source in project.template.entry_points()])


def _say(text: str) -> None:
    print(f"check-infra: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
