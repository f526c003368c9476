"""Which valid specs this version can carry out."""

from collections.abc import Iterator

from engine.errors import Problem
from engine.plan.field import format_duration
from engine.plan.spec.execution import Cleanup, Runner
from engine.plan.spec.rules import ACTIVITY_LONGEST_S, length_path, outlasts_activity
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTRY, Executor

type Missing = tuple[bool, str, str, str]
"""Whether a field asks for something not built, its JSON pointer, what it asks for, and what is built."""


def not_built(spec: RunSpec) -> list[Problem]:
    """What a valid spec asks of this version that it cannot do yet, field by field; nothing when it can run."""
    asked = (*_of_choices(spec), *_of_extras(spec), *_of_thresholds(spec))
    return [
        Problem(path, f"{what} is not built yet", instead) for is_missing, path, what, instead in asked if is_missing
    ]


def _of_choices(spec: RunSpec) -> Iterator[Missing]:
    """The closed lists of which only some words are built."""
    cleanups = (Cleanup.KEEP, Cleanup.DELETE) if spec.scenario in REGISTRY else (Cleanup.KEEP,)
    yield spec.cleanup not in cleanups, "/cleanup", spec.cleanup, " | ".join(cleanups)


def _of_extras(spec: RunSpec) -> Iterator[Missing]:
    """The fields of which only some values are built."""
    load, execution = spec.load, spec.execution
    is_job, length = execution.runner is Runner.JOB, length_path(spec)
    lasts_long = outlasts_activity(spec) and not is_job
    waits_for_all = execution.start_barrier and load.executor is not Executor.ONCE
    yield lasts_long, length, "a load that needs the runner job", f'≤ "{format_duration(ACTIVITY_LONGEST_S)}"'
    yield waits_for_all, "/execution/startBarrier", f"a barrier for {load.executor}", "false"
    large = execution.cpu > 1 and not is_job
    yield large, "/execution/cpu", f"a replica's size for the runner {execution.runner}", "≤ 1"
    yield spec.baseline is not None, "/baseline", "a baseline", "null"
    yield spec.auto_stop is not None, "/autoStop", "stopping by itself", "null"
    yield spec.limits.max_cost_usd is not None, "/limits/maxCostUsd", "a budget", "null"


def _of_thresholds(spec: RunSpec) -> Iterator[Missing]:
    for index, threshold in enumerate(spec.thresholds):
        path = f"/thresholds/{index}"
        relative = threshold.parsed().expr.times_baseline
        yield relative, f"{path}/expr", "a threshold relative to a baseline", "an absolute value"
        yield threshold.abort_on_fail, f"{path}/abortOnFail", "ending a run by a threshold", "false"
