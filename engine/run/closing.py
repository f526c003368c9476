"""The last activity of a run: merge, judge, write, let go. `finished` is written last, after the results."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import IllegalMove, NotFound
from engine.measure.verdict import Ending, Judgement, Verdict
from engine.plan.spec.runspec import RunSpec
from engine.report.units import instant
from engine.run import keys, pool, results, state
from engine.run.files import read_plan, read_spec
from engine.run.home import DeviceState, Span
from engine.run.means import Means


def close_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run is judged, its documents are written, its devices are free again. Called again, it is the same."""
    run_id = str(order["runId"])
    found = state.read_state(means.store, run_id)
    if found.stage is state.Stage.FINISHED:
        return {"verdict": found.verdict}
    spec = read_spec(means.store, run_id)
    try:
        read_plan(means.store, run_id)
    except NotFound:
        return _give_up(run_id, means)
    _batches_done(run_id, means)
    result = results.conclude_run(found, means, ending=_ending(found))
    results.write(result, means.results)
    _let_go(run_id, spec, means)
    return _finish(run_id, result.judgement, means)


def _ending(found: state.RunState) -> Ending:
    """What the run's state says of its end."""
    if found.cancel_requested_at is not None:
        return Ending(cancelled=(f"cancelled at {instant(found.cancel_requested_at)}",))
    if found.stage is state.Stage.DRAINING:
        return Ending(aborted=("the run was past its deadline",))
    return Ending()


def _batches_done(run_id: str, means: Means) -> None:
    state.advance(means.store, run_id, state.Event.BATCHES_DONE, now=means.clock.wall())


def _let_go(run_id: str, spec: RunSpec, means: Means) -> None:
    """The device names are free for the next run; those with state are known to have it."""
    planned = read_plan(means.store, run_id)
    spans = [Span(r.first, r.count) for batch in planned.plan.batches for r in batch.ranges]
    devices = DeviceState(means.store, means.data_prefix, spec.devices.prefix, means.wrapping_key)
    stored = [pool.Range(span.first, span.count) for span in devices.known(spans)]
    pool.release(means.store, keys.counter_key(means.counter_prefix, spec.devices.prefix), run_id, stored)


def _finish(run_id: str, judgement: Judgement, means: Means) -> dict[str, Any]:
    texts = tuple(reason.text for reason in judgement.reasons)
    state.advance(
        means.store,
        run_id,
        state.Event.CLOSED,
        now=means.clock.wall(),
        change=lambda s: replace(s, verdict=judgement.verdict, reasons=texts, warnings=judgement.warnings),
    )
    return {"verdict": judgement.verdict, "exitCode": judgement.exit_code}


def _give_up(run_id: str, means: Means) -> dict[str, Any]:
    """A run without a plan has no numbers: only its state can say why."""
    reasons = ("the run could not be planned",)
    with contextlib.suppress(IllegalMove):
        state.advance(
            means.store,
            run_id,
            state.Event.GIVEN_UP,
            now=means.clock.wall(),
            change=lambda s: replace(s, verdict=Verdict.ERROR, reasons=s.reasons or reasons),
        )
    return {"verdict": Verdict.ERROR}
