"""`make` in a clone: what it does when everything is set up, when a pin changed, and when something is missing."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli import telemetry
from engine.cli.client import DOCUMENTS
from engine.cli.package import kept, parse_ignore
from engine.cli.station import azurite_script
from tests.e2e.commanding import ROOT, SMALL, Commands, clean_environ, open_commands

STAMP = ".venv/.installed"
TOOLS = ("sh", "make", "mkdir", "rm", "touch", "grep", "sort", "tail", "awk", "cat")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that is set up: its environment leads to the one these tests run in."""
    clone = tmp_path_factory.mktemp("clone")
    for path in kept(ROOT, [".git/", *parse_ignore((ROOT / ".gitignore").read_text())]):
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, clone / path)
    python = clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (clone / STAMP).touch()
    return clone


@pytest.fixture
def clone(original: Path, tmp_path: Path) -> Path:
    """A clone of this test's own."""
    return Path(shutil.copytree(original, tmp_path / "clone", symlinks=True))


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Commands that work in this test's folder."""
    with open_commands(tmp_path) as found:
        yield found


def make(clone: Path, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """What make says and ends with."""
    told = {"AZURITE_JS": str(azurite_script(os.environ)), **environ}
    return subprocess.run(
        ["make", *words],
        cwd=clone,
        env=clean_environ() | told,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def path_of(folder: Path, *tools: str) -> str:
    """A PATH on which there are only these tools."""
    folder.mkdir()
    for tool in (*TOOLS, *tools):
        (folder / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    return str(folder)


def test_make_run_passes_and_leaves_nothing(clone: Path, commands: Commands) -> None:
    """Set up already, it runs here whatever host is named, writes out/<run id>/, ends with 0; no process is left."""
    (clone / "small.json").write_text(json.dumps(SMALL))
    told = {"AZURITE_JS": str(azurite_script(os.environ)), "CERTFLEET_URL": "http://127.0.0.1:1"}
    command = commands.start(["make", "run", "SPEC=small.json"], clone, **told)
    code, stdout = command.end()
    assert code == 0, command.stderr.read_text()
    assert b"PASSED (exit code 0)" in stdout
    assert b"setting up" not in stdout
    [folder] = (clone / "out").iterdir()
    assert {file.name for file in folder.iterdir()} == {*DOCUMENTS, telemetry.NAME}
    assert b"AppEvents        loadtest.interval" in stdout
    assert commands.left(clone) == []


def test_interrupted_make_run_drains_and_leaves_nothing(clone: Path, commands: Commands) -> None:
    """Ctrl-C reaches make and the run; make waits for the run, and the results are there."""
    (clone / "long.json").write_text(json.dumps({**SMALL, "load": {**SMALL["load"], "duration": "60s"}}))
    azurite = str(azurite_script(os.environ))
    command = commands.start(["make", "run", "SPEC=long.json", "ARGS=--json"], clone, AZURITE_JS=azurite)
    command.comes_to_say("of load")
    command.interrupt()
    _, stdout = command.end()
    summary = json.loads(stdout)
    assert summary["verdict"] == "cancelled"
    assert (clone / "out" / summary["runId"] / "summary.json").exists()
    assert commands.left(clone) == []


ALIASES = {
    "run-cert": "cert-renewal",
    "run-hub-connect": "connect-churn",
    "run-adr": "adr-patch",
    "run-adr-user": "adr-get-patch",
}


@pytest.mark.parametrize("target", ALIASES)
def test_alias_is_a_run_of_its_scenario(clone: Path, target: str) -> None:
    """The predecessor's words ask for the built-in run of a scenario, and take whatever `make run` takes."""
    done = make(clone, "-n", target, "FAULTS={}", 'QUOTAS={"certificates": 60}', "ARGS=--devices 3")
    [command] = [line for line in done.stdout.replace("\\\n", "").splitlines() if "-m engine run" in line]
    words = shlex.split(command)
    faults, quotas = ["--faults", "{}"], ["--quotas", '{"certificates": 60}']
    assert words[words.index("run") :] == ["run", "--scenario", ALIASES[target], *faults, *quotas, "--devices", "3"]


def test_aliases_pass(clone: Path) -> None:
    """One user and many of the device registry, small; the others differ in their scenario only."""
    for target in ("run-adr", "run-adr-user"):
        done = make(clone, target, "ARGS=--devices 3 --duration 6s")
        assert done.returncode == 0, done.stderr
        assert "PASSED (exit code 0)" in done.stdout


def test_setup_is_reused_until_a_pin_changes(clone: Path) -> None:
    """Nothing is done twice, and a changed pin is not overlooked."""
    assert make(clone, "install").stdout == ""
    assert make(clone, "-q", STAMP).returncode == 0
    newer = (clone / STAMP).stat().st_mtime + 10
    os.utime(clone / "requirements.txt", (newer, newer))
    assert make(clone, "-q", STAMP).returncode == 1


def test_missing_python_is_told_with_the_remedy(clone: Path, tmp_path: Path) -> None:
    """A machine without Python 3.13 learns how to get it."""
    shutil.rmtree(clone / ".venv")
    done = make(clone, "install", PATH=path_of(tmp_path / "bin"))
    assert done.returncode != 0
    assert "Python 3.13 was not found: put python3.13 on PATH, or install it with pyenv" in done.stderr


def test_shim_without_a_version_is_no_python(clone: Path, tmp_path: Path) -> None:
    """A python3.13 that only says "command not found" is not taken for one."""
    shutil.rmtree(clone / ".venv")
    path = path_of(tmp_path / "bin")
    shim = tmp_path / "bin" / "python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert "Python 3.13 was not found" in make(clone, "install", PATH=path).stderr


def test_missing_node_is_told_with_the_remedy(clone: Path, tmp_path: Path) -> None:
    """A machine without Node.js learns why it is needed."""
    done = make(clone, "install", PATH=path_of(tmp_path / "bin"), AZURITE_JS="")
    assert done.returncode != 0
    assert "node was not found: install Node.js 20 or newer" in done.stderr


def test_help_lists_every_target(clone: Path) -> None:
    """A target without a word of help does not exist for anybody."""
    told = make(clone, "help").stdout
    makefile = (clone / "Makefile").read_text()
    [phony] = [line for line in makefile.splitlines() if line.startswith(".PHONY: help")]
    assert all(f"make {target} " in told for target in phony.split()[1:])


def test_build_makes_the_function_package(clone: Path) -> None:
    """dist/ has the package and what it needs, and the image of workers; clean-build takes it away."""
    assert make(clone, "build").returncode == 0
    lists = {"function.cdx.json", "image.cdx.json"}
    assert {file.name for file in (clone / "dist").iterdir()} == {"function", "function.zip", "image", *lists}
    make(clone, "clean-build")
    assert not (clone / "dist").exists()
