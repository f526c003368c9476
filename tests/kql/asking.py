"""The two runs that queries are asked about where it is not a real one, and reading what is answered."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from kql import fiction

RUN, BASELINE = "nightly-2", "nightly-1"
BEGAN = {RUN: 1_795_428_000.0, BASELINE: 1_795_341_600.0}
"""Whole hours, a day apart."""

ASKED: Mapping[str, str] = {"run": f"'{RUN}'", "baseline": f"'{BASELINE}'", "step": "10s"}

type Ask = Callable[..., list[dict[str, Any]]]

UNDER_LOAD = tuple(fiction.LOAD)
"""The operations of these runs but for that of prepare."""


def by(rows: list[dict[str, Any]], *names: str) -> dict[Any, dict[str, Any]]:
    """The rows by the values of one column, or of several."""
    found = {row[names[0]] if len(names) == 1 else tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows)
    return found


def ms(found_s: float | None) -> float:
    """Milliseconds of seconds."""
    assert found_s is not None
    return found_s * 1000


def moment(at: float) -> datetime:
    """A time as the workspace has it."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
