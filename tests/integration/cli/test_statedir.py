"""The directory of state."""

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.errors import CommandFailed
from engine.cli.statedir import held

ROOT = Path(__file__).parents[3]
HOLDER = """import sys, pathlib, time
from engine.cli.statedir import held
with held(pathlib.Path(sys.argv[1]), "up"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_directory_is_made_with_room_for_logs(tmp_path):
    """Nothing has to be there before."""
    with held(tmp_path / "deep" / "state", "run") as directory:
        assert directory.log("host").parent.is_dir()


def test_state_key_is_made_once_for_its_owner_only(tmp_path):
    """The same 64 bytes ever after, readable by nobody else."""
    with held(tmp_path, "run") as directory:
        key = directory.state_key()
        assert len(base64.b64decode(key, validate=True)) == 64
        assert directory.state_key() == key
        assert stat.S_IMODE((tmp_path / "state.key").stat().st_mode) == 0o600


def test_directory_has_one_user_who_is_named(tmp_path):
    """A second command is told who is in the way, and what to do."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with (
            pytest.raises(CommandFailed, match=rf"process {holder.pid} \(certfleet up\).*--dir"),
            held(tmp_path, "run"),
        ):
            pass


def test_directory_of_a_user_who_was_killed_is_free(tmp_path):
    """No lock outlives its process."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        holder.kill()
        holder.wait()
    with held(tmp_path, "run"):
        pass


def test_directory_that_cannot_be_made_is_named(tmp_path):
    """The message says which."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandFailed, match="cannot be used"), held(tmp_path / "file" / "state", "run"):
        pass
