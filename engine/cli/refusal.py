"""A refused spec for people: every problem, where it is, and what would have been right; and any error as JSON."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.errors import Refused
from engine.cli.screen import make_console
from engine.cli.words import plain
from engine.errors import HarnessError, Problem, RunRefused, SettingsError, SpecError
from engine.plan.document import Json

LIMIT: Final = ("name", "value", "need", "unit", "source")


def show(refused: HarnessError) -> None:
    """Print it on stderr."""
    make_console(stderr=True).print(rendered(refused))


def rendered(refused: HarnessError) -> Group:
    """One line that says that there is no run, the limit in the way, and the problems as a table."""
    found = to_json(refused)
    start, text, problems = f"the spec was refused ({plain(found['code'])})", plain(refused), _problems(refused)
    if not problems:
        limit = [Text(f"  {_limit(found['limit'])}")] if found.get("limit") else []
        return Group(Text(f"{start}: {text}", style="bold red"), *limit)
    many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    parts: list[RenderableType] = [Text(f"{start}, {many}:", style="bold red")]
    return Group(*parts, _table(problems))


def to_json(error: HarnessError) -> Json:
    """Any error in the shape in which the API answers it, the limit only where there is one."""
    match error:
        case Refused():
            code, limit = error.reason or error.code, error.limit
        case RunRefused():
            code = error.reason
            limit = {name: getattr(error, "limit" if name == "name" else name) for name in LIMIT} if error.limit else {}
        case _:
            code, limit = error.code, {}
    problems = [{"path": p.path, "message": p.message, "allowed": p.allowed} for p in _problems(error)]
    return {"code": code, "message": str(error), "errors": problems, **({"limit": dict(limit)} if limit else {})}


def _problems(error: HarnessError) -> tuple[Problem, ...]:
    match error:
        case Refused() | SpecError():
            return error.problems
        case SettingsError():
            return tuple(Problem(name, text) for name, text in error.problems.items())
        case _:
            return ()


def _limit(limit: Mapping[str, Any]) -> str:
    """The limit in the way in one line."""
    name, value, need, unit, source = (plain(limit.get(key)) if limit.get(key) else "" for key in LIMIT)
    told = f"limit {name}: {value} {unit}".rstrip() + (f", needed {need} {unit}".rstrip() if need else "")
    return told + (f" ({source})" if source else "")


def _table(problems: tuple[Problem, ...]) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for name in ("where", "problem", "allowed"):
        table.add_column(name, overflow="fold")
    for problem in problems:
        table.add_row(*(Text(plain(text)) for text in (problem.path or "/", problem.message, problem.allowed)))
    return table
