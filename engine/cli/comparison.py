"""Two runs beside each other for the terminal, from the answer of `GET /api/runs/{id}/compare`."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.words import plain
from engine.report.change import (
    LEGEND,
    Comparison,
    change_headings,
    change_rows,
    headline,
    operation_notes,
    spec_changes,
)

NUMBERS: Final = 3
"""How many columns at the end hold numbers."""


def rendered(found: Comparison) -> Group:
    """What is compared, what to know before believing it, every number, and which of them to doubt."""
    parts: list[RenderableType] = [Text(plain(headline(found)))]
    parts += [Text(f"  {plain(line)}", style="yellow") for line in found["notes"]]
    parts += [Text(f"  {plain(line)}") for line in spec_changes(found)]
    if found["operations"]:
        parts += [Text(""), numbers(found), Text(""), Text(LEGEND)]
    parts += [Text(f"  {plain(line)}") for line in operation_notes(found)]
    return Group(*parts)


def numbers(found: Comparison) -> Table:
    """One row per number of each operation: both sides and the change."""
    table = Table(box=None, padding=(0, 1), show_edge=False)
    headings = change_headings(found)
    for index, heading in enumerate(headings):
        is_number = index >= len(headings) - NUMBERS
        table.add_column(plain(heading), justify="right" if is_number else "left", no_wrap=not is_number)
    for row in change_rows(found):
        table.add_row(*(Text(plain(cell)) for cell in row))
    return table
