"""What is said to be in the package and in the image."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from engine.cli.errors import CommandFailed
from engine.cli.lock import Locked, parse_lock, render_lock
from engine.cli.sbom import CHARTS, FUNCTION, IMAGE, base_image, bill, build_sboms, chart_library

ROOT = Path(__file__).parents[3]
ASKED = "cryptography==50.0.2\n"
CRYPTOGRAPHY = Locked("cryptography", "50.0.2", ("a" * 64,), ("requirements.txt",), "Apache-2.0 OR BSD-3-Clause", "")
CFFI = Locked("cffi", "2.1.1+own", ("b" * 64, "c" * 64), ("cryptography",), "", "MIT License")
SILENT = Locked("silent", "1", ("d" * 64,), ("cryptography",), "", "")
PACKAGES = (CFFI, CRYPTOGRAPHY, SILENT)
SCRIPT = "/*! uPlot (v1.6.32) */\nvar uPlot\n"


def is_valid(document: Any) -> bool:
    """By the standard's own schema."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """As much of a repository as the lists are made from."""
    files = {
        "requirements.txt": ASKED,
        "requirements.lock": render_lock(ASKED, PACKAGES),
        "Dockerfile": "# x\nFROM python:3.13.12-slim-trixie\n",
        CHARTS: SCRIPT,
        "dist/function.zip": "a zip",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_lists_are_valid_and_name_what_is_in_each(root: Path) -> None:
    """The package's has its digest, the image's what it builds on, both the packages and the charts."""
    out = root / "dist"
    assert build_sboms(root, out, out / "function.zip") == [out / FUNCTION, out / IMAGE]
    function, image = (json.loads((out / name).read_bytes()) for name in (FUNCTION, IMAGE))
    assert is_valid(function)
    assert is_valid(image)
    [digest] = function["metadata"]["component"]["hashes"]
    assert digest["content"] == hashlib.sha256(b"a zip").hexdigest()
    names = ["uplot", "cffi", "cryptography", "silent"]
    assert [component["name"] for component in function["components"]] == names
    assert [component["name"] for component in image["components"]] == ["python", *names]


def test_list_of_the_kept_lock_is_valid_and_whole() -> None:
    """Every package is in it, by name, version, digests and licence."""
    packages = parse_lock((ROOT / "requirements.lock").read_text())
    document = bill({"type": "application", "bom-ref": "x", "name": "x"}, packages)
    assert is_valid(document)
    assert len(document["components"]) == len(packages) == len({one["purl"] for one in document["components"]})
    assert all(one["hashes"] and one["licenses"] for one in document["components"])


def test_package_is_told_with_each_of_its_wheels() -> None:
    """The licence is SPDX's where the package says one, else a name, else nothing is claimed."""
    cffi, cryptography, silent = bill({"bom-ref": "x"}, PACKAGES)["components"]
    assert cffi == {
        "type": "library",
        "bom-ref": "pkg:pypi/cffi@2.1.1%2Bown",
        "name": "cffi",
        "version": "2.1.1+own",
        "purl": "pkg:pypi/cffi@2.1.1%2Bown",
        "hashes": [{"alg": "SHA-256", "content": "b" * 64}, {"alg": "SHA-256", "content": "c" * 64}],
        "licenses": [{"license": {"name": "MIT License"}}],
    }
    assert cryptography["licenses"] == [{"expression": "Apache-2.0 OR BSD-3-Clause"}]
    assert "licenses" not in silent


def test_who_needs_whom_is_told() -> None:
    """What requirements.txt asks for is needed by the whole, as is what lies beside the packages."""
    needs = {
        one["ref"]: one["dependsOn"] for one in bill({"bom-ref": "x"}, PACKAGES, [{"bom-ref": "y"}])["dependencies"]
    }
    assert needs == {
        "x": ["pkg:pypi/cryptography@50.0.2", "y"],
        "pkg:pypi/cffi@2.1.1%2Bown": [],
        "pkg:pypi/cryptography@50.0.2": ["pkg:pypi/cffi@2.1.1%2Bown", "pkg:pypi/silent@1"],
        "pkg:pypi/silent@1": [],
    }


def test_chart_library_is_told_by_its_own_first_line() -> None:
    """Also the one that is kept; one without is refused."""
    assert chart_library(SCRIPT.encode())["purl"] == "pkg:npm/uplot@1.6.32"
    assert chart_library((ROOT / CHARTS).read_bytes())["version"] in (ROOT / CHARTS).read_text()
    with pytest.raises(CommandFailed, match="version"):
        chart_library(b"var uPlot")


@pytest.mark.parametrize("dockerfile", ["", "FROM python\n", "FROM a:1 AS build\n", "FROM a:1\nFROM b:2\n"])
def test_base_that_is_not_one_pinned_image_is_refused(dockerfile: str) -> None:
    """A list that names another base, or none, would be wrong in silence."""
    with pytest.raises(CommandFailed, match="FROM"):
        base_image(dockerfile)
