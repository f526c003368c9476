"""The last activity of a run: merge, judge, write, let go. `finished` is written last, after the results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import StoreError, StoreUnavailable
from engine.measure.verdict import EXIT_CODES, Ending, Verdict
from engine.plan.spec.execution import Cleanup
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTRY
from engine.report.results import RunResult
from engine.report.units import instant
from engine.run import gather, keys, pool, results, state
from engine.run.files import read_plan, read_spec
from engine.run.home import DeviceState, Span
from engine.run.means import Means
from engine.run.state import Event, RunState, Stage


def close_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run is judged, its documents are written, its devices are free again. Called again, it is the same.

    A run that was never planned has no numbers: order's `why` then says what became of it.
    """
    run_id = str(order["runId"])
    found = state.read_state(means.store, run_id)
    if found.stage is Stage.FINISHED:
        return _receipt(found)
    try:
        read_plan(means.store, run_id)
        spec = read_spec(means.store, run_id)
    except StoreUnavailable:
        raise
    except StoreError as broken:
        return give_up({"why": f"it could not be planned: {broken}", **order}, means)
    if found.stage is Stage.ACCEPTED:  # there is a plan, but whoever wrote it never got to say so
        return give_up({"why": "it could not be planned", **order}, means)
    found = state.advance(means.store, run_id, Event.BATCHES_DONE, now=means.clock.wall())
    result = results.conclude_run(found, means, ending=_ending(found))
    results.write(result, means.results)
    _let_go(run_id, spec, means)
    return _finish(result, means)


def give_up(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run ends without a judgement, and its state says why; what its batches left can still be read."""
    run_id = str(order["runId"])
    try:
        _let_go(run_id, read_spec(means.store, run_id), means)
    except StoreUnavailable:
        raise
    except StoreError:
        pass  # nobody knows which names it held: they are free when their time is over
    reasons = (f"the run was given up: {order['why']}",)
    found = state.advance(
        means.store,
        run_id,
        Event.GIVEN_UP,
        now=means.clock.wall(),
        change=lambda s: s if s.verdict else replace(s, verdict=Verdict.ERROR, reasons=reasons),
    )
    return _receipt(found)


def _ending(found: RunState) -> Ending:
    """What the run's state says of its end; by now it is merging, but it remembers how it got there."""
    if found.cancel_requested_at is not None:
        return Ending(cancelled=(f"cancelled at {instant(found.cancel_requested_at)}",))
    if found.stopped is not None:
        is_breach = found.stopped.verdict == "failed"
        return Ending(**{"breached" if is_breach else "aborted": found.stopped.reasons})
    drained_at = found.times.get(Stage.DRAINING)
    if drained_at is not None and drained_at >= found.times.get(Stage.RUNNING, drained_at):
        return Ending(aborted=("the run was past its deadline",))
    return Ending()


def _let_go(run_id: str, spec: RunSpec, means: Means) -> None:
    """The device names are free for the next run; those with state are known to have it.

    What the device registry keeps is state too: all names of such a run, because only the registry knows better.
    """
    key = keys.counter_key(means.counter_prefix, spec.devices.prefix)
    spans = [Span(held.first, held.count) for held in pool.holdings(means.store, key, run_id)]
    devices = DeviceState(means.store, means.data_prefix, spec.devices.prefix, means.wrapping_key)
    is_kept = spec.scenario in REGISTRY and spec.cleanup is Cleanup.KEEP
    found = spans if is_kept or not spans else devices.known(spans)
    pool.release(means.store, key, run_id, [pool.Range(span.first, span.count) for span in found])


def _finish(result: RunResult, means: Means) -> dict[str, Any]:
    judgement, batches = result.judgement, result.facts.batches
    lost = sum(batch.status == gather.LOST for batch in batches)
    never = sum(batch.status == gather.NOT_STARTED for batch in batches)

    def closed(found: RunState) -> RunState:
        texts = tuple(reason.text for reason in judgement.reasons)
        found = replace(found, verdict=judgement.verdict, reasons=texts, warnings=judgement.warnings)
        return state.with_batches(found, done=len(batches) - lost - never, lost=lost)

    run_id, now = result.facts.run_id, means.clock.wall()
    return _receipt(state.advance(means.store, run_id, Event.CLOSED, now=now, change=closed))


def _receipt(found: RunState) -> dict[str, Any]:
    verdict = Verdict(found.verdict or Verdict.ERROR)
    return {"verdict": verdict, "exitCode": EXIT_CODES[verdict]}
