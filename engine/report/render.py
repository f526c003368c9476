"""A result as a person reads it, in Markdown.

Whatever comes from outside (names, codes, details, hosts) goes through `cell`. Tables are capped; summary.json has all.
"""

import json
from collections.abc import Iterator

from engine.report import sentences
from engine.report.change import comparison_lines
from engine.report.knee import knee_lines
from engine.report.results import RunResult
from engine.report.storm import storm_of
from engine.report.tables import (
    FAILED,
    Table,
    batches_table,
    drops_table,
    emulator_table,
    failures_table,
    hubs_table,
    main_table,
    operations_table,
    parts_table,
    storm_table,
    thresholds_table,
)
from engine.report.units import cell, table


def report_markdown(result: RunResult) -> str:
    """The report: the verdict with its reasons first, the spec last."""
    sections = (
        _heading(result),
        _main(result),
        _storm(result),
        knee_lines(result),
        _operations(result),
        _section("Failures", failures_table(result)),
        _section("Dropped starts", drops_table(result)),
        _thresholds(result),
        comparison_lines(result),
        _conservation(result),
        _generator(result),
        _batches(result),
        _section("Per hub", hubs_table(result)),
        _section("Beside the emulator's own counts", emulator_table(result)),
        _telemetry(result),
        _spec(result),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def _heading(result: RunResult) -> Iterator[str]:
    facts, judgement = result.facts, result.judgement
    so_far = " so far" if facts.is_partial else ""
    first = cell(sentences.headline(result))
    yield f"# {cell(facts.name)}"
    yield ""
    yield f"**{judgement.verdict.upper()}{so_far}** (exit code {judgement.exit_code}): {first}"
    yield ""
    yield f"Asked: {'; '.join(map(cell, sentences.asked(result)))}."
    if judgement.reasons[1:] or judgement.warnings:
        yield ""
    for reason in judgement.reasons[1:]:
        yield f"- also {reason.verdict}: {cell(reason.text)}"
    for warning in judgement.warnings:
        yield f"- warning: {cell(warning)}"


def _main(result: RunResult) -> Iterator[str]:
    yield f"## {result.facts.main}"
    yield ""
    yield from _lines(main_table(result))
    yield ""
    yield sentences.main_note(result)


def _storm(result: RunResult) -> Iterator[str]:
    storm = storm_of(result)
    if storm is None:
        return
    yield from _section("The storm", storm_table(storm))
    yield ""
    yield sentences.storm_note(storm)


def _operations(result: RunResult) -> Iterator[str]:
    yield "## All operations"
    yield ""
    yield from _lines(operations_table(result))
    parts = parts_table(result)
    if parts.rows:
        yield ""
        yield from _lines(parts)


def _thresholds(result: RunResult) -> Iterator[str]:
    """The section of thresholds, in which a failed one stands out."""
    told = thresholds_table(result)
    if not told.rows:
        return
    yield "## Thresholds"
    yield ""
    bold = f"**{FAILED}**"
    rows = [
        (cell(what), cell(over), bold if held == FAILED else held, cell(found)) for what, over, held, found in told.rows
    ]
    yield from table(told.headings, rows)


def _conservation(result: RunResult) -> Iterator[str]:
    yield "## Do the sums agree?"
    yield ""
    for operation in result.total.operations():
        yield f"- {operation}: {sentences.sums(result.total.select(operation))}"
    if result.judgement.mismatches:
        yield ""
    for mismatch in result.judgement.mismatches:
        yield f"- **mismatch** {cell(mismatch)}"


def _generator(result: RunResult) -> Iterator[str]:
    if not result.judgement.fitness:
        return
    yield "## Was the load generator fit?"
    yield ""
    yield sentences.generator_note(result)
    unfit = sentences.unfit(result)
    if unfit:
        yield ""
    yield from (f"- {cell(reason)}" for reason in unfit)


def _batches(result: RunResult) -> Iterator[str]:
    told = batches_table(result)
    if not told.rows:
        return
    yield "## Batches"
    yield ""
    yield from _lines(told)
    yield ""
    yield sentences.batches_note(result)
    yield from _left_out(told)


def _telemetry(result: RunResult) -> Iterator[str]:
    if result.facts.telemetry is None:
        return
    yield "## Telemetry"
    yield ""
    yield sentences.delivery_note(result.facts.telemetry)


def _spec(result: RunResult) -> Iterator[str]:
    yield "## Spec"
    yield ""
    yield "```json"
    yield json.dumps(result.facts.spec, indent=2)
    yield "```"


def _section(title: str, told: Table) -> Iterator[str]:
    """A table under its title; nothing of one without rows."""
    if told.rows:
        yield f"## {title}"
        yield ""
        yield from _lines(told)
        yield from _left_out(told)


def _lines(told: Table) -> list[str]:
    return table(tuple(map(cell, told.headings)), [tuple(map(cell, row)) for row in told.rows])


def _left_out(told: Table) -> Iterator[str]:
    for line in sentences.left_out(told.left_out):
        yield ""
        yield line
