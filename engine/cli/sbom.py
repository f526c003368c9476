"""What is in the package and in the image, as CycloneDX 1.6: a function of the lock, so the same every time.

Neither a moment nor a serial number is in it: both would differ between two builds of the same thing. The chart library
that the pages carry is in it beside what is installed. What lies below Python is named by the image's base and not
looked into; in the function app it is the platform's.
Source: CycloneDX 1.6 JSON reference; package-url specification, types `pypi`, `npm` and `docker`.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from engine.cli.errors import CommandFailed
from engine.cli.image import DOCKERFILE
from engine.cli.lock import REQUIREMENTS, Locked, parse_lock
from engine.cli.package import read_lock
from engine.run.results import VERSION

FUNCTION: Final = "function.cdx.json"
IMAGE: Final = "image.cdx.json"
NAME: Final = "certfleet"
LICENCE: Final = "MIT"

CHARTS: Final = "engine/report/assets/uplot/uPlot.iife.min.js"

_FROM: Final = re.compile(r"^FROM ([a-z0-9./-]+):([\w.-]+)$", re.MULTILINE)
_CHARTS: Final = re.compile(rb"/\*!.*uPlot \(v([\d.]+)\) \*/")


def build_sboms(root: Path, out: Path, function: Path) -> list[Path]:
    """The two files made: of the function package, whose zip is given, and of the image. Raises CommandFailed."""
    packages = parse_lock(read_lock(root))
    digest = hashlib.sha256(function.read_bytes()).hexdigest()
    app = {**_own("application"), "hashes": _hashes([digest])}
    base = base_image((root / DOCKERFILE).read_text(encoding="utf-8"))
    charts = chart_library((root / CHARTS).read_bytes())
    made = {
        FUNCTION: bill(app, packages, beside=[charts]),
        IMAGE: bill(_own("container"), packages, beside=[base, charts]),
    }
    for name, document in made.items():
        (out / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return [out / name for name in made]


def bill(own: dict[str, Any], packages: Sequence[Locked], beside: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The bill of materials of one component, which is made of the packages and of the components beside them."""
    needs: dict[str, list[str]] = {own["bom-ref"]: [component["bom-ref"] for component in beside]}
    needs |= {_url(package): [] for package in packages}
    known = {REQUIREMENTS: own["bom-ref"], **{package.name: _url(package) for package in packages}}
    for package in packages:
        for asker in package.needed_by:
            needs[known[asker]].append(_url(package))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": [*beside, *map(_component, packages)],
        "dependencies": [{"ref": ref, "dependsOn": sorted(inner)} for ref, inner in needs.items()],
    }


def base_image(dockerfile: str) -> dict[str, Any]:
    """The component that a Dockerfile builds on. Raises CommandFailed unless it is one image with a tag."""
    found = _FROM.findall(dockerfile)
    if len(found) != 1:
        raise CommandFailed(f"{DOCKERFILE}: found {len(found)} lines FROM image:tag, expected 1")
    name, tag = found[0]
    url = f"pkg:docker/{name}@{tag}"
    return {"type": "container", "bom-ref": url, "name": name, "version": tag, "purl": url}


def chart_library(script: bytes) -> dict[str, Any]:
    """The component that the pages' charts are drawn by. Raises CommandFailed unless it says its version."""
    found = _CHARTS.match(script)
    if found is None:
        raise CommandFailed(f"{CHARTS} does not begin with its version")
    version = found[1].decode()
    url = f"pkg:npm/uplot@{version}"
    named = {"type": "library", "bom-ref": url, "name": "uplot", "version": version, "purl": url}
    licences = [{"license": {"id": LICENCE}}]
    return {**named, "hashes": _hashes([hashlib.sha256(script).hexdigest()]), "licenses": licences}


def _own(kind: str) -> dict[str, Any]:
    licences = [{"license": {"id": LICENCE}}]
    return {"type": kind, "bom-ref": NAME, "name": NAME, "version": VERSION, "licenses": licences}


def _component(package: Locked) -> dict[str, Any]:
    """One package, with the digest of each wheel it may have been installed from."""
    url = _url(package)
    named = {"type": "library", "bom-ref": url, "name": package.name, "version": package.version, "purl": url}
    return {**named, "hashes": _hashes(package.digests), **_licences(package)}


def _licences(package: Locked) -> dict[str, Any]:
    if package.licence_expression:
        return {"licenses": [{"expression": package.licence_expression}]}
    return {"licenses": [{"license": {"name": package.licence_name}}]} if package.licence_name else {}


def _hashes(digests: Sequence[str]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest} for digest in digests]


def _url(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.version.replace('+', '%2B')}"
