"""The function package."""

import os
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import yaml

from engine.cli.errors import CommandFailed
from engine.cli.lock import render_lock
from engine.cli.package import FOLDER, build, matches, parse_ignore

ROOT = Path(__file__).parents[3]
ASKED = "rich==15.0.0\n"
LOCK = render_lock(ASKED, [])


@pytest.fixture
def root(tmp_path):
    """A small repository."""
    files = {
        ".gitignore": ".venv/\n*.pyc\n",
        ".funcignore": "# not deployed\nrequirements.lock\ntests/\nengine/cli/\n*.md\n\n",
        "requirements.txt": ASKED,
        "requirements.lock": LOCK,
        "function_app.py": "app = 1\n",
        "README.md": "no\n",
        "tests/test_x.py": "no\n",
        "engine/run/api.py": "yes\n",
        "engine/run/api.pyc": "no\n",
        "engine/cli/run.py": "no\n",
        ".venv/lib/x.py": "no\n",
        ".git/config": "no\n",
    }
    for name, text in files.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "repository"


def names(package):
    """What is in the zip, in its order."""
    with zipfile.ZipFile(package) as archive:
        return archive.namelist()


def test_package_holds_what_the_ignore_files_leave(root, tmp_path):
    """Neither what is not deployed nor what git does not keep nor what an earlier build left is in it."""
    left = tmp_path / "dist" / "function" / "engine" / "gone.py"
    left.parent.mkdir(parents=True)
    left.write_text("no\n")
    folder, package = build(root, tmp_path / "dist")
    assert names(package) == [".funcignore", ".gitignore", "engine/run/api.py", "function_app.py", "requirements.txt"]
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == names(package)


def test_package_installs_what_is_locked(root, tmp_path):
    """The file of that name, which Azure reads, is the lock."""
    folder, package = build(root, tmp_path / "dist")
    assert (folder / "requirements.txt").read_text() == LOCK
    with zipfile.ZipFile(package) as archive:
        assert archive.read("requirements.txt").decode() == LOCK


def test_package_of_a_forgotten_lock_is_refused(root, tmp_path):
    """Also of none; nothing is made."""
    (root / "requirements.txt").write_text("rich==15.0.1\n")
    with pytest.raises(CommandFailed, match="make lock"):
        build(root, tmp_path / "dist")
    (root / "requirements.lock").unlink()
    with pytest.raises(CommandFailed, match=r"there is no requirements\.lock"):
        build(root, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_package_is_the_same_every_time(root, tmp_path):
    """When files were touched and by whom makes no difference."""
    _, first = build(root, tmp_path / "one")
    os.utime(root / "function_app.py", (0, 2_000_000_000))
    (root / "function_app.py").chmod(0o600)
    _, second = build(root, tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()


def test_developer_cli_deploys_the_package_that_is_built():
    """Not the repository, whose requirements.txt leaves open what those packages need."""
    azd = yaml.safe_load((ROOT / "azure.yaml").read_text())
    [app] = [service for service in azd["services"].values() if service["host"] == "function"]
    assert app["project"] == f"dist/{FOLDER}"
    assert azd["hooks"]["prepackage"]["run"].endswith(" build")


@pytest.mark.parametrize(
    ("pattern", "path", "is_folder", "is_matched"),
    [
        ("tests/", "tests", True, True),
        ("tests/", "tests", False, False),
        ("tests/", "engine/tests", True, True),
        ("*.md", "docs/x.md", False, True),
        ("engine/cli/", "engine/cli", True, True),
        ("engine/cli/", "other/engine/cli", True, False),
        ("/out", "out", True, True),
        (".git*", ".gitignore", False, True),
        ("local.settings.json", "local.settings.json.example", False, False),
    ],
)
def test_pattern_matches_as_in_gitignore(pattern, path, is_folder, is_matched):
    """By name at any depth, from the root with a slash inside, folders only with one at the end."""
    assert matches(pattern, PurePosixPath(path), is_folder=is_folder) == is_matched


@pytest.mark.parametrize("pattern", ["!keep.py", "a/**/b"])
def test_pattern_that_is_not_understood_is_refused(pattern):
    """Nothing is deployed because a pattern was misread."""
    with pytest.raises(CommandFailed):
        parse_ignore(pattern)
