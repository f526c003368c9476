"""Numbers and texts as people read them in a report."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&#])")
_NUMBER = re.compile(rf"[-+]?[\d,.]+(?: %)?|{NOTHING}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def count(number: int) -> str:
    """A whole number in groups of thousands."""
    return f"{number:,}"


def three_digits(number: float | None) -> str:
    """A number with three significant digits, whole ones never shortened to fewer places than they have."""
    if number is None:
        return NOTHING
    rounded = float(f"{number:.3g}")
    places = 2 - math.floor(math.log10(abs(rounded))) if rounded else 0
    return f"{rounded:,.{max(0, places)}f}"


def ms(duration_s: float | None) -> str:
    """A duration in milliseconds with three significant digits, the unit left to the heading."""
    return three_digits(None if duration_s is None else duration_s * 1000)


def percent(share: float | None) -> str:
    """A share as a percentage with three significant digits."""
    return NOTHING if share is None else f"{three_digits(share * 100)} %"


def change(share: float | None) -> str:
    """A relative change as a percentage with its sign: +12.0 %."""
    return NOTHING if share is None else f"{'+' if share > 0 else ''}{percent(share)}"


def duration(seconds: float) -> str:
    """A duration the way a spec writes it, to a tenth of a second below a minute: 4.2s, 5m3s, 1h30m."""
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    words = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{many}{unit}" for many, unit in words if many)


def instant(at: float | None) -> str | None:
    """A moment in unix seconds as RFC 3339 in UTC, to the millisecond."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cell(text: str) -> str:
    """A text from outside as one line that Markdown, and a table in it, shows as it is."""
    return _MARKDOWN.sub(r"\\\1", _UNSEEN.sub(" ", text))


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether all cells hold a number, or stand for none."""
    return all(map(_NUMBER.fullmatch, cells))


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a Markdown table, columns of numbers aligned right. Cells are escaped already."""
    columns = [[row[index] for row in rows] for index in range(len(headings))]
    rule = ["---:" if is_numeric(column) else "---" for column in columns]
    return [f"| {' | '.join(line)} |" for line in (headings, rule, *rows)]
