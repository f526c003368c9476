"""Where a spec's batches run, in activities or in the replicas of a job, and into how many they are divided.

`auto` means the activity, and a job where that does better or alone will do. What a run came to is settled when it is
accepted: from then on its spec names the one or the other, and a server that changes changes nothing for it.
"""

import math
from typing import Final

from engine.errors import Problem, SpecError
from engine.plan.field import format_duration
from engine.plan.spec.demand import expected_s, load_s
from engine.plan.spec.execution import Runner
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import FIXED, Executor, Scenario

ACTIVITY_LONGEST_S: Final = 3_600.0
JOB_DEVICES: Final = 5_000
JOB_LOAD_S: Final = 1_200.0
"""Above either of the two a job does better (product section 5, `execution.runner`)."""


def runner_of(spec: RunSpec) -> Runner:
    """Where batches run: what the spec names, or with `auto` a job exactly when there is a reason for one."""
    if spec.execution.runner is not Runner.AUTO:
        return spec.execution.runner
    return Runner.JOB if why_job(spec) else Runner.ACTIVITY


def why_job(spec: RunSpec) -> str:
    """What speaks for a job, "" when nothing does."""
    if spec.execution.cpu > 1:
        return f"cpu is {spec.execution.cpu:g}"
    if spec.devices.count > JOB_DEVICES:
        return f"{spec.devices.count} devices are more than {JOB_DEVICES}"
    if (length_s := expected_s(spec)) > JOB_LOAD_S:
        return f"{format_duration(length_s)} of load are more than {format_duration(JOB_LOAD_S)}"
    return ""


def settled(spec: RunSpec, *, has_jobs: bool) -> RunSpec:
    """The spec with its runner chosen, as this server carries it out; has_jobs is whether a job can run here.

    Where none can, `auto` falls back on activities. Raises SpecError when they will not do, or a job was asked for by
    name.
    """
    runner = runner_of(spec)
    if runner is Runner.JOB and not has_jobs:
        if problem := _needs_job(spec):
            raise SpecError([problem])
        runner = Runner.ACTIVITY
    return run_by(spec, runner)


def run_by(spec: RunSpec, runner: Runner) -> RunSpec:
    """The spec with that runner."""
    return spec.model_copy(update={"execution": spec.execution.model_copy(update={"runner": runner})})


def _needs_job(spec: RunSpec) -> Problem | None:
    """Why activities cannot do what the spec asks for."""
    message = "a job runner is not set up on this server"
    if spec.execution.runner is Runner.JOB:
        return Problem("/execution/runner", message, Runner.ACTIVITY)
    if spec.execution.cpu > 1:
        allowed = f"{Runner.ACTIVITY}, without a cpu above 1"
    elif outlasts_activity(spec):
        allowed = f'{Runner.ACTIVITY}, with a load of ≤ "{format_duration(ACTIVITY_LONGEST_S)}"'
    else:
        return None
    return Problem("/execution/runner", f"{message}, and auto means job: {why_job(spec)}", allowed)


def outlasts_activity(spec: RunSpec) -> bool:
    """Whether the load is known to last longer than an activity may."""
    return spec.load.executor in FIXED and load_s(spec) > ACTIVITY_LONGEST_S


def length_path(spec: RunSpec) -> str:
    """The field that says how long the load lasts."""
    return "/load/stages" if spec.load.executor is Executor.RAMPING_ARRIVAL_RATE else "/load/duration"


def processes_of(spec: RunSpec) -> int:
    """How many processes a replica has, one per core, each driving one batch at a time; an activity is one."""
    return math.ceil(spec.execution.cpu) if runner_of(spec) is Runner.JOB else 1


def batches_of(spec: RunSpec) -> int:
    """How many batches the devices make; a rate search is always one.

    What batchSize gives to a replica is cut once more, among its processes.
    """
    if spec.load.executor is Executor.RATE_SEARCH:
        return 1
    return min(spec.devices.count, -(-spec.devices.count // spec.execution.batch_size) * processes_of(spec))


def replicas_of(spec: RunSpec, batches: int) -> int:
    """How many replicas so many batches need at the same time."""
    return -(-batches // processes_of(spec))


def runs_in_waves(spec: RunSpec) -> bool:
    """Whether batches may run after one another; everybody else shares one schedule and must run together.

    So does conformance, whose cases are dealt out by places in the schedule.
    """
    if spec.scenario is Scenario.CONFORMANCE:
        return False
    return spec.load.executor is Executor.ONCE and not spec.execution.start_barrier


def at_once_of(spec: RunSpec) -> int:
    """How many batches run at the same time: those of a wave, or all."""
    batches, execution = batches_of(spec), spec.execution
    if not runs_in_waves(spec):
        return batches
    return min(batches, execution.max_parallel_batches * processes_of(spec), spec.load.max_in_flight)
