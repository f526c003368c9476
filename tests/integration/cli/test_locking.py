"""Resolving what is shipped, with pip, and wheels that lie beside the test."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from engine.cli.errors import CommandFailed
from engine.cli.lock import LOCK, Locked, check_made_of, parse_lock
from engine.cli.locking import lock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a lock is made on Linux")

ASKED = "Outer.Part==1.0  # why\n"
FOR_X86 = "cp313-cp313-manylinux_2_17_x86_64"
FOR_ARM = "cp313-cp313-manylinux_2_28_aarch64"
TOO_NEW = "cp313-cp313-manylinux_2_40_x86_64"


def digest_of(wheel: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def make_wheel(folder: Path, name: str, tag: str = "py3-none-any", *said: str, version: str = "1.0") -> Path:
    """A wheel with nothing in it but what it says of itself."""
    wheel, home = folder / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
    metadata = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *said])
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{home}/METADATA", metadata + "\n")
        archive.writestr(f"{home}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{home}/RECORD", "")
    return wheel


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip finds wheels, and the only place."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that asks for one package."""
    (tmp_path / "requirements.txt").write_text(ASKED)
    return tmp_path


def test_lock_holds_everything_with_the_wheels_of_each_machine(wheels: Path, root: Path) -> None:
    """What is needed by way of an extra, and nothing that another system needs; licences as the wheels say them."""
    outer = make_wheel(wheels, "outer_part", "py3-none-any", "Requires-Dist: middle[quick,none]")
    middle = make_wheel(
        wheels,
        "middle",
        "py3-none-any",
        "Provides-Extra: quick",
        "Provides-Extra: slow",
        'Requires-Dist: inner>=1; extra == "quick"',
        'Requires-Dist: absent; extra == "slow"',
        'Requires-Dist: absent; sys_platform == "win32"',
        "License-Expression: MIT",
        "License: Other",
    )
    known = ("Requires-Dist: middle", "Classifier: License :: OSI Approved :: BSD License")
    inner = [make_wheel(wheels, "inner", tag, *known) for tag in (FOR_X86, FOR_ARM)]
    make_wheel(wheels, "inner", TOO_NEW, version="2.0")
    text = lock(root).read_text()
    check_made_of(text, ASKED)
    assert parse_lock(text) == [
        Locked("inner", "1.0", tuple(sorted(map(digest_of, inner))), ("middle",), "", "BSD License"),
        Locked("middle", "1.0", (digest_of(middle),), ("inner", "outer-part"), "MIT", ""),
        Locked("outer-part", "1.0", (digest_of(outer),), ("requirements.txt",), "", ""),
    ]


def test_lock_is_left_alone_where_a_machine_has_no_wheel(wheels: Path, root: Path) -> None:
    """What cannot be installed everywhere is told, with pip's own words."""
    make_wheel(wheels, "outer_part", FOR_X86)
    (root / LOCK).write_text("as it was\n")
    with pytest.raises(CommandFailed, match=r"for aarch64: .*outer-part"):
        lock(root)
    assert (root / LOCK).read_text() == "as it was\n"
