"""Watches a run while it goes on: whether autoStop or a threshold with abortOnFail ends it before its time.

Theory of operation. Every few seconds the windows that the batches show are read, merged and judged. Nothing is kept
between two looks: what a batch shows is all that may still be judged. A batch tells its windows every few seconds, and
a window is whole when all batches have told that it has passed; one that has been silent for longer than SILENT_S does
not hold the others up. What an earlier attempt of the run had shown, and had measured, is not held against this one.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from engine.batch.windows import Windows, WindowsUnreadable
from engine.device.catalog import SCENARIOS
from engine.errors import IllegalMove, Outcome
from engine.measure.measured import Measured
from engine.measure.operation import Phase
from engine.measure.stopping import Limit, Watch, broken, overrun, watch_for
from engine.measure.timeline import Timeline
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor
from engine.run import keys, record, state
from engine.run.files import Outline, read_outline, read_spec
from engine.run.gather import durations
from engine.run.means import Means
from engine.run.reading import read_all
from engine.run.state import RunState, Stage, Stopped

SILENT_S = 30.0
"""A batch that has told nothing for so long, while others have, is not waited for."""

_NOTHING = {"stop": False, "needed": False}
_BACKWARDS = (Phase.DRAIN, Phase.STEADY, Phase.RAMP, Phase.PREPARE)


def watch_run(order: Mapping[str, Any], means: Means) -> dict[str, Any]:
    """Whether the run has been asked to stop for its numbers, and whether another look is needed.

    order holds runId and attempt, and may hold the wave from which on nobody listens. Called again, it is the same.
    """
    run_id = str(order["runId"])
    found, spec = state.read_state(means.store, run_id), read_spec(means.store, run_id)
    if found.attempt != int(order["attempt"]) or found.wave >= order.get("untilWave", math.inf):
        return _NOTHING
    if found.stopped is not None:
        return {"stop": True, "needed": False}
    if found.stage is not Stage.RUNNING or not is_watched(spec):
        return _NOTHING
    stopped = _judged(found, spec, means)
    if stopped is None:
        return {"stop": False, "needed": True}
    try:
        state.ask_stop(means.store, run_id, stopped, now=means.clock.wall())
    except IllegalMove:
        return _NOTHING
    return {"stop": True, "needed": False}


def is_watched(spec: RunSpec) -> bool:
    """Whether anything may end a run of this spec before its time."""
    return watch_of(spec) is not None


def watch_of(spec: RunSpec) -> Watch | None:
    """What the batches of such a run keep at hand to be judged by."""
    return watch_for(_limit(spec), spec.judged_by())


def _limit(spec: RunSpec) -> Limit | None:
    """The spec's autoStop. What a search is there to find is expected, as well as what its scenario is there for."""
    if spec.auto_stop is None:
        return None
    scenario = SCENARIOS[spec.scenario]
    expected = scenario.expected
    if spec.load.executor is Executor.RATE_SEARCH:
        sought = spec.load.search.stop_when.parsed().metric.outcome
        expected |= {Outcome.THROTTLED} | ({sought} if sought else set())
    return Limit(scenario.main, spec.auto_stop.error_percentage, spec.auto_stop.time_window_s, expected)


def _judged(found: RunState, spec: RunSpec, means: Means) -> Stopped | None:
    """Why the run is to stop, None while it is not."""
    outline = read_outline(means.store, found.run_id)
    shown = _shown(found, outline, means)
    if not shown:
        return None
    told = list(shown.values())
    until_s = _whole_until(told)
    whole, since_s = int(until_s // spec.results.interval_s), min(one.since for one in told)
    if whole * spec.results.interval_s <= since_s:
        return None
    merged = Timeline(spec.results.interval_s, 0)
    for one in told:
        merged.merge(one.timeline)
    limit = _limit(spec)
    why = overrun(limit, merged, whole=whole, since_s=since_s) if limit else ""
    if why:
        return Stopped("aborted", (why,))
    lines = broken(
        spec.judged_by(),
        merged,
        whole=whole,
        since_s=since_s,
        durations_s=_durations(outline, shown, whole * spec.results.interval_s),
        baseline=_baseline(found, spec, means),
    )
    return Stopped("failed", tuple(lines)) if lines else None


def _shown(found: RunState, outline: Outline, means: Means) -> dict[int, Windows]:
    """What the batches have told in this attempt, by batch."""
    began = found.times[Stage.RUNNING] - outline.zero_wall - found.paused_s
    wanted = [keys.windows_key(found.run_id, batch) for batch in range(outline.batches)]
    shown = {}
    for batch, held in enumerate(read_all(means.store, wanted)):
        fenced = record.unfenced(wanted[batch], held)
        try:
            told = Windows.decode(fenced.body) if fenced and fenced.body else None
        except WindowsUnreadable:
            told = None  # it is told again in a moment
        if told is not None and told.told_at >= began:
            shown[batch] = told
    return shown


def _whole_until(told: Sequence[Windows]) -> float:
    """Up to when everything has been told, seconds since the run's first load."""
    newest = max(one.at for one in told)
    return min((one.at for one in told if not one.is_over and newest - one.at <= SILENT_S), default=newest)


def _durations(outline: Outline, shown: Mapping[int, Windows], until_s: float) -> dict[Phase, float]:
    """How long each phase of the run had taken by then."""
    waves = [wave for number in range(outline.waves) if (wave := [b for b in outline.wave(number) if b in shown])]
    return durations(waves, {batch: _spent(told, until_s) for batch, told in shown.items()})


def _spent(told: Windows, until_s: float) -> dict[Phase, float]:
    """How long each phase of the batch had taken by then: its last seconds were of its last phase."""
    spent, over_s = dict(told.durations_s), max(0.0, told.at - until_s)
    for phase in _BACKWARDS:
        taken = min(over_s, spent.get(phase, 0.0))
        spent[phase] = spent.get(phase, 0.0) - taken
        over_s -= taken
    return spent


def _baseline(found: RunState, spec: RunSpec, means: Means) -> Measured | None:
    """What the run that this one is compared with measured, if any threshold that ends a run asks."""
    asks = any(threshold.abort_on_fail and threshold.expr.times_baseline for threshold in spec.judged_by())
    held = means.store.read(keys.merged_key(found.baseline)) if asks and found.baseline else None
    return _measured(held.body) if held else None


@lru_cache(maxsize=2)
def _measured(body: bytes) -> Measured:
    """Kept, because a run is judged by the same one every few seconds."""
    return Measured.decode(body)
