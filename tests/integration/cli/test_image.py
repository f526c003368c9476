"""The worker as its image has it: with the files of the build context, and the packages of the lock only.

The image itself is not built here: what a registry would have to be asked for is left to who deploys.
"""

import base64
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from engine.cli.image import build_image_context
from engine.cli.lock import LOCK, normal, parse_lock
from engine.measure.verdict import EXIT_CODES, Verdict

ROOT = Path(__file__).parents[3]

BARE = """import runpy, sys
folder, refused = sys.argv[1], set(sys.argv[2].split(","))
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name in refused:
            raise ModuleNotFoundError(f"{name} is in no requirement", name=name)
sys.meta_path.insert(0, Refusing())
sys.path.insert(0, folder)
sys.argv[:] = ["engine", *sys.argv[3:]]
runpy.run_module("engine", run_name="__main__", alter_sys=True)"""
"""`python -m engine` in a folder, where some packages are not."""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context of this repository."""
    return build_image_context(ROOT, tmp_path_factory.mktemp("dist"))


def carry_out(context: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command line of the image."""
    allowed = {package.name for package in parse_lock((context / LOCK).read_text(encoding="utf-8"))}
    refused = [
        package
        for package, owners in packages_distributions().items()
        if not {normal(owner) for owner in owners} & allowed
    ]
    assert {"pytest", "hypothesis"} <= set(refused)
    return subprocess.run(
        [sys.executable, "-I", "-c", BARE, str(context), ",".join(refused), *arguments],
        cwd=context,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_context_has_the_worker_and_neither_emulator_nor_local_host(context: Path) -> None:
    """Nor tests, nor what the function app alone needs."""
    assert sorted(path.name for path in context.iterdir()) == ["Dockerfile", "engine", LOCK]
    assert (context / "engine" / "run" / "worker.py").is_file()
    assert not (context / "engine" / "emulator").exists()
    assert not (context / "engine" / "localhost").exists()
    assert not list(context.rglob("*.pyc"))


def test_dockerfile_is_pinned_and_not_root(context: Path) -> None:
    """The patch version of a small Debian trixie; a user by number; Python itself gets the signal."""
    text = (context / "Dockerfile").read_text(encoding="utf-8")
    (image,) = re.findall("^FROM (.*)$", text, re.MULTILINE)
    assert re.fullmatch(r"python:3\.13\.\d+-slim-trixie", image)
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)
    assert 'ENTRYPOINT ["python", "-m", "engine"]\nCMD ["worker"]\n' in text
    assert "\nSTOPSIGNAL SIGTERM\n" in text


def test_worker_needs_nothing_that_is_not_in_the_image(context: Path, tmp_path: Path) -> None:
    """It comes as far as the storage, where no such run is: every module was there."""
    assert "--processes" in carry_out(context, "worker", "--help").stdout
    settings = {"STATE_KEY": base64.b64encode(bytes(64)).decode(), "LOCAL_STORE": str(tmp_path / "store")}
    ended = carry_out(context, "worker", RUN_ID="run-nowhere", **settings)
    assert (ended.stderr, ended.returncode) == (
        "certfleet: run run-nowhere is not known to this storage, or not planned yet\n",
        EXIT_CODES[Verdict.ERROR],
    )


def test_worker_in_a_job_of_azure_is_given_its_launcher(context: Path) -> None:
    """The client of Resource Manager is in the requirements, and the settings are those of the function app."""
    ended = carry_out(context, "worker", "run-a", STATE_KEY="x", CONTAINER_APP_JOB_NAME="w", BATCH_JOB="no")
    assert ended.returncode == EXIT_CODES[Verdict.ERROR]
    assert all(name in ended.stderr for name in ("STATE_KEY", "STORAGE_ACCOUNT_URL", "BATCH_JOB"))


def test_worker_without_a_run_says_so(context: Path) -> None:
    """In one line, before anything is asked for."""
    ended = carry_out(context, "worker", "--processes", "2")
    assert ended.stderr == (
        "certfleet: worker needs a run id: RUN_ID as an argument, or as a variable of the environment\n"
    )
    assert ended.returncode == EXIT_CODES[Verdict.ERROR]
