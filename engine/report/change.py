"""A comparison as people read it: one row per number that says something, and what to know before believing it."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.report.compare import BEYOND, compare
from engine.report.results import RunResult
from engine.report.units import NOTHING, cell, change, count, percent, table, three_digits

type Comparison = Mapping[str, Any]
"""What `engine.report.compare` makes."""

type Row = tuple[str, str, str, str]
"""A number's name, its value on both sides, and the change."""

LEGEND = (
    f"Latencies are the intended ones. A ? marks a percentile of too few samples to have {BEYOND} of them beyond it on "
    "both sides: its change says little. Also a change of many samples may be chance, as no two nights are alike."
)

_ALWAYS = ("due", "ok")
_WHERE_ANY = ("failed", "late", "lost", "dropped")
_IN_ONE_LINE = ("rate/s", "p50 ms", "p95 ms", "p99 ms")
_SHOWN_CHARS = 60


def comparison_lines(result: RunResult) -> Iterator[str]:
    """The comparison of a run with its baseline, if it has one, as Markdown."""
    if result.facts.baseline is None:
        return
    found = compare(result.side(), result.facts.baseline)
    yield f"## Compared with {cell(found['to']['runId'])}"
    yield ""
    yield f"{cell(headline(found))}."
    yield from _bullets([*found["notes"], *spec_changes(found)])
    rows = [tuple(map(cell, row)) for row in change_rows(found)]
    if rows:
        yield ""
        yield from table(tuple(map(cell, change_headings(found))), rows)
        yield ""
        yield LEGEND
    yield from _bullets(operation_notes(found))


def headline(found: Comparison) -> str:
    """What is compared with what."""
    to, so_far = found["to"], " so far" if found["partial"] else ""
    judged = to["verdict"] or "not judged yet"
    return (
        f"Run {found['run']['runId']} beside run {to['runId']}{so_far}: {to['name']}, {judged}, "
        f"created {to['createdAt']}"
    )


def change_headings(found: Comparison) -> tuple[str, ...]:
    """The columns of `change_rows`."""
    return ("operation", "number", found["run"]["runId"], found["to"]["runId"], "change")


def change_rows(found: Comparison) -> list[tuple[str, ...]]:
    """The numbers of each operation, which is named in the first row of its own."""
    return [
        ("" if index else operation, *row)
        for operation, numbers in found["operations"].items()
        for index, row in enumerate(_rows(numbers))
    ]


def operation_notes(found: Comparison) -> list[str]:
    """What is to be said of single operations."""
    return [f"{operation}: {note}" for operation, numbers in found["operations"].items() for note in numbers["notes"]]


def spec_changes(found: Comparison) -> list[str]:
    """The fields in which the two specs differ."""
    to = found["to"]["runId"]
    return [
        f"spec {one['path'] or '/'} is {_held(one, 'run')}, in run {to} {_held(one, 'to')}" for one in found["specs"]
    ]


def main_change(found: Comparison) -> str:
    """How the main operation changed, in one line."""
    rows = _rows(found["operations"].get(found["mainOperation"], {}))
    told = [f"{name} {run} after {to} ({share})" for name, run, to, share in rows if name.rstrip(" ?") in _IN_ONE_LINE]
    return f"{found['mainOperation']} {', '.join(told) or 'was measured in neither run'}"


def _rows(numbers: Mapping[str, Any]) -> Iterator[Row]:
    if not numbers:
        return
    for name in _ALWAYS:
        yield _row(name, numbers[name], _count)
    for name in _WHERE_ANY:
        if numbers[name]["run"] or numbers[name]["to"]:
            yield _row(name, numbers[name], _count)
    yield _row("rate/s", numbers["ratePerSecond"], three_digits)
    if numbers["failRate"]["run"] or numbers["failRate"]["to"]:
        yield _row("failed of started", numbers["failRate"], percent)
    for name, pair in numbers["latencyMs"]["intended"].items():
        if name.startswith("p") and (pair["run"], pair["to"]) != (None, None):
            yield _row(f"{name} ms{' ?' if name in numbers['uncertain'] else ''}", pair, three_digits)
    for part, latencies in numbers["parts"].items():
        yield _row(f"{part} avg ms", latencies["avg"], three_digits)


def _row(name: str, pair: Mapping[str, Any], write: Callable[[Any], str]) -> Row:
    return name, write(pair["run"]), write(pair["to"]), change(pair["change"])


def _count(number: int | None) -> str:
    return NOTHING if number is None else count(number)


def _held(one: Mapping[str, Any], side: str) -> str:
    if side not in one:
        return "not used"
    text = json.dumps(one[side], ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _bullets(lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
    yield from (f"- {cell(line)}" for line in lines)
