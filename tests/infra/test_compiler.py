"""The Bicep compiler, where there is one: its words become findings. Stand-ins speak as it does."""

from pathlib import Path

import pytest

from infra import compiler
from infra.samples import places


def program(folder: Path, name: str, script: str) -> Path:
    """A program on a PATH of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_compiler_is_bicep_itself_before_that_of_az(tmp_path: Path) -> None:
    """Both are there."""
    bicep = program(tmp_path, "bicep", "")
    program(tmp_path, "az", "")
    assert compiler.command(str(tmp_path)) == (str(bicep),)


def test_compiler_of_az_is_taken_where_it_has_one(tmp_path: Path) -> None:
    """az without it ends with an error, and installs nothing."""
    az = program(tmp_path / "with", "az", '[ "$1 $2" = "bicep version" ]')
    program(tmp_path / "without", "az", "exit 1")
    assert compiler.command(str(tmp_path / "with")) == (str(az), "bicep")
    assert compiler.command(str(tmp_path / "without")) is None


def test_no_compiler_is_none(tmp_path: Path) -> None:
    """Neither is there."""
    assert compiler.command(str(tmp_path)) is None


def test_warnings_and_errors_become_findings(tmp_path: Path) -> None:
    """Of build and of lint, each with its place."""
    template = tmp_path / "main.bicep"
    said = f"{template}(3,7) : Warning no-unused-params: Parameter is declared but never used."
    wrong = f"{template}(4,1) : Error BCP057: The name does not exist."
    bicep = program(tmp_path, "bicep", f"echo '{said}' >&2\n[ $1 = lint ] || {{ echo '{wrong}' >&2; exit 1; }}")
    found = places(set(compiler.check((str(bicep),), [template])), tmp_path)
    assert found == [("main.bicep", 3, "no-unused-params"), ("main.bicep", 4, "BCP057")]


def test_end_without_a_word_is_a_finding(tmp_path: Path) -> None:
    """A compiler that cannot start checks nothing."""
    bicep = program(tmp_path, "bicep", "exit 3")
    found = places(compiler.check((str(bicep),), [tmp_path / "main.bicep"]), tmp_path)
    assert found == [("main.bicep", 1, "bicep-build"), ("main.bicep", 1, "bicep-lint")]


@pytest.mark.parametrize(
    ("command", "asked"), [((), "build T --stdout"), (("bicep",), "bicep build --file T --stdout")]
)
def test_template_is_named_as_each_wants_it(tmp_path: Path, command: tuple[str, ...], asked: str) -> None:
    """az has an option for it."""
    heard = tmp_path / "heard"
    called = program(tmp_path, "called", f'echo "$@" >> {heard}')
    template = tmp_path / "main.bicep"
    assert list(compiler.check((str(called), *command), [template])) == []
    assert heard.read_text(encoding="utf-8").splitlines()[0] == asked.replace("T", str(template))
