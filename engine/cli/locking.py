"""Makes requirements.lock: pip resolves requirements.txt, and its report says what it took.

pip installs once into a folder that is thrown away, for what wheels say of themselves, and looks the same versions up
for the other machine. Where it gets them from is pip's own configuration; the lock does not say.
Source: pip, "Installation Report".
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from packaging.requirements import Requirement

from engine.cli.errors import CommandFailed
from engine.cli.lock import LOCK, MACHINES, REQUIREMENTS, Locked, asked, normal, render_lock

NEWEST_GLIBC: Final = 28
"""Wheels for glibc 2.28 and older are taken: Debian 10's, older than any system that is deployed to."""
OLDEST_GLIBC: Final = 5
"""The first that wheels were made for. Source: PEP 600."""

PIP_S: Final = 600


def lock(root: Path) -> Path:
    """The lock file, made anew. Raises CommandFailed where it cannot be made."""
    if sys.platform != "linux" or sys.version_info[:2] != (3, 13):
        raise CommandFailed(f"{LOCK} is made on Linux with CPython 3.13: elsewhere other packages would be needed")
    requirements = (root / REQUIREMENTS).read_text(encoding="utf-8")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        first, *others = MACHINES
        taken = _ask_pip(folder, first, ["--target", str(folder / "site"), "--requirement", str(root / REQUIREMENTS)])
        digests = {name: {digest} for name, digest in taken.items()}
        found = {normal(one.name): one for one in distributions(path=[str(folder / "site")])}
        pins = [f"{name}=={one.version}" for name, one in found.items()]
        for machine in others:
            options = ["--target", str(folder / machine), "--dry-run", "--no-deps", *pins]
            for name, digest in _ask_pip(folder, machine, options).items():
                digests[name].add(digest)
        needed_by = _needed_by(asked(requirements), found)
        packages = [_locked(name, one, digests[name], needed_by[name]) for name, one in found.items()]
    file = root / LOCK
    file.write_text(render_lock(requirements, packages), encoding="utf-8")
    return file


def platforms(machine: str) -> list[str]:
    """The platform tags of wheels that run there, newest first. Source: PEP 600, "Package installers"."""
    modern = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    return [*modern, *(f"manylinux{year}_{machine}" for year in ("2014", "2010", "1"))]


def _ask_pip(folder: Path, machine: str, options: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of every wheel that pip took for that machine, by normal name."""
    report = folder / f"{machine}.json"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--ignore-installed"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.13"]
    command += [word for abi in ("cp313", "abi3", "none") for word in ("--abi", abi)]
    command += [word for tag in platforms(machine) for word in ("--platform", tag)]
    command += ["--no-compile", "--report", str(report), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_S, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"pip cannot resolve {REQUIREMENTS} for {machine}: {done.stderr.strip()}")
    return {normal(item["metadata"]["name"]): _digest(item) for item in json.loads(report.read_bytes())["install"]}


def _digest(item: Mapping[str, Any]) -> str:
    return str(item["download_info"]["archive_info"]["hashes"]["sha256"])


def _needed_by(wanted: Sequence[str], found: Mapping[str, Distribution]) -> dict[str, list[str]]:
    """Who needs a package, sorted; extras count for whoever asks for them."""
    needed: defaultdict[str, set[str]] = defaultdict(set)
    waiting = [(REQUIREMENTS, Requirement(line)) for line in wanted]
    seen: set[tuple[str, str]] = set()
    while waiting:
        asker, requirement = waiting.pop()
        name = normal(requirement.name)
        needed[name].add(asker)
        for extra in _extras(found[name], requirement) - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            waiting += [(name, inner) for inner in _needs(found[name], extra)]
    return {name: sorted(askers) for name, askers in needed.items()}


def _extras(distribution: Distribution, requirement: Requirement) -> set[str]:
    """What is asked of a package: itself, and those of the extras that it has; pip passes over the others."""
    has = {normal(extra) for extra in distribution.metadata.get_all("Provides-Extra") or ()}
    return {"", *(has & {normal(extra) for extra in requirement.extras})}


def _needs(distribution: Distribution, extra: str) -> Iterator[Requirement]:
    for line in distribution.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def _locked(name: str, distribution: Distribution, digests: set[str], needed_by: Sequence[str]) -> Locked:
    expression = distribution.metadata.get("License-Expression", "")
    return Locked(
        name,
        distribution.version,
        tuple(sorted(digests)),
        needed_by=tuple(needed_by),
        licence_expression=expression,
        licence_name="" if expression else _licence_name(distribution),
    )


def _licence_name(distribution: Distribution) -> str:
    """What the classifiers say, else the licence field where that is a name and not the whole text."""
    classifiers = distribution.metadata.get_all("Classifier") or ()
    names = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    said = " ".join(distribution.metadata.get("License", "").split())
    return " / ".join(names) or (said if len(said) < 60 else "")
