"""What a run will take, before it starts: the dry run.

Arithmetic, none of it by going through devices or batches: a million take no longer than ten. In flight = rate * time
held, at most the places there are, and every device where the scenario keeps them connected. Duration = each wave's
ramp, or all but the last of its devices' turns in the in-flight places if those take longer, one iteration more, and
preparing where it is certain. Cores = in flight ÷ devices per core, or what the replicas have. A limit of a service
only warns, since going over it may be the test; our own capacity, the profile's ceilings, and the spec's own limits
refuse.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import RunRefused
from engine.measure.operation import Operation
from engine.plan.batches import longest_batch_s, refuse_too_many_at_once, wave_devices
from engine.plan.bounds import bounds_of, usd_per_s
from engine.plan.document import Json
from engine.plan.field import format_duration
from engine.plan.limits import DEVICES_PER_CORE, LIMITS
from engine.plan.needs import CAPACITY, Need, Work, figure, needs_of
from engine.plan.spec.demand import expected_s, peak_starts
from engine.plan.spec.devices import Source
from engine.plan.spec.execution import Runner
from engine.plan.spec.rules import QUOTA_SHARE
from engine.plan.spec.runner import at_once_of, batches_of, replicas_of, runner_of, why_job
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTERING, USED_BY_SCENARIOS, Executor, Scenario
from engine.plan.target import Target
from engine.plan.workload import held_s, iterations_of, operations_of

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

    Raises RunRefused "over-quota" when batches that must run together are more than may run in parallel, or the run
    needs more than where it would run has or the profile allows; "over-budget" when it would last longer than
    limits.maxDuration, or cost more than limits.maxCostUsd or the profile's ceiling allow.
    """
    refuse_too_many_at_once(spec)
    batches, at_once, each_s = batches_of(spec), at_once_of(spec), held_s(spec, is_local=target.is_local)
    waves, in_flight, replicas = -(-batches // at_once), _in_flight(spec, each_s), replicas_of(spec, at_once)
    cores = replicas * spec.execution.cpu if runner_of(spec) is Runner.JOB else math.ceil(in_flight / DEVICES_PER_CORE)
    done = operations_of(spec)
    work = Work(
        done,
        iterations_of(spec, each_s=each_s),
        connections=in_flight,
        batches=at_once,
        replicas=replicas,
        cores=cores,
        longest_s=math.ceil(longest_batch_s(spec, target)),
    )
    duration_s = round(_duration_s(spec, target, waves=waves, each_s=each_s))
    needs = needs_of(spec, target, work)
    operations = {operation: round(times * work.iterations) for operation, times in done.items()}
    found = Estimate(
        needs=tuple(needs),
        warnings=(*_exceeded(needs), *_runner_warnings(spec, replicas, in_flight), *_prepare_warnings(spec, target)),
        batches=batches,
        waves=waves,
        runner=runner_of(spec),
        cores=cores,
        outbound_addresses=math.ceil(in_flight / (LIMITS["net.ports"].value or 1)),
        in_flight=in_flight,
        duration_s=duration_s,
        operations=operations,
        compute_usd=math.ceil(duration_s * usd_per_s(spec, target) * 100) / 100,
        target_side=_target_side(operations, target),
    )
    _refuse_over_capacity(needs)
    _refuse_over_bounds(spec, target, found)
    return found


def _in_flight(spec: RunSpec, each_s: float) -> int:
    """How many devices are connected at once: those of one wave at most."""
    if spec.scenario in _STAYING or math.isinf(spec.connection.hold_s):
        return wave_devices(spec)
    due = peak_starts(spec, max(each_s, 0.001))
    return max(1, math.ceil(min(due, spec.load.max_in_flight, wave_devices(spec))))


def _duration_s(spec: RunSpec, target: Target, *, waves: int, each_s: float) -> float:
    """How long the run takes over all waves, preparing included where it is certain."""
    length_s = expected_s(spec)
    if spec.load.executor is Executor.ONCE:
        turns_s = (spec.devices.count / spec.load.max_in_flight - 1) * each_s
        length_s = max(length_s, turns_s)
    certain = spec.devices.source is Source.CREATE and _prepares(spec)
    return length_s + waves * each_s + (_prepare_s(spec, target) if certain else 0.0)


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


def _runner_warnings(spec: RunSpec, replicas: int, in_flight: int) -> Iterator[str]:
    """What speaks against where batches run, and against how large their replicas are."""
    is_job = runner_of(spec) is Runner.JOB
    if not is_job and (why := why_job(spec)):
        yield f"runner: activities will do it, a job does better: {why}"
    has, wants = replicas * (spec.execution.cpu if is_job else 1), in_flight / DEVICES_PER_CORE
    if wants > has:
        yield f"cores: {in_flight} devices at once want {math.ceil(wants)}, the replicas have {has:g}"


def _prepare_warnings(spec: RunSpec, target: Target) -> list[str]:
    longest_s = _prepare_s(spec, target) if _prepares(spec) else 0.0
    if spec.devices.source is Source.CREATE or not longest_s:
        return []
    return [f"prepare: up to {format_duration(math.ceil(longest_s))} more when no device is stored yet"]


def _target_side(operations: Mapping[Operation, int], target: Target) -> str:
    if target.is_local:
        return "none: the embedded emulator"
    billed = {"DPS registrations": Operation.DPS_REGISTER, "messages": Operation.TELEMETRY_PUBLISH}
    shown = [f"{operations[operation]:,} {name}" for name, operation in billed.items() if operation in operations]
    return f"not included: {', '.join(shown) or 'what the services charge by the unit'}"


def _refuse_over_capacity(needs: list[Need]) -> None:
    for need in needs:
        if need.limit.name in CAPACITY and need.value is not None and need.need > need.value:
            value, wanted = str(figure(need.value)), str(figure(need.need))
            raise _refused("over-quota", need.limit.name, value, need=wanted, unit=need.limit.unit, source=need.source)


def _refuse_over_bounds(spec: RunSpec, target: Target, found: Estimate) -> None:
    for bound in bounds_of(spec, target):
        if found.duration_s > bound.at_s:
            need = f"{found.compute_usd:g}" if bound.unit else format_duration(found.duration_s)
            raise _refused(bound.refusal, bound.limit, bound.value, need=need, unit=bound.unit, source=bound.source)


def _refused(reason: str, limit: str, value: str, *, need: str, unit: str, source: str) -> RunRefused:
    message = f"the run is estimated at {need} {unit}".rstrip() + f", {limit} is {value}"
    return RunRefused(reason, message, limit=limit, value=value, need=need, unit=unit, source=source)
