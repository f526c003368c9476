"""The lock of what is shipped."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from engine.cli.errors import CommandFailed
from engine.cli.lock import (
    LOCK,
    MACHINES,
    REQUIREMENTS,
    Locked,
    asked,
    check_made_of,
    fingerprint,
    normal,
    parse_lock,
    render_lock,
)

ROOT = Path(__file__).parents[3]
ASKED = (ROOT / REQUIREMENTS).read_text()
KEPT = (ROOT / LOCK).read_text()

H11 = Locked("h11", "0.16.0", ("a" * 64,), ("requirements.txt", "wsproto"), "MIT", "")
CFFI = Locked("cffi", "2.1.1", ("b" * 64, "c" * 64), ("cryptography",), "", "MIT License")
TEXT = f"""\
# What is shipped, with all that it needs: wheels for CPython 3.13 on Linux, x86_64 and aarch64.
# Made by `make lock`, never by hand.
# of requirements.txt, sha256 {fingerprint("h11==0.16.0")}
--require-hashes
--only-binary :all:

cffi==2.1.1 \\
    --hash=sha256:{"b" * 64} \\
    --hash=sha256:{"c" * 64}
    # needed by: cryptography
    # licence name: MIT License

h11==0.16.0 \\
    --hash=sha256:{"a" * 64}
    # needed by: requirements.txt, wsproto
    # licence expression: MIT
"""


def test_lock_is_written_the_same_whatever_the_order() -> None:
    """Options first, then packages by name, each with its digests and what is known of it."""
    assert render_lock("h11==0.16.0\n", [H11, CFFI]) == render_lock("h11==0.16.0\n", [CFFI, H11]) == TEXT


def test_lock_is_read_as_it_was_written() -> None:
    """Nothing is lost on the way."""
    assert parse_lock(TEXT) == [CFFI, H11]
    bare = replace(H11, needed_by=(), licence_expression="")
    assert parse_lock(render_lock("", [bare])) == [bare]


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        ("--require-hashes\n", ""),
        ("--only-binary :all:", "--prefer-binary"),
        (" \\\n    --hash=sha256:" + "a" * 64, ""),
        ("h11==0.16.0", "h11>=0.16.0"),
        ("--hash=sha256:" + "c" * 64, "--hash=md5:" + "c" * 32),
        ("licence expression", "remark"),
    ],
)
def test_lock_that_holds_less_is_refused(what: str, instead: str) -> None:
    """Without a digest, a version or the options that make pip look at them, it locks nothing."""
    assert what in TEXT
    with pytest.raises(CommandFailed, match=r"requirements\.lock"):
        parse_lock(TEXT.replace(what, instead))


def test_fingerprint_changes_with_what_is_asked_for_alone() -> None:
    """Comments and order do not count, a version does."""
    assert fingerprint("a==1  # why\n\n# b\nb==2\n") == fingerprint("b==2\na==1") != fingerprint("b==2\na==1.1")
    assert asked("b==2 # x\n#c\n a==1#frag\n") == ["a==1#frag", "b==2"]


def test_lock_of_other_requirements_is_told() -> None:
    """Nothing is built of a lock that was forgotten."""
    check_made_of(TEXT, "h11==0.16.0  # another remark\n")
    with pytest.raises(CommandFailed, match="make lock"):
        check_made_of(TEXT, "h11==0.16.1\n")


def test_kept_lock_is_of_the_requirements_and_whole() -> None:
    """Everything asked for is in it at that version, and everything in it is needed by something that is."""
    check_made_of(KEPT, ASKED)
    packages = {package.name: package for package in parse_lock(KEPT)}
    for line in asked(ASKED):
        requirement = Requirement(line)
        package = packages[normal(requirement.name)]
        assert requirement.specifier.contains(package.version, prereleases=True)
        assert REQUIREMENTS in package.needed_by
    for package in packages.values():
        assert package.needed_by
        assert set(package.needed_by) <= {REQUIREMENTS, *packages}


def test_kept_lock_has_wheels_for_each_machine() -> None:
    """What is compiled has one digest for each machine, what is not has one."""
    counts = {package.name: len(package.digests) for package in parse_lock(KEPT)}
    assert set(counts.values()) == {1, len(MACHINES)}
    assert counts["cryptography"] == counts["grpcio"] == len(MACHINES)


def test_kept_lock_names_no_place() -> None:
    """Where packages come from is pip's configuration, which is everybody's own."""
    assert "://" not in KEPT
    assert "index" not in KEPT


def test_kept_lock_says_every_licence() -> None:
    """None is left to be asked for by whoever ships this."""
    silent = [package.name for package in parse_lock(KEPT) if not package.licence_expression + package.licence_name]
    assert silent == []


def test_gate_runs_with_what_is_asked_for() -> None:
    """The versions that are asked for are those that the tests use."""
    pinned = [Requirement(line) for line in asked(ASKED)]
    assert [one.name for one in pinned if not one.specifier.contains(version(one.name), prereleases=True)] == []
