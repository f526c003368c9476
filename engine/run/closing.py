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
from engine.run import bulletin, gather, results, state
from engine.run.files import read_outline, read_spec
from engine.run.means import Means
from engine.run.merged import write_merged
from engine.run.release import let_go
from engine.run.state import Event, RunState, Stage


def close_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run is judged, its documents are written, its devices are free again. Called again, it is the same; what an
    earlier attempt of the run asks for so late is not done any more.

    A run that was never planned has no numbers: order's `why` then says what became of it.
    """
    run_id = str(order["runId"])
    found = state.read_state(means.store, run_id)
    if found.stage is Stage.FINISHED or found.attempt != int(order["attempt"]):
        return _receipt(found)
    try:
        read_outline(means.store, run_id)
        spec = read_spec(means.store, run_id)
    except StoreUnavailable:
        raise
    except StoreError as broken:
        return give_up({"why": f"it could not be planned: {broken}", **order}, means)
    if found.stage is Stage.ACCEPTED:  # there is a plan, but whoever wrote it never got to say so
        return give_up({"why": "it could not be planned", **order}, means)
    why = order.get("why") if found.stage is Stage.RUNNING else None  # else it says itself why it ends
    found = state.advance(means.store, run_id, Event.BATCHES_DONE, now=means.clock.wall())
    result = results.conclude_run(found, means, ending=_ending(found, why))
    results.write(result, means.results)
    write_merged(means.store, run_id, result.measured)
    cleans = _cleans(spec, result)
    if not cleans:
        let_go(run_id, spec, means, keeps_all=_registry_keeps(spec))
    return _finish(found, result, means, cleans=cleans)


def give_up(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """The run ends without a judgement, and its state says why; what its batches left can still be read."""
    run_id = str(order["runId"])
    found = state.read_state(means.store, run_id)
    if found.attempt != int(order["attempt"]):
        return _receipt(found)
    try:
        spec = read_spec(means.store, run_id)
        let_go(run_id, spec, means, keeps_all=_registry_keeps(spec))
    except StoreUnavailable:
        raise
    except StoreError:
        pass  # nobody knows which names it held: they are free when their time is over
    reasons, now = (f"the run was given up: {order['why']}",), means.clock.wall()

    def given_up(found: RunState) -> RunState:
        return found if found.verdict else replace(found, verdict=Verdict.ERROR, reasons=reasons)

    if found.is_live:
        ended = replace(given_up(found), stage=Stage.FINISHED)
        bulletin.tell(means, [bulletin.run_given_up(ended, EXIT_CODES[Verdict.ERROR], at=now)])
    return _receipt(state.advance(means.store, run_id, Event.GIVEN_UP, now=now, change=given_up))


def _ending(found: RunState, why: str | None) -> Ending:
    """What the run's state says of its end; by now it is merging, but it remembers how it got there.

    why is what kept it from being carried out to its end, None where nothing did.
    """
    if why is not None:
        return Ending(errors=(f"attempt {found.attempt} was not carried out: {why}",))
    if found.cancel_requested_at is not None:
        return Ending(cancelled=(f"cancelled at {instant(found.cancel_requested_at)}",))
    if found.stopped is not None:
        is_breach = found.stopped.verdict == "failed"
        return Ending(**{"breached" if is_breach else "aborted": found.stopped.reasons})
    return Ending()


def _registry_keeps(spec: RunSpec) -> bool:
    """Whether the device registry still has the devices: that is state too, and only the registry knows better."""
    return spec.scenario in REGISTRY and spec.cleanup is not Cleanup.DELETE


def _cleans(spec: RunSpec, result: RunResult) -> bool:
    """Whether the devices are cleaned up now: then their names stay the run's until that is done."""
    is_passed = result.judgement.verdict is Verdict.PASSED
    return spec.cleanup is Cleanup.DELETE or (spec.cleanup is Cleanup.DELETE_ON_PASS and is_passed)


def _finish(merging: RunState, result: RunResult, means: Means, *, cleans: bool) -> dict[str, Any]:
    judgement, batches = result.judgement, result.facts.batches
    lost = sum(batch.status == gather.LOST for batch in batches)
    never = sum(batch.status == gather.NOT_STARTED for batch in batches)

    def closed(found: RunState) -> RunState:
        texts = tuple(reason.text for reason in judgement.reasons)
        found = replace(found, verdict=judgement.verdict, reasons=texts, warnings=judgement.warnings)
        if cleans:
            found = state.begin_cleaning(found, now=now, is_asked=False)
        return state.with_batches(found, done=len(batches) - lost - never, lost=lost)

    run_id, now = result.facts.run_id, means.clock.wall()
    ended = replace(closed(merging), stage=Stage.FINISHED)
    bulletin.tell(means, [bulletin.run_finished(ended, result)])
    return _receipt(state.advance(means.store, run_id, Event.CLOSED, now=now, change=closed))


def _receipt(found: RunState) -> dict[str, Any]:
    verdict, cleaning = Verdict(found.verdict or Verdict.ERROR), found.cleaning
    is_to_clean = cleaning is not None and cleaning.ended_at is None and not cleaning.is_asked
    return {"verdict": verdict, "exitCode": EXIT_CODES[verdict], **({"cleans": True} if is_to_clean else {})}
