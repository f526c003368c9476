"""Processes that end with the one that started them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHILD = """import os, time
from engine.cli.crew import end_with
end_with(os.getppid())
print("bound", flush=True)
time.sleep(20)
print("left behind", flush=True)"""
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {CHILD!r}])"
ORPHAN = "from engine.cli.crew import end_with\nend_with(1_000_000_000)\nprint('went on')"

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who is left that its parent is gone")


@only_linux
def test_worker_is_killed_with_its_parent() -> None:
    """Whatever killed that one: of the two nobody holds the pipe any more, and nothing more was said."""
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"bound\n"
        parent.kill()
        assert parent.stdout.read() == b""


@only_linux
def test_worker_whose_parent_is_gone_already_does_not_begin() -> None:
    """It would never hear of it."""
    ended = subprocess.run([sys.executable, "-c", ORPHAN], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")
