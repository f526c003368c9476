"""A refused spec for people: every problem, where it is, and what would have been right."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.errors import SpecRefused
from engine.cli.screen import make_console
from engine.cli.words import plain
from engine.errors import HarnessError, Problem, SpecError


def show(refused: HarnessError) -> None:
    """Print it on stderr."""
    make_console(stderr=True).print(rendered(refused))


def rendered(refused: HarnessError) -> Group:
    """One line that says that there is no run, and the problems as a table."""
    match refused:
        case SpecRefused() | SpecError():
            problems = refused.problems
        case _:
            problems = ()
    code = refused.reason if isinstance(refused, SpecRefused) else refused.code
    if not problems:
        return Group(Text(f"the spec was refused ({plain(code)}): {plain(refused)}", style="bold red"))
    many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    parts: list[RenderableType] = [Text(f"the spec was refused ({plain(code)}), {many}:", style="bold red")]
    return Group(*parts, _table(problems))


def _table(problems: tuple[Problem, ...]) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for name in ("where", "problem", "allowed"):
        table.add_column(name, overflow="fold")
    for problem in problems:
        table.add_row(*(Text(plain(text)) for text in (problem.path or "/", problem.message, problem.allowed)))
    return table
