"""What the worker's image is built from: the Dockerfile and exactly what it copies."""

import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Final

from engine.cli.errors import CommandFailed
from engine.cli.package import kept, parse_ignore

NAME: Final = "image"
DOCKERFILE: Final = "Dockerfile"

_COPY: Final = re.compile(r"COPY\s+((?:[\w./-]+\s+)+)[\w./-]+")


def build_image_context(root: Path, out: Path) -> Path:
    """The folder that was filled, `image` in out, without anything that was there before. Raises CommandFailed."""
    dockerfile = (root / DOCKERFILE).read_text(encoding="utf-8")
    ignored = [
        *parse_ignore((root / ".gitignore").read_text(encoding="utf-8")),
        *parse_dockerignore((root / ".dockerignore").read_text(encoding="utf-8")),
    ]
    folder = out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    wanted = [PurePosixPath(DOCKERFILE), *map(PurePosixPath, parse_sources(dockerfile))]
    for path in kept(root, [".git/", *ignored]):
        if any(path.is_relative_to(source) for source in wanted):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, folder / path)
    if missing := [source for source in wanted if not (folder / source).exists()]:
        raise CommandFailed(f"{DOCKERFILE} copies {missing[0]}, which is not there or ignored")
    return folder


def parse_sources(dockerfile: str) -> list[str]:
    """What a Dockerfile copies from its context. Raises CommandFailed for a kind of COPY that is not understood here.

    Source: Dockerfile reference, "COPY".
    """
    sources: list[str] = []
    for line in dockerfile.splitlines():
        if line.strip().upper().startswith(("COPY", "ADD")):
            found = _COPY.fullmatch(line.strip())
            if found is None:
                raise CommandFailed(f"{DOCKERFILE}: {line.strip()!r}: only COPY of plain names is understood")
            sources.extend(found[1].split())
    return sources


def parse_dockerignore(text: str) -> list[str]:
    """The patterns of a .dockerignore file, in the words of .gitignore. Raises CommandFailed, as parse_ignore does.

    A pattern counts from the root there, and at any depth only after `**/`.
    Source: Docker, "Build context", ".dockerignore files", "Matching".
    """
    words = (line.strip() for line in text.splitlines())
    return parse_ignore("\n".join(_in_gits_words(word) for word in words if word and not word.startswith("#")))


def _in_gits_words(pattern: str) -> str:
    bare = pattern.removeprefix("**/")
    if pattern.startswith("!") or (bare != pattern and "/" not in bare):
        return bare
    return f"/{pattern.removeprefix('/')}"
