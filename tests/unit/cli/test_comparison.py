"""Two runs beside each other on the terminal."""

from io import StringIO

from rich.console import Console

from engine.cli.comparison import rendered


def drawn(found):
    """The lines of it on a terminal of 130 columns."""
    console = Console(width=130, record=True, file=StringIO())
    console.print(rendered(found))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_comparison_begins_with_what_to_know(comparison):
    """Which runs, what speaks against comparing them, and in which fields their specs differ."""
    assert drawn(comparison)[:4] == [
        "Run new beside run old: nightly [x], passed, created 2026-01-01T00:00:00.000Z",
        "  run new has the verdict failed",
        "  spec /randomSeed is 2, in run old 1",
        "",
    ]


def test_comparison_has_a_row_per_number(comparison):
    """Both sides and the change, under the names of the runs; what a ? means is told below."""
    lines = drawn(comparison)
    rows = [line.split() for line in lines]
    assert rows[4] == ["operation", "number", "new", "old", "change"]
    assert rows[5] == ["cert.issued", "due", "3", "2", "+50.0", "%"]
    assert ["p50", "ms", "?", "300", "200", "+50.0", "%"] in rows
    assert any("A ? marks a percentile of too few samples" in line for line in lines)


def test_comparison_of_nothing_has_no_table(comparison):
    """Two runs that measured nothing still say what they are."""
    assert len(drawn({**comparison, "operations": {}, "notes": [], "specs": []})) == 1


def test_comparison_shows_what_came_in_as_plain_text(comparison):
    """Nothing in an answer moves the cursor."""
    told = {**comparison, "notes": ["a\x1b[2Jb"]}
    assert "  a [2Jb" in drawn(told)
