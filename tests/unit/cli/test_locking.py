"""Resolving what is shipped."""

from engine.cli.locking import platforms


def test_wheels_for_newer_systems_are_not_taken() -> None:
    """Nor those for other machines; what is taken has the newest first and the names of before PEP 600 last."""
    tags = platforms("aarch64")
    assert tags[0] == "manylinux_2_28_aarch64"
    assert tags[-4:] == [
        "manylinux_2_5_aarch64",
        "manylinux2014_aarch64",
        "manylinux2010_aarch64",
        "manylinux1_aarch64",
    ]
    assert len(tags) == len(set(tags)) == 24 + 3
