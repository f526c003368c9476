"""A run's documents: put together while it goes on, written once when it ends, read from then on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce
from typing import Final

from engine.device.catalog import SCENARIOS
from engine.errors import NotFound
from engine.measure.operation import Operation
from engine.measure.signal import Delivery
from engine.measure.tally import Tally
from engine.measure.verdict import Ending
from engine.plan.bounds import first_bound
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Profile, Target
from engine.ports import Store
from engine.report.charts import charts
from engine.report.compare import unlike
from engine.report.intervals import timeline_csv
from engine.report.knee import knee_warnings
from engine.report.page import report_html
from engine.report.render import report_markdown
from engine.report.results import BatchFacts, RunFacts, RunResult, conclude
from engine.report.sentences import delivery_warnings
from engine.report.summary import summary
from engine.run import record, start
from engine.run.baseline import against
from engine.run.files import Planned, read_plan, read_spec
from engine.run.gather import LOST, NOT_STARTED, UNFINISHED, Gathered, difference, gather
from engine.run.means import Means
from engine.run.outcome import BatchOutcome
from engine.run.state import RunState, Stage

SUMMARY = "summary.json"
TIMELINE = "timeline.csv"
CHARTS = "charts.json"
REPORT = "report.md"
PAGE = "report.html"
VERSION = "0.1.0"
NAMED = 10
"""How many batches a warning names."""


def conclude_run(state: RunState, means: Means, *, ending: Ending) -> RunResult:
    """The result of a run whose batches have ended, or are lost."""
    planned, spec = read_plan(means.store, state.run_id), read_spec(means.store, state.run_id)
    gathered = gather(state, planned, spec, means, missing=LOST)
    other = against(state, spec, means)
    facts = replace(_facts(state, planned, spec, gathered, means), baseline=other.side)
    facts = replace(facts, state=Stage.FINISHED, ended_at=state.times.get(Stage.FINISHED, means.clock.wall()))
    ending = _ending(gathered, spec, means, ending)
    result = conclude(facts, gathered.timeline, thresholds=spec.judged_by(), ending=ending)
    warnings = [f"batch {o.batch}: {line}" for o in gathered.outcomes for line in (*o.warnings, *_troubles(o))]
    warnings += [*knee_warnings(facts.search), *other.warnings, *_unready(state, gathered, means)]
    warnings += delivery_warnings(facts.telemetry)
    warnings += [] if other.side is None else unlike(result.side(), other.side)
    judgement = replace(result.judgement, warnings=(*result.judgement.warnings, *warnings))
    return replace(result, judgement=judgement)


def document(state: RunState, name: str, means: Means) -> bytes:
    """One of the documents: the one that was written, or one of what is known so far, which says so.

    A run that was given up has none that was written: then it is made of what the batches left.
    """
    held = means.results.read(f"{state.run_id}/{name}")
    if held is not None and not state.is_live:
        return held.body
    try:
        planned, spec = read_plan(means.store, state.run_id), read_spec(means.store, state.run_id)
    except NotFound as early:
        why = "it is not planned yet" if state.is_live else "it was never planned"
        raise NotFound(f"run {state.run_id}", f"there are no results, {why}") from early
    if not state.is_live:
        return DOCUMENTS[name](conclude_run(state, means, ending=Ending(errors=state.reasons)))
    gathered = gather(state, planned, spec, means, missing=UNFINISHED)
    facts = _facts(state, planned, spec, gathered, means)
    facts = replace(facts, baseline=against(state, spec, means).side, is_partial=True)
    return DOCUMENTS[name](conclude(facts, gathered.timeline, thresholds=spec.judged_by()))


def write(result: RunResult, store: Store) -> None:
    """All documents, for people to keep; again is the same."""
    for name, rendered in DOCUMENTS.items():
        record.update(store, f"{result.facts.run_id}/{name}", partial(_replaced, rendered(result)))


def _replaced(body: bytes, _held: bytes | None) -> bytes:
    return body


DOCUMENTS: Final[Mapping[str, Callable[[RunResult], bytes]]] = {
    SUMMARY: lambda result: json.dumps(summary(result), indent=1, allow_nan=False).encode(),
    TIMELINE: lambda result: timeline_csv(result.timeline, result.facts.percentiles).encode(),
    CHARTS: lambda result: json.dumps(charts(result), separators=(",", ":"), allow_nan=False).encode(),
    REPORT: lambda result: report_markdown(result).encode(),
    PAGE: lambda result: report_html(result).encode(),
}
"""What a run leaves for people and machines, each made of its result when it is wanted."""


def _facts(state: RunState, planned: Planned, spec: RunSpec, gathered: Gathered, means: Means) -> RunFacts:
    target = means.targets.get(spec.target)
    starts = [o.load_start for o in gathered.outcomes if o.load_start is not None]
    return RunFacts(
        run_id=state.run_id,
        name=state.name,
        state=state.stage,
        scenario=spec.scenario,
        main=SCENARIOS[spec.scenario].main,
        target=spec.target,
        spec=spec.echo(),
        created_at=state.created,
        durations_s=gathered.durations_s,
        started_at=planned.zero_wall + min(starts) if starts else None,
        labels=dict(state.labels),
        devices=sum(batch.devices for batch in planned.plan.batches),
        hubs=target.profile.hubs if target else (),
        attempts=state.attempt,
        started_by=state.started_by,
        random_seed=spec.random_seed,
        version=VERSION,
        percentiles=spec.results.percentiles,
        batches=[
            BatchFacts(
                name=f"batch {batch.index}",
                status=outcome.stop,
                holder=outcome.holder,
                token=outcome.token,
                devices=batch.devices,
                total=outcome.total,
                health=outcome.health,
            )
            for batch, outcome in zip(planned.plan.batches, gathered.outcomes, strict=True)
        ],
        emulator=_counted(planned, spec, means),
        search=next((outcome.search for outcome in gathered.outcomes if outcome.search is not None), None),
        expected=SCENARIOS[spec.scenario].expected,
        heat=gathered.heat,
        telemetry=_delivered(gathered),
    )


def _delivered(gathered: Gathered) -> Delivery | None:
    """What became of all that the batches told, None where nobody listened."""
    found = [outcome.telemetry for outcome in gathered.outcomes if outcome.telemetry is not None]
    return reduce(Delivery.merge, found) if found else None


def _counted(planned: Planned, spec: RunSpec, means: Means) -> Mapping[str, object] | None:
    """What the emulator has counted since the run was planned."""
    target = means.targets.get(spec.target)
    control = target.profile.control if target else None
    after = means.counters(control) if control else None
    return None if after is None or planned.counters is None else difference(after, planned.counters)


_ERRORS: Mapping[str, str] = {
    LOST: "was lost",
    NOT_STARTED: "never began",
    "refused": "could not run",
    "invalid-stored-certificate": "did not begin",
}


def _ending(gathered: Gathered, spec: RunSpec, means: Means, known: Ending) -> Ending:
    """How the run ended, with what its batches say of it; a run that was stopped need not have begun them all."""
    forgiven = NOT_STARTED if known.cancelled or known.aborted or known.breached else ""
    failed = [o for o in gathered.outcomes if o.stop in _ERRORS and o.stop != forgiven]
    errors = [f"batch {o.batch} {_ERRORS[o.stop]}: {o.detail}" for o in failed]
    limited = [o.batch for o in gathered.outcomes if o.stop == "limit"]
    target = means.targets.get(spec.target) or Target(spec.target, Profile())
    limits = [first_bound(spec, target).reached] if limited else []
    invalid = [f"batch {o.batch}: {o.mismatch}" for o in gathered.outcomes if o.mismatch]
    return replace(
        known,
        errors=(*known.errors, *errors),
        aborted=(*known.aborted, *limits),
        breached=(*known.breached, *_nothing_succeeded(gathered.timeline.total(), SCENARIOS[spec.scenario].main)),
        invalid=(*known.invalid, *invalid),
    )


def _nothing_succeeded(total: Tally, main: Operation) -> list[str]:
    """A run in which the thing it is about never once worked has failed, whatever its thresholds say."""
    counts = total.select(main)
    if not counts.due or counts.ok or counts.late:
        return []
    causes = [
        f"{operation} {outcome}{f' ({code})' if code else ''} {failures.count} times"
        for operation in total.operations()
        if operation is not Operation.ITERATION
        for (outcome, code), failures in total.select(operation).failures.items()
    ]
    return [f"{main}: none of {counts.due} due starts succeeded; {', '.join(causes) or 'nothing failed before it'}"]


def _unready(state: RunState, gathered: Gathered, means: Means) -> list[str]:
    """Whom the others did not wait for any longer, where they were to begin together."""
    came = {n: start.arrived(means.store, state.run_id, 0, n) for n in range(1, state.attempt + 1)}
    began = [o for o in gathered.outcomes if o.load_start is not None and came.get(o.attempt)]
    late = [str(o.batch) for o in began if o.batch not in came[o.attempt]]
    more = f" and {len(late) - NAMED} more" if len(late) > NAMED else ""
    return [f"not ready when the load began: batches {', '.join(late[:NAMED])}{more}"] if late else []


def _troubles(outcome: BatchOutcome) -> list[str]:
    failures, taken_over = outcome.store_failures, outcome.token > 1 and outcome.stop != LOST
    went_on = f"it went on in attempt {outcome.attempt}" if outcome.attempt > 1 else "its first holder died"
    return [
        *([f"the store failed {failures} times while it ran"] if failures else []),
        *([f"{outcome.uncleaned} devices were not cleaned up: not in time, or it failed"] if outcome.uncleaned else []),
        *([f"{went_on}; what was done after its last checkpoint before is not counted"] if taken_over else []),
    ]
