"""What a rate search found: the knee, and the curve that leads to it."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.report.results import RunResult
from engine.report.tables import Table
from engine.report.units import NOTHING, cell, count, percent, table, three_digits

_LIMITED = {
    "service": "between the two lies the knee of the service",
    "harness": "limited by the harness: at the last rate too many starts were dropped, so it proves nothing about the "
    "service; give the run more devices",
    "time": "the run ended before the search did",
}


def knee_lines(result: RunResult) -> Iterator[str]:
    """The search of a run that was one, as Markdown."""
    found = result.facts.search
    if found is None:
        return
    told = knee_table(found, result.facts.spec)
    yield "## The knee"
    yield ""
    yield f"{knee_sentences(found, result.facts.spec)} A rate does not hold when `{found['stopWhen']}`."
    yield ""
    yield from table(tuple(map(cell, told.headings)), told.rows)


def knee_table(found: Mapping[str, Any], spec: Mapping[str, Any]) -> Table:
    """One row per rate that was tried, in their order."""
    headings = ("from s", "to s", f"rate per {_unit(spec)}", "starts measured", "dropped", found["stopWhen"], "held")
    return Table(headings, [_row(point) for point in found["curve"]])


def knee_sentences(found: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Both sides of the knee, and what ended the search."""
    knee, unit = found["knee"], _unit(spec)
    return (
        f"Highest rate that held: {_rate(knee['held'], unit)}; lowest that did not: {_rate(knee['failed'], unit)}. "
        f"{_sentence(_LIMITED.get(knee['limitedBy'] or '', 'the search goes on'))}"
    )


def knee_warnings(found: Mapping[str, Any] | None) -> list[str]:
    """What deserves a warning about a search, if there was one."""
    if found is None or found["knee"]["limitedBy"] != "harness" or not found["curve"]:
        return []
    last = found["curve"][-1]
    share = percent(last["dropped"] / max(1, last["starts"]))
    return [f"the rate search was limited by the harness: {share} of the starts at its last rate were dropped"]


def _row(point: Mapping[str, Any]) -> tuple[str, ...]:
    value = point["value"]
    return (
        three_digits(point["beginS"]),
        three_digits(point["endS"]),
        three_digits(point["rate"]),
        count(point["starts"]),
        count(point["dropped"]),
        NOTHING if value is None else three_digits(value),
        "yes" if point["held"] else "no",
    )


def _rate(rate: float | None, unit: str) -> str:
    return "none" if rate is None else f"{three_digits(rate)} per {unit}"


def _unit(spec: Mapping[str, Any]) -> str:
    load = spec.get("load")
    return str(load.get("timeUnit", "1s")) if isinstance(load, Mapping) else "1s"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
