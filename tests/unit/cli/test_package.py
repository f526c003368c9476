"""The function package."""

import os
import zipfile
from pathlib import PurePosixPath

import pytest

from engine.cli.errors import CommandFailed
from engine.cli.package import build, matches, parse_ignore


@pytest.fixture
def root(tmp_path):
    """A small repository."""
    files = {
        ".gitignore": ".venv/\n*.pyc\n",
        ".funcignore": "# not deployed\ntests/\nengine/cli/\n*.md\n\n",
        "requirements.txt": "rich==15.0.0\n",
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
    """Neither what is not deployed nor what git does not keep is in it."""
    package, requirements = build(root, tmp_path / "dist")
    assert names(package) == [".funcignore", ".gitignore", "engine/run/api.py", "function_app.py", "requirements.txt"]
    assert requirements.read_text() == "rich==15.0.0\n"


def test_package_is_the_same_every_time(root, tmp_path):
    """When files were touched and by whom makes no difference."""
    first, _ = build(root, tmp_path / "one")
    os.utime(root / "function_app.py", (0, 2_000_000_000))
    (root / "function_app.py").chmod(0o600)
    second, _ = build(root, tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()


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
