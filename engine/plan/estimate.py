"""What a run will take, before it starts: the dry run.

Arithmetic. In flight = rate * time held, at most the places there are, and every device where the scenario keeps
them connected. Duration = each wave's ramp, or all but the last of its devices' turns in the in-flight places if those
take longer, one iteration more, and preparing where it is certain. Cores = in flight ÷ devices per core, or what the
replicas have. A limit of a service only warns, since going over it may be the test; our own capacity, the profile's
ceiling on cost, and the spec's own limits refuse.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import RunRefused
from engine.measure.operation import Operation
from engine.plan.batches import waves_of
from engine.plan.document import Json
from engine.plan.field import format_duration
from engine.plan.limits import (
    DEVICES_PER_CORE,
    FLEX_GIB_USD_PER_S,
    GIB_PER_CORE,
    JOB_CORE_USD_PER_S,
    JOB_GIB_USD_PER_S,
    LIMITS,
)
from engine.plan.needs import Need, Work, figure, needs_of
from engine.plan.spec.demand import load_s, peak_starts
from engine.plan.spec.devices import Source
from engine.plan.spec.execution import Runner
from engine.plan.spec.rules import QUOTA_SHARE, replicas_of
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTERING, USED_BY_SCENARIOS, Executor, Scenario
from engine.plan.target import Target
from engine.plan.workload import held_s, iterations_of, operations_of

JOB_DEVICES: Final = 5_000
JOB_LOAD_S: Final = 1_200.0
"""Above either a job would be the better runner (product section 5, `execution.runner`)."""

EMULATOR: Final[Json] = {
    "limit": "emulator",
    "value": None,
    "unit": "",
    "need": None,
    "source": "none",
    "adjustable": False,
    "effect": "emulator: none",
}
"""What binds a run against the embedded emulator, which has no limits unless its profile's quotas name some."""

SEARCH_HOLDS: Final = 12
"""The rates that a search is taken to hold, rests included: our assumption, some to climb and five to halve the gap."""

