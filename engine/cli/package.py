"""The function package: what `.funcignore` leaves of the repository, as a folder and in a zip, the same every time.

Its requirements.txt is the repository's lock: Azure's remote build installs what the file of that name in a package
says, and nothing else reads it.
Source: Azure Functions, "Python developer reference guide", "Remote build".
"""

import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from engine.cli.errors import CommandFailed
from engine.cli.lock import LOCK, REQUIREMENTS, check_made_of

FOLDER: Final = "function"
NAME: Final = "function.zip"
MODIFIED: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: files change with their content, not with their checkout."""

IGNORES: Final = (".gitignore", ".funcignore")
"""What git does not keep is somebody's own, and would make two machines' packages differ."""

_UNREAD: Final = re.compile(r"^!|\*\*")


def build(root: Path, out: Path) -> list[Path]:
    """What was made: the package as a folder, without anything that was there before, and as a zip. Raises
    CommandFailed."""
    lock = read_lock(root)
    patterns = [pattern for name in IGNORES for pattern in parse_ignore((root / name).read_text(encoding="utf-8"))]
    files = {path: (root / path).read_bytes() for path in kept(root, [".git/", *patterns])}
    files[PurePosixPath(REQUIREMENTS)] = lock.encode()
    folder, package = out / FOLDER, out / NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with zipfile.ZipFile(package, "w") as archive:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path.as_posix(), MODIFIED)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(entry, content)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    return [folder, package]


def read_lock(root: Path) -> str:
    """The text of the repository's lock. Raises CommandFailed when it is not that of its requirements."""
    try:
        lock = (root / LOCK).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CommandFailed(f"there is no {LOCK}: run `make lock`") from None
    check_made_of(lock, (root / REQUIREMENTS).read_text(encoding="utf-8"))
    return lock


def parse_ignore(text: str) -> list[str]:
    """The patterns of an ignore file. Raises CommandFailed for a kind that is not understood here."""
    lines = [line.strip() for line in text.splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    if unread := [pattern for pattern in patterns if _UNREAD.search(pattern)]:
        raise CommandFailed(f"ignore pattern {unread[0]!r}: neither ! nor ** is understood")
    return patterns


def kept(root: Path, patterns: Sequence[str]) -> Iterator[PurePosixPath]:
    """The files below root that no pattern matches, relative to it."""
    waiting = [PurePosixPath()]
    while waiting:
        folder = waiting.pop()
        for entry in (root / folder).iterdir():
            path = folder / entry.name
            if any(matches(pattern, path, is_folder=entry.is_dir()) for pattern in patterns):
                continue
            if entry.is_dir():
                waiting.append(path)
            else:
                yield path


def matches(pattern: str, path: PurePosixPath, *, is_folder: bool) -> bool:
    """Whether the pattern matches just this path: by name at any depth, or from the root when it has a slash inside.

    Source: gitignore(5), "PATTERN FORMAT".
    """
    if pattern.endswith("/") and not is_folder:
        return False
    bare = pattern.rstrip("/")
    if "/" not in bare:
        return fnmatchcase(path.name, bare)
    wanted = PurePosixPath(bare.lstrip("/")).parts
    return len(wanted) == len(path.parts) and all(map(fnmatchcase, path.parts, wanted))
