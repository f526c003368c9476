"""The command `certfleet`, as `make install` puts it into an environment."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from engine.cli.package import kept, parse_ignore
from tests.e2e.commanding import ROOT, clean_environ

SITE = sysconfig.get_path("purelib")
"""Where the packages are that these tests run with: a bare environment borrows them."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose environment has nothing but pip."""
    clone = tmp_path / "clone"
    for path in kept(ROOT, [".git/", *parse_ignore((ROOT / ".gitignore").read_text())]):
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, clone / path)
    subprocess.run([sys.executable, "-m", "venv", str(clone / ".venv")], check=True, timeout=120)
    return clone


def carried_out(words: list[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    """What a program says and ends with."""
    borrowed = os.pathsep.join([SITE, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environ = {**clean_environ(), "PYTHONPATH": borrowed}
    return subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_install_makes_the_command_and_leaves_the_clone_alone(clone: Path, tmp_path: Path) -> None:
    """The step of the Makefile, without a network: a program in .venv/bin that works anywhere, and no other file."""
    steps = carried_out(["make", "-n", "-B", ".venv/.installed"], clone).stdout.splitlines()
    [step] = [line for line in steps if line.endswith(" -e .")]
    before = {path for path in clone.rglob("*") if ".venv" not in path.parts}
    done = carried_out(shlex.split(step.removeprefix("@")), clone)
    assert done.returncode == 0, done.stderr
    assert {path for path in clone.rglob("*") if ".venv" not in path.parts} == before

    certfleet, elsewhere = str(clone / ".venv/bin/certfleet"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    shown = carried_out([certfleet, "--help"], elsewhere)
    assert shown.stdout.startswith("usage: certfleet "), shown.stderr
    module = carried_out([str(clone / ".venv/bin/python"), "-m", "engine", "--help"], clone)
    assert module.stdout == shown.stdout.replace("usage: certfleet ", "usage: python -m engine ")
    refused = carried_out([certfleet, "estimate", "--target", "nowhere"], elsewhere)
    assert (refused.returncode, "no such target profile" in refused.stderr) == (104, True)
    assert list(elsewhere.iterdir()) == []