_STAYING: Final = frozenset({Scenario.CERT_RENEWAL, Scenario.CERT_THROTTLE, Scenario.CONNECT_STORM})


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run comes to; needs are the limits it touches, the tightest first, none against the emulator."""

    needs: tuple[Need, ...]
    warnings: tuple[str, ...]
    batches: int
    waves: int
    runner: Runner
    cores: float
    outbound_addresses: int
    in_flight: int
    duration_s: float
    operations: Mapping[Operation, int]
    compute_usd: float
    target_side: str

    def to_json(self) -> Json:
        """The estimate as the HTTP API shows it."""
        shown = [need.to_json() for need in self.needs] or [dict(EMULATOR)]
        return {
            "binding": shown[0],
            "limits": shown[1:],
            "warnings": list(self.warnings),
            "batches": self.batches,
            "waves": self.waves,
            "runner": self.runner.value,
            "cores": figure(self.cores),
            "outboundAddresses": self.outbound_addresses,
            "inFlight": self.in_flight,
            "duration": format_duration(self.duration_s),
            "operations": {operation.value: times for operation, times in self.operations.items()},
            "cost": {"computeUsd": self.compute_usd, "targetSide": self.target_side},
        }


def estimate(spec: RunSpec, target: Target) -> Estimate:
    """What the run will take.

    Raises RunRefused "over-quota" when batches that must run together are more than may run in parallel, and
    "over-budget" when the run would last longer than limits.maxDuration, or cost more than limits.maxCostUsd or the
    profile's ceiling allow.
    """
    waves = waves_of(spec)
    each_s = held_s(spec, is_local=target.is_local)
    in_flight, replicas = _in_flight(spec, each_s), replicas_of(spec, len(waves[0]))
    cores = replicas * spec.execution.cpu if _runner(spec) is Runner.JOB else math.ceil(in_flight / DEVICES_PER_CORE)
    done = operations_of(spec)
    work = Work(done, iterations_of(spec, each_s=each_s), connections=in_flight, replicas=replicas, cores=cores)
    duration_s = round(_duration_s(spec, target, waves=waves, each_s=each_s))
    needs = needs_of(spec, target, work)
    operations = {operation: round(times * work.iterations) for operation, times in done.items()}
    found = Estimate(
        needs=tuple(needs),
        warnings=(*_exceeded(needs), *_runner_warnings(spec), *_prepare_warnings(spec, target)),
        batches=waves[-1].stop,
        waves=len(waves),
        runner=_runner(spec),
        cores=cores,
        outbound_addresses=math.ceil(in_flight / (LIMITS["net.ports"].value or 1)),
        in_flight=in_flight,
        duration_s=duration_s,
        operations=operations,
        compute_usd=_compute_usd(spec, target, replicas=replicas, duration_s=duration_s),
        target_side=_target_side(operations, target),
    )
    _refuse_over_budget(spec, target, found)
    return found


def _runner(spec: RunSpec) -> Runner:
    """Where batches run: the activity, unless a job is asked for by name."""
    return Runner.JOB if spec.execution.runner is Runner.JOB else Runner.ACTIVITY


def _in_flight(spec: RunSpec, each_s: float) -> int:
    """How many devices are connected at once."""
    if spec.scenario in _STAYING or math.isinf(spec.connection.hold_s):
        return spec.devices.count
    due = peak_starts(spec, max(each_s, 0.001))
    return max(1, math.ceil(min(due, spec.load.max_in_flight)))


def _duration_s(spec: RunSpec, target: Target, *, waves: list[range], each_s: float) -> float:
    """How long the run takes over all waves, preparing included where it is certain."""
    length_s = load_s(spec)
    if spec.load.executor is Executor.ONCE:
        turns_s = (spec.devices.count / spec.load.max_in_flight - 1) * each_s
        length_s = max(length_s, turns_s)
    elif math.isinf(length_s):
        length_s = SEARCH_HOLDS * spec.load.search.hold_s
    certain = spec.devices.source is Source.CREATE and _prepares(spec)
    return length_s + len(waves) * each_s + (_prepare_s(spec, target) if certain else 0.0)


def _prepares(spec: RunSpec) -> bool:
    """Whether devices that are not stored are registered before the load begins."""
    in_dps = spec.scenario in USED_BY_SCENARIOS["/timeouts/register"]
    return in_dps and spec.scenario not in REGISTERING and spec.devices.source is not Source.STORED_ONLY


def _prepare_s(spec: RunSpec, target: Target) -> float:
    """How long registering every device takes at 90 % of the quota, 0 when there is none."""
    quota = target.quota("dps.registrations")
    return 0.0 if quota is None else spec.devices.count * 60 / (QUOTA_SHARE * quota)


def _exceeded(needs: list[Need]) -> list[str]:
    return [f"{need.limit.name}: {need.effect}" for need in needs if need.tightness > 1 or need.value is None]


def _runner_warnings(spec: RunSpec) -> list[str]:
    is_large = spec.devices.count > JOB_DEVICES or load_s(spec) > JOB_LOAD_S
    if spec.execution.runner is Runner.AUTO and is_large:
        return [f"runner: a job does better over {JOB_DEVICES} devices or {format_duration(JOB_LOAD_S)} of load"]
    return []


def _prepare_warnings(spec: RunSpec, target: Target) -> list[str]:
    longest_s = _prepare_s(spec, target) if _prepares(spec) else 0.0
    if spec.devices.source is Source.CREATE or not longest_s:
        return []
    return [f"prepare: up to {format_duration(math.ceil(longest_s))} more when no device is stored yet"]


def _compute_usd(spec: RunSpec, target: Target, *, replicas: int, duration_s: float) -> float:
    """What the replicas that run at the same time cost over the whole run, in cents rounded up; nothing locally."""
    cpu = spec.execution.cpu
    if target.is_local:
        per_s = 0.0
    elif _runner(spec) is Runner.JOB:
        per_s = cpu * (JOB_CORE_USD_PER_S + GIB_PER_CORE * JOB_GIB_USD_PER_S)
    else:
        per_s = GIB_PER_CORE * FLEX_GIB_USD_PER_S
    return math.ceil(replicas * duration_s * per_s * 100) / 100


def _target_side(operations: Mapping[Operation, int], target: Target) -> str:
    if target.is_local:
        return "none: the embedded emulator"
    billed = {"DPS registrations": Operation.DPS_REGISTER, "messages": Operation.TELEMETRY_PUBLISH}
    shown = [f"{operations[operation]:,} {name}" for name, operation in billed.items() if operation in operations]
    return f"not included: {', '.join(shown) or 'what the services charge by the unit'}"


def _refuse_over_budget(spec: RunSpec, target: Target, found: Estimate) -> None:
    longest_s, ceiling = spec.limits.max_duration_s, target.profile.ceilings.cost_usd
    if found.duration_s > longest_s:
        need = format_duration(found.duration_s)
        raise _over_budget("limits.maxDuration", format_duration(longest_s), need=need, unit="")
    for limit, most_usd in (
        ("limits.maxCostUsd", spec.limits.max_cost_usd),
        (f"{target.name}.ceilings.costUsd", ceiling),
    ):
        if most_usd is not None and found.compute_usd > most_usd:
            raise _over_budget(limit, f"{most_usd:g}", need=f"{found.compute_usd:g}", unit="USD")


def _over_budget(limit: str, value: str, *, need: str, unit: str) -> RunRefused:
    message = f"the run is estimated at {need} {unit}".rstrip() + f", {limit} is {value}"
    return RunRefused("over-budget", message, limit=limit, value=value, need=need, unit=unit)
