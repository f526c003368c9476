"""What the worker's image is built from."""

from pathlib import Path

import pytest

from engine.cli.errors import CommandFailed
from engine.cli.image import build_image_context, parse_dockerignore, parse_sources


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository."""
    files = {
        ".gitignore": ".venv/\n*.pyc\n",
        ".dockerignore": "# not for workers\nengine/emulator\n**/__pycache__\nrun.py\n",
        "Dockerfile": "FROM python:3.13\nCOPY requirements.txt ./\nRUN true\n  COPY engine host.json ./\n",
        "requirements.txt": "rich==15.0.0\n",
        "host.json": "{}\n",
        "function_app.py": "no\n",
        "engine/run/run.py": "yes\n",
        "engine/run/__pycache__/run.x": "no\n",
        "engine/run/old.pyc": "no\n",
        "engine/emulator/server.py": "no\n",
        "tests/engine/test_x.py": "no\n",
    }
    for name, text in files.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "repository"


def names(folder: Path) -> list[str]:
    """The files of a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_context_holds_the_dockerfile_and_what_it_copies(root: Path, tmp_path: Path) -> None:
    """Neither what is ignored nor what an earlier build left."""
    left = tmp_path / "dist" / "image" / "engine" / "gone.py"
    left.parent.mkdir(parents=True)
    left.write_text("no\n")
    folder = build_image_context(root, tmp_path / "dist")
    assert folder == tmp_path / "dist" / "image"
    assert names(folder) == ["Dockerfile", "engine/run/run.py", "host.json", "requirements.txt"]


def test_source_that_is_missing_is_told(root: Path, tmp_path: Path) -> None:
    """Also one that is there, but ignored."""
    (root / "host.json").unlink()
    with pytest.raises(CommandFailed, match=r"copies host\.json"):
        build_image_context(root, tmp_path / "dist")


@pytest.mark.parametrize(
    "line", ["COPY --from=build /x /y", 'COPY ["a", "b"]', "ADD x y", "COPY *.py ./", "COPY x", "copy a $WHERE"]
)
def test_copy_of_another_kind_is_refused(line: str) -> None:
    """Nothing is left out of the context because a line was misread."""
    with pytest.raises(CommandFailed, match="only COPY of plain names"):
        parse_sources(f"FROM x\n{line}\n")


def test_names_count_from_the_root_but_after_two_stars() -> None:
    """As Docker reads them, in git's words."""
    read = parse_dockerignore("# why\n\ntests\n/out\n.*\na/b/\n**/*.pyc\n")
    assert read == ["/tests", "/out", "/.*", "/a/b/", "*.pyc"]


@pytest.mark.parametrize("pattern", ["**/x/y", "a/**", "!keep.py"])
def test_pattern_that_is_not_understood_is_refused(pattern: str) -> None:
    """Nothing is built because a pattern was misread."""
    with pytest.raises(CommandFailed, match="neither"):
        parse_dockerignore(f"tests\n{pattern}\n")
