"""requirements.lock: what is shipped with all that it needs, each with the digests of its wheels.

A requirements file that pip reads as it is, and refuses to go beyond: a package that is not in it, or whose bytes are
others, is not installed, and nothing is built on the way. Comments hold what pip does not ask for: which
requirements.txt it was made of, who needs a package, and its licence.
Source: pip, "Requirements File Format", "Supported options", and "Secure installs", "Hash-checking mode".
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine.cli.errors import CommandFailed

LOCK: Final = "requirements.lock"
REQUIREMENTS: Final = "requirements.txt"
MACHINES: Final = ("x86_64", "aarch64")

_TITLE: Final = (
    "# What is shipped, with all that it needs: wheels for CPython 3.13 on Linux, x86_64 and aarch64.",
    "# Made by `make lock`, never by hand.",
)
_OPTIONS: Final = ("--require-hashes", "--only-binary :all:")
_MADE_OF: Final = "# of requirements.txt, sha256 "
_PIN: Final = re.compile(r"([a-z0-9-]+)==([\w.+!-]+)")
_HASH: Final = "--hash=sha256:"
_NOTES: Final = ("needed by", "licence expression", "licence name")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of the lock.

    name as in package indexes, in lower case with dashes; digests in hexadecimal, sorted, one per wheel; needed_by has
    names of other packages, and requirements.txt for what is asked for there. licence_expression is SPDX's, and
    licence_name what a package says that has none; both may be "".
    """

    name: str
    version: str
    digests: tuple[str, ...]
    needed_by: tuple[str, ...]
    licence_expression: str
    licence_name: str


def normal(name: str) -> str:
    """The package's name as indexes compare it. Source: PEP 503, "Normalized Names"."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(requirements: str) -> list[str]:
    """What a requirements file asks for, without comments, sorted."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in requirements.splitlines())
    return sorted(line for line in lines if line)


def fingerprint(requirements: str) -> str:
    """Changes with what is asked for, not with comments or order."""
    return hashlib.sha256("\n".join(asked(requirements)).encode()).hexdigest()


def render_lock(requirements: str, packages: Iterable[Locked]) -> str:
    """The lock's text, the same whatever the packages' order."""
    lines = [*_TITLE, f"{_MADE_OF}{fingerprint(requirements)}", *_OPTIONS]
    for package in sorted(packages, key=lambda package: package.name):
        pin = [f"{package.name}=={package.version}", *(f"    {_HASH}{digest}" for digest in package.digests)]
        said = (", ".join(package.needed_by), package.licence_expression, package.licence_name)
        notes = [f"    # {what}: {text}" for what, text in zip(_NOTES, said, strict=True) if text]
        lines += ["", " \\\n".join(pin), *notes]
    return "\n".join(lines) + "\n"


def parse_lock(text: str) -> list[Locked]:
    """The packages of a lock, sorted by name. Raises CommandFailed for what render_lock does not write."""
    opening, *blocks = text.rstrip("\n").split("\n\n")
    if opening.splitlines()[-len(_OPTIONS) :] != list(_OPTIONS):
        raise CommandFailed(f"{LOCK} does not say {' and '.join(_OPTIONS)}: run `make lock`")
    return [_parse_package(block) for block in blocks]


def check_made_of(lock: str, requirements: str) -> None:
    """Return if the lock was made of these requirements. Raises CommandFailed."""
    if f"{_MADE_OF}{fingerprint(requirements)}" not in lock.splitlines():
        raise CommandFailed(f"{LOCK} was made of another {REQUIREMENTS}: run `make lock`")


def _parse_package(block: str) -> Locked:
    lines = [line.strip().removesuffix("\\").strip() for line in block.splitlines()]
    pin = _PIN.fullmatch(lines[0])
    digests = tuple(line.removeprefix(_HASH) for line in lines if line.startswith(_HASH))
    notes = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    if pin is None or not digests or 1 + len(digests) + len(notes) != len(lines) or not notes.keys() <= set(_NOTES):
        raise CommandFailed(f"{LOCK}: {lines[0]!r} is not as `make lock` writes it")
    needed_by, expression, name = (notes.get(what, "") for what in _NOTES)
    return Locked(pin[1], pin[2], digests, tuple(needed_by.split(", ") if needed_by else ()), expression, name)
