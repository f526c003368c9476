"""What ends a run before its time: how long it may last, and what its compute may cost.

The estimate refuses what would get there, and a batch drains when it does: both go by the same figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from engine.plan.field import format_duration
from engine.plan.limits import FLEX_GIB_USD_PER_S, GIB_PER_CORE, JOB_CORE_USD_PER_S, JOB_GIB_USD_PER_S
from engine.plan.spec.execution import Runner
from engine.plan.spec.runner import at_once_of, replicas_of, runner_of
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import FIXED
from engine.plan.target import Target


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit that ends a run at_s seconds after it was planned; unit is "USD" for money and "" for time.

    refusal is the code under which a run that would get there is refused.
    """

    limit: str
    at_s: float
    value: str
    unit: str
    source: str
    refusal: str

    @property
    def reached(self) -> str:
        """That a run got there, for people."""
        return f"{self.limit}, {self.value} USD, was spent" if self.unit else f"{self.limit}, {self.value}, was over"


def first_bound(spec: RunSpec, target: Target) -> Bound:
    """The limit that a run reaches first: at that moment of its clock its batches drain."""
    return min(bounds_of(spec, target), key=lambda bound: bound.at_s)


def bounds_of(spec: RunSpec, target: Target) -> list[Bound]:
    """Every limit that ends a run before its time, those of the spec first.

    The profile's ceiling on duration is among them for loads that end by themselves: how long the others last is known
    before they begin.
    """
    return [*_of_spec(spec, target), *_of_profile(spec, target)]


def usd_per_s(spec: RunSpec, target: Target) -> float:
    """What the replicas that run at the same time cost a second; nothing against the emulator, which is right here."""
    if target.is_local:
        return 0.0
    return replicas_of(spec, at_once_of(spec)) * _replica_usd_per_s(spec)


def _replica_usd_per_s(spec: RunSpec) -> float:
    if runner_of(spec) is Runner.JOB:
        return spec.execution.cpu * (JOB_CORE_USD_PER_S + GIB_PER_CORE * JOB_GIB_USD_PER_S)
    return GIB_PER_CORE * FLEX_GIB_USD_PER_S


def _of_spec(spec: RunSpec, target: Target) -> Iterator[Bound]:
    longest_s, source = spec.limits.max_duration_s, "the spec"
    yield Bound("limits.maxDuration", longest_s, format_duration(longest_s), "", source, "over-budget")
    yield from _of_cost(spec, target, spec.limits.max_cost_usd, limit="limits.maxCostUsd", source=source)


def _of_profile(spec: RunSpec, target: Target) -> Iterator[Bound]:
    ceilings, named, source = target.profile.ceilings, f"{target.name}.ceilings", f"target profile {target.name}"
    longest_s = ceilings.duration_s
    if longest_s is not None and spec.load.executor not in FIXED:
        yield Bound(f"{named}.duration", longest_s, format_duration(longest_s), "", source, "over-quota")
    yield from _of_cost(spec, target, ceilings.cost_usd, limit=f"{named}.costUsd", source=source)


def _of_cost(spec: RunSpec, target: Target, most_usd: float | None, *, limit: str, source: str) -> Iterator[Bound]:
    per_s = usd_per_s(spec, target)
    if most_usd is not None and per_s:
        yield Bound(limit, most_usd / per_s, f"{most_usd:g}", "USD", source, "over-budget")
