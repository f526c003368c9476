"""Measurements as they are told: a JSON line each, and a table beside what was aimed for."""

import os
import platform
import shutil
import ssl
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from OpenSSL import SSL


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure should reach and what it must; of: the figure itself, or its ratio to the ceiling."""

    target: float
    floor: float
    is_ratio: bool = False
    more_is_better: bool = True

    def judge(self, found: float) -> str:
        """`target` or `floor`, whichever was reached; `missed` for neither."""
        sign = 1 if self.more_is_better else -1
        if sign * found >= sign * self.target:
            return "target"
        return "floor" if sign * found >= sign * self.floor else "missed"


@dataclass(slots=True)
class Row:
    """One measurement: a value a round, and what the other program of the same round reached."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)
    ceilings: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The median round."""
        return statistics.median(self.values)

    @property
    def ceiling(self) -> float | None:
        """The other program's median round."""
        return statistics.median(self.ceilings) if self.ceilings else None

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' own ratios of value to ceiling."""
        pairs = list(zip(self.values, self.ceilings, strict=False))
        return statistics.median(ours / other for ours, other in pairs) if pairs else None


class Sheet:
    """Rows by name, in the order in which they first came."""

    def __init__(self, budgets: Mapping[str, Budget]) -> None:
        self._budgets = budgets
        self._rows: dict[str, Row] = {}

    def note(self, name: str, value: float, unit: str, ceiling: float | None = None) -> None:
        """One round of one measurement."""
        row = self._rows.setdefault(name, Row(name, unit))
        row.values.append(value)
        if ceiling is not None:
            row.ceilings.append(ceiling)

    def lines(self, facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A JSON object per row."""
        for row in self._rows.values():
            budget = self._budgets.get(row.name)
            yield {
                "bench": "engine",
                "name": row.name,
                "value": _short(row.value),
                "unit": row.unit,
                "samples": [_short(value) for value in row.values],
                "ceiling": _short(row.ceiling),
                "ratio": _short(row.ratio),
                "target": budget.target if budget else None,
                "floor": budget.floor if budget else None,
                "reached": self._reached(row),
                "facts": facts,
            }

    def table(self) -> Iterator[str]:
        """The rows for people."""
        yield f"{'':44} {'median':>10} {'least..most':>21} {'unit':16} {'ceiling':>9} {'ratio':>6}  target  floor"
        for row in self._rows.values():
            budget = self._budgets.get(row.name)
            spread = f"{_text(min(row.values))}..{_text(max(row.values))}"
            aims = f"{_text(budget.target):>7} {_text(budget.floor):>6} {self._reached(row)}" if budget else ""
            yield (
                f"{row.name:44} {_text(row.value):>10} {spread:>21} {row.unit:16}"
                f" {_text(row.ceiling):>9} {_text(row.ratio):>6} {aims}"
            ).rstrip()

    def _reached(self, row: Row) -> str | None:
        budget = self._budgets.get(row.name)
        found = row.ratio if budget and budget.is_ratio else row.value
        return None if budget is None or found is None else budget.judge(found)


def facts_of_this_machine() -> dict[str, Any]:
    """What the figures depend on."""
    tool = shutil.which("openssl")
    told = subprocess.run([tool, "version"], capture_output=True, text=True, check=False).stdout if tool else ""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "python": platform.python_version(),
        "openssl": SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode(),
        "openssl_of_c": told.strip() or ssl.OPENSSL_VERSION,
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
    }


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
