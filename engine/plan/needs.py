"""What a run needs of each limit, and what comes of it: the tightest first."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine.measure.operation import Operation
from engine.plan.document import Json
from engine.plan.field import format_duration
from engine.plan.limits import (
    ACTIONS_PER_BATCH,
    GIB_PER_CORE,
    LIMITS,
    MB_PER_GIB,
    SAVES_PER_S,
    STORE_REQUESTS_PER_S,
    WINDOWS_S,
    Limit,
)
from engine.plan.spec.demand import expected_s, peak_starts
from engine.plan.spec.devices import Source
from engine.plan.spec.execution import Runner
from engine.plan.spec.rules import QUOTA_SHARE
from engine.plan.spec.runner import runner_of
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import USED_BY_SCENARIOS, Executor
from engine.plan.target import Target

_PER_RATE: Mapping[str, tuple[Operation, ...]] = {
    "dps.registrations": (Operation.DPS_REGISTER,),
    "hub.connects": (Operation.HUB_CONNECT,),
    "hub.messages": (Operation.CERT_REQUEST, Operation.TELEMETRY_PUBLISH),
    "cert.issue": (Operation.DPS_REGISTER, Operation.CERT_ISSUED),
}
"""Which operations count against the limits on a rate."""

CAPACITY: Final = frozenset({"aca.cores", "aca.replica", "functions.flex", "functions.memory"})
"""The limits on where batches run: what is over one of them cannot begin, so going over it is no test of anything."""


@dataclass(frozen=True, slots=True)
class Need:
    """A limit as the target has it, and what the run needs of it: both in the limit's unit.

    value None is unknown; an infinite need is one that the answers decide. source says who gave the value.
    """

    limit: Limit
    value: float | None
    need: float
    effect: str
    source: str

    @property
    def tightness(self) -> float:
        """How often the limit goes into the need; nothing known about a limit makes it the least tight."""
        return 0.0 if self.value is None else self.need / self.value

    def to_json(self) -> Json:
        """The need as the HTTP API shows it."""
        return {
            "limit": self.limit.name,
            "value": None if self.value is None else figure(self.value),
            "unit": self.limit.unit,
            "need": None if math.isinf(self.need) else figure(self.need),
            "source": self.source,
            "adjustable": self.limit.adjustable,
            "effect": self.effect,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """What a run comes to: how often each operation, and how many connections, batches and replicas at once.

    longest_s is how long a replica may be busy with one batch.
    """

    per_iteration: Mapping[Operation, float]
    iterations: int
    connections: int
    batches: int
    replicas: int
    cores: float
    longest_s: float

    def times(self, *operations: Operation) -> float:
        """How often one iteration does any of the operations."""
        return sum(self.per_iteration.get(operation, 0.0) for operation in operations)


def needs_of(spec: RunSpec, target: Target, work: Work) -> list[Need]:
    """Every limit that the run touches, the tightest first.

    Against the embedded emulator only what its profile's quotas name counts.
    """
    found = [*_rates(spec, target, work), *_stocks(spec, target, work)]
    kept = [need for need in found if not target.is_local or need.limit.name in target.profile.quotas]
    return sorted(kept, key=lambda need: -need.tightness)


def _rates(spec: RunSpec, target: Target, work: Work) -> Iterator[Need]:
    for name, operations in _PER_RATE.items():
        limit, value, times = LIMITS[name], target.quota(name), work.times(*operations)
        if times:
            window_s = WINDOWS_S[limit.unit]
            need = times * peak_starts(spec, window_s)
            total_s = times * work.iterations * window_s
            effect = _effect_of_rate(spec, value, need=need, total_s=total_s)
            yield Need(limit, value, need, effect, _source(target, limit))


def _effect_of_rate(spec: RunSpec, value: float | None, *, need: float, total_s: float) -> str:
    """total_s is the time that all of the work takes at one per window of the limit."""
    if value is None:
        return "unknown: put what the service tells into the profile's quotas"
    if math.isinf(need):
        return "unknown: the answers set the pace"
    if need <= value:
        return _fits(need / value)
    share = f"about {(1 - value / need) * 100:.0f} % throttled"
    if spec.load.executor is Executor.ONCE:
        return f"{share}; rampUp {format_duration(math.ceil(total_s / (QUOTA_SHARE * value)))} would fit"
    return f"{share}; {QUOTA_SHARE * value / need:.2g} times the rate would fit"


def _stocks(spec: RunSpec, target: Target, work: Work) -> Iterator[Need]:
    for name, need in {**_of_services(spec, work), **_of_hosting(spec, work)}.items():
        if need:
            limit, value = LIMITS[name], target.quota(name)
            yield Need(limit, value, need, _effect_of_stock(name, value, need), _source(target, limit))


def _of_services(spec: RunSpec, work: Work) -> dict[str, float]:
    """What the run takes of the services at most at any one moment, by the limit on it."""
    devices, source = float(spec.devices.count), spec.devices.source
    touches_hub = spec.scenario in USED_BY_SCENARIOS["/connection"]
    touches_registry = touches_hub or spec.scenario in USED_BY_SCENARIOS["/devices/source"]
    messages = work.times(Operation.CERT_REQUEST, Operation.TELEMETRY_PUBLISH) * work.iterations
    days = max(1.0, expected_s(spec) / WINDOWS_S["1/day"])
    return {
        "hub.messagesPerDay": messages / days,
        "hub.devices": devices if touches_hub else 0.0,
        "dps.stored": devices if touches_hub and source is not Source.STORED_ONLY else 0.0,
        "adr.devices": devices if touches_registry else 0.0,
    }


def _of_hosting(spec: RunSpec, work: Work) -> dict[str, float]:
    """What the run takes of where its batches run at most at any one moment, by the limit on it."""
    kept_per_s = work.times(Operation.DPS_REGISTER, Operation.CERT_ISSUED) * peak_starts(spec, 1.0)
    everywhere = {
        "net.ports": float(work.connections),
        "durable.actions": float(ACTIONS_PER_BATCH * work.batches),
        "storage.requests": STORE_REQUESTS_PER_S * work.batches + min(kept_per_s, SAVES_PER_S * work.batches),
    }
    if runner_of(spec) is Runner.JOB:
        return everywhere | {
            "aca.cores": work.cores,
            "aca.replica": spec.execution.cpu,
            "aca.timeout": work.longest_s,
            "aca.parallelism": float(work.replicas),
        }
    memory_mb = work.replicas * GIB_PER_CORE * MB_PER_GIB
    return everywhere | {"functions.flex": float(work.replicas), "functions.memory": memory_mb}


def _effect_of_stock(name: str, value: float | None, need: float) -> str:
    if value is None:
        return "unknown: nobody published it"
    if need <= value:
        return _fits(need / value)
    match name:
        case "net.ports":
            return f"needs {math.ceil(need / value)} outbound addresses"
        case "aca.timeout":
            return f"needs a job whose replicaTimeout is {figure(need)} at least"
        case "durable.actions":
            return f"a wave takes {need / value:.2g} s to begin, and to end"
        case "storage.requests":
            return f"batches wait for it: {need / value:.2g} times what it takes"
        case _:
            return f"{figure(need - value)} too many"


def _source(target: Target, limit: Limit) -> str:
    """Who gave the value, and how many services share what is needed."""
    is_told, services = limit.name in target.profile.quotas, target.services(limit.name)
    source = f"quotas of the profile {target.name}" if is_told else f"{limit.source}, {limit.date}"
    return source if services == 1 else f"{source}, each of {services}"


def _fits(share: float) -> str:
    return f"fits: {share * 100:.3g} % of it"


def figure(number: float) -> int | float:
    """A number to be read by people: whole from 10 on, two digits after the point below."""
    return round(number) if number >= 10 or number.is_integer() else round(number, 2)
