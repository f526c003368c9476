"""A result as a person reads it, in Markdown.

Whatever comes from outside (names, codes, details, hosts) goes through `cell`. Tables are capped; summary.json has all.
"""

import json
from collections.abc import Iterator

from engine.errors import BLAMES, Blame, Outcome
from engine.measure.counts import Counts
from engine.measure.evaluation import spent_s
from engine.measure.health import CPU_LIMIT, DESCRIPTOR_LIMIT, LAG_LIMIT_S
from engine.measure.histogram import NS_PER_S
from engine.measure.operation import DropReason, Phase
from engine.report.beside import compare_counts
from engine.report.change import comparison_lines
from engine.report.knee import knee_lines
from engine.report.results import BatchFacts, RunResult
from engine.report.rows import SUMMARY_HEADINGS, columns, part_rows, quantiles, summary_rows
from engine.report.storm import storm_of
from engine.report.units import NOTHING, cell, count, duration, instant, ms, percent, table, three_digits

_ROWS = 50
"""How many rows a table of failures or batches has at most (product section 9: repetition in reports capped)."""


def report_markdown(result: RunResult) -> str:
    """The report: the verdict with its reasons first, the spec last."""
    sections = (
        _heading(result),
        _main(result),
        _storm(result),
        knee_lines(result),
        _operations(result),
        _failures(result),
        _drops(result),
        _thresholds(result),
        comparison_lines(result),
        _conservation(result),
        _generator(result),
        _batches(result),
        _hubs(result),
        _emulator(result),
        _spec(result),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def _heading(result: RunResult) -> Iterator[str]:
    facts, judgement = result.facts, result.judgement
    texts = [cell(reason.text) for reason in judgement.reasons]
    so_far = " so far" if facts.is_partial else ""
    first = texts[0] if texts else "nothing spoke against it"
    yield f"# {cell(facts.name)}"
    yield ""
    yield f"**{judgement.verdict.upper()}{so_far}** (exit code {judgement.exit_code}): {first}"
    yield ""
    yield _asked(result)
    if texts[1:] or judgement.warnings:
        yield ""
    for reason, text in zip(judgement.reasons[1:], texts[1:], strict=True):
        yield f"- also {reason.verdict}: {text}"
    for warning in judgement.warnings:
        yield f"- warning: {cell(warning)}"


def _asked(result: RunResult) -> str:
    facts = result.facts
    load_s = spent_s({Phase.RAMP, Phase.STEADY}, facts.durations_s)
    words = [
        f"{cell(facts.scenario)} on target {cell(facts.target)} with {count(facts.devices)} devices",
        f"{duration(load_s)} of load",
        f"run {cell(facts.run_id)}, {cell(facts.state)}",
        f"started {instant(facts.started_at) or NOTHING}, ended {instant(facts.ended_at) or NOTHING}",
        f"seed {facts.random_seed}",
    ]
    words += [f"{facts.attempts} attempts"] if facts.attempts > 1 else []
    words += [f"certfleet {cell(facts.version)}"] if facts.version else []
    words += [f"{cell(name)}={cell(value)}" for name, value in sorted(facts.labels.items())]
    return "Asked: " + "; ".join(words) + "."


def _main(result: RunResult) -> Iterator[str]:
    main = result.facts.main
    counts = result.counts(main)
    rate = three_digits(counts.rate(result.spent_s(main)))
    yield f"## {main}"
    yield ""
    headings = ("latency in ms", "count", "rate/s", "p50", "p95", "p99", "max", "lost", "timeout")
    beside = (count(counts.lost), count(counts.outcomes[Outcome.TIMEOUT]))
    latencies = (("intended: due to end", counts.intended), ("actual: begin to end", counts.actual))
    rows = [(name, count(found.count), rate, *quantiles(found), ms(found.max_s), *beside) for name, found in latencies]
    yield from table(headings, rows)
    yield ""
    yield (
        f"Percentiles cover ok and late; what was lost or timed out has no latency. Failed, late, lost or overdue: "
        f"{percent(counts.fail_rate)} of what started; dropped: {percent(counts.share(Outcome.DROPPED))} of what was "
        "due."
    )


def _storm(result: RunResult) -> Iterator[str]:
    storm = storm_of(result)
    if storm is None:
        return
    yield "## The storm"
    yield ""
    yield from table(
        ("devices connected", *(f"{share} %" for share in storm.connected_s)),
        [("after ms", *(ms(at_s) for at_s in storm.connected_s.values()))],
    )
    yield ""
    yield (
        "Of all devices due, from when they were due: retries count, and so does waiting for one of the handshakes "
        "that a batch has in flight. A share that was never connected, or whose hold was cut short, has no time. "
        f"Connections lost while holding: {count(storm.lost)}."
    )


def _operations(result: RunResult) -> Iterator[str]:
    yield "## All operations"
    yield ""
    yield from table(SUMMARY_HEADINGS, summary_rows(result))
    parts = [row for operation in result.total.operations() for row in part_rows(result, operation)]
    if parts:
        yield ""
        yield from table(("part", "count", "p50 ms", "p95 ms", "p99 ms", "max ms"), parts)


def _failures(result: RunResult) -> Iterator[str]:
    total = result.total
    found = [
        (operation, outcome, code, failures)
        for operation in total.operations()
        for (outcome, code), failures in sorted(total.select(operation).failures.items())
    ]
    found.sort(key=lambda group: -group[3].count)
    if not found:
        return
    yield "## Failures"
    yield ""
    headings = ("operation", "outcome", "code", "blame", "count", "first s", "last s", "for example")
    rows = [
        (
            operation,
            outcome,
            cell(code) or NOTHING,
            BLAMES[outcome],
            count(failures.count),
            f"{failures.first_ns / NS_PER_S:.1f}",
            f"{failures.last_ns / NS_PER_S:.1f}",
            "; ".join(cell(f"{device}: {detail}" if detail else device) for _, device, detail in failures.samples),
        )
        for operation, outcome, code, failures in found[:_ROWS]
    ]
    yield from table(headings, rows)
    yield from _left_out(len(found) - _ROWS)


def _drops(result: RunResult) -> Iterator[str]:
    total = result.total
    rows = [
        (operation, cell(reason), _drop_blame(reason), count(many))
        for operation in total.operations()
        for reason, many in sorted(total.select(operation).drops.items())
    ]
    if rows:
        yield "## Dropped starts"
        yield ""
        yield from table(("operation", "reason", "blame", "count"), rows)


def _drop_blame(reason: str) -> str:
    return "whoever failed the step" if reason == DropReason.STEP_FAILED else Blame.HARNESS


def _thresholds(result: RunResult) -> Iterator[str]:
    judged = result.judgement.thresholds
    if not judged:
        return
    yield "## Thresholds"
    yield ""
    rows = []
    for found in judged:
        threshold = found.threshold
        window = "whole run" if threshold.window_s is None else f"every {duration(threshold.window_s)}"
        delay = f" after {duration(threshold.delay_s)}" if threshold.delay_s else ""
        held = "skipped" if found.is_skipped else "held" if found.is_ok else "**failed**"
        rows.append((cell(str(threshold)), window + delay, held, _found(found.text)))
    yield from table(("threshold", "over", "result", "found"), rows)


def _found(text: str) -> str:
    return cell(text.partition(": ")[2].removeprefix("found ").removeprefix("skipped, "))


def _conservation(result: RunResult) -> Iterator[str]:
    yield "## Do the sums agree?"
    yield ""
    for operation in result.total.operations():
        yield f"- {operation}: {_sums(result.total.select(operation))}"
    if result.judgement.mismatches:
        yield ""
    for mismatch in result.judgement.mismatches:
        yield f"- **mismatch** {cell(mismatch)}"


def _sums(counts: Counts) -> str:
    stopped = counts.in_flight + counts.cancelled
    of_due = "=" if counts.due == counts.started + counts.dropped else "≠"
    cancelled = f" ({count(counts.cancelled)} cancelled at the end)" if counts.cancelled else ""
    return (
        f"due {count(counts.due)} {of_due} started {count(counts.started)} + dropped {count(counts.dropped)}; "
        f"started {count(counts.started)} = ok {count(counts.ok)} + failed {count(counts.failed)} + "
        f"late {count(counts.late)} + lost {count(counts.lost)} + in flight {count(stopped)}{cancelled}"
    )


def _generator(result: RunResult) -> Iterator[str]:
    fitness = result.judgement.fitness.values()
    if not fitness:
        return
    over, judged = sum(fit.over for fit in fitness), sum(fit.judged for fit in fitness)
    yield "## Was the load generator fit?"
    yield ""
    limits = f"loop lag p99 {ms(LAG_LIMIT_S)} ms, CPU {percent(CPU_LIMIT)}, descriptors {percent(DESCRIPTOR_LIMIT)}"
    unfit = [cell(reason) for fit in fitness for reason in fit.reasons]
    answer = "No" if unfit else "Yes"
    yield f"{answer}: {count(over)} of {count(judged)} judged intervals were over a limit ({limits})."
    if unfit:
        yield ""
    yield from (f"- {reason}" for reason in unfit)


def _batches(result: RunResult) -> Iterator[str]:
    batches = result.facts.batches
    if not batches:
        return
    yield "## Batches"
    yield ""
    headings = ("batch", "status", "holder", "token", "devices", "started", "ok", "lag p99 ms", "CPU", "descriptors")
    yield from table(headings, [_batch_row(result, batch) for batch in batches[:_ROWS]])
    yield ""
    yield f"started and ok are of {result.facts.main}; health is the worst interval's."
    yield from _left_out(len(batches) - _ROWS)


def _batch_row(result: RunResult, batch: BatchFacts) -> tuple[str, ...]:
    held = (cell(batch.holder) or NOTHING, str(batch.token), count(batch.devices))
    named = (cell(batch.name), cell(batch.status), *held)
    done = (NOTHING, NOTHING)
    if batch.total is not None:
        counts = batch.total.select(result.facts.main)
        done = (count(counts.started), count(counts.ok))
    fit = result.judgement.fitness.get(batch.name)
    if fit is None:
        return (*named, *done, NOTHING, NOTHING, NOTHING)
    worst = fit.worst
    return (*named, *done, ms(worst.lag_p99_s), percent(worst.cpu_share), percent(worst.descriptor_share))


def _hubs(result: RunResult) -> Iterator[str]:
    total = result.total
    if len({series.hub for series in total.series if series.hub}) < 2:
        return
    yield "## Per hub"
    yield ""
    rows = []
    for operation in total.operations():
        phases, spent = result.phases(operation), result.spent_s(operation)
        hubs = {s.hub for s in total.series if s.hub and s.operation is operation and s.phase in phases}
        rows += [(cell(hub), operation, *columns(result.counts(operation, hub), spent)) for hub in sorted(hubs)]
    yield from table(("hub", *SUMMARY_HEADINGS), rows)


def _emulator(result: RunResult) -> Iterator[str]:
    if result.facts.emulator is None:
        return
    yield "## Beside the emulator's own counts"
    yield ""
    rows = [
        (cell(row.what), NOTHING if row.ours is None else count(row.ours), count(row.theirs), row.note)
        for row in compare_counts(result.total, result.facts.emulator)
    ]
    yield from table(("what", "devices", "emulator", "note"), rows)


def _spec(result: RunResult) -> Iterator[str]:
    yield "## Spec"
    yield ""
    yield "```json"
    yield json.dumps(result.facts.spec, indent=2)
    yield "```"


def _left_out(many: int) -> Iterator[str]:
    if many > 0:
        yield ""
        yield f"… and {count(many)} more in summary.json."
