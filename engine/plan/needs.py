"""What a run needs of each limit, and what comes of it: the tightest first."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.measure.operation import Operation
from engine.plan.document import Json
from engine.plan.field import format_duration
from engine.plan.limits import LIMITS, WINDOWS_S, Limit
from engine.plan.spec.demand import peak_starts
from engine.plan.spec.devices import Source
from engine.plan.spec.execution import Runner
from engine.plan.spec.rules import QUOTA_SHARE
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


@dataclass(frozen=True, slots=True)
class Need:
    """A limit as the target has it, and what the run needs of it: both in the limit's unit.

    value None is unknown; an infinite need is one that the answers decide.
    """

    limit: Limit
    value: float | None
    need: float
    effect: str

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
            "source": f"{self.limit.source}, {self.limit.date}",
            "adjustable": self.limit.adjustable,
            "effect": self.effect,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """What a run comes to: how often each operation, and how many connections and replicas at once."""

    per_iteration: Mapping[Operation, float]
    iterations: int
    connections: int
    replicas: int
    cores: float

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
            yield Need(limit, value, need, _effect_of_rate(spec, value, need=need, total_s=total_s))


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
    for name, need in _stock(spec, work).items():
        value = target.quota(name)
        if need and value is not None:
            yield Need(LIMITS[name], value, need, _effect_of_stock(name, value, need))


def _stock(spec: RunSpec, work: Work) -> dict[str, float]:
    """What the run takes at most at any one moment, by the limit on it."""
    devices, source = float(spec.devices.count), spec.devices.source
    touches_hub = spec.scenario in USED_BY_SCENARIOS["/connection"]
    touches_registry = touches_hub or spec.scenario in USED_BY_SCENARIOS["/devices/source"]
    messages = work.times(Operation.CERT_REQUEST, Operation.TELEMETRY_PUBLISH) * work.iterations
    is_job = spec.execution.runner is Runner.JOB
    return {
        "hub.messagesPerDay": messages,
        "hub.devices": devices if touches_hub else 0.0,
        "dps.stored": devices if touches_hub and source is not Source.STORED_ONLY else 0.0,
        "adr.devices": devices if touches_registry else 0.0,
        "net.ports": float(work.connections),
        "aca.cores": work.cores if is_job else 0.0,
        "aca.replica": spec.execution.cpu if is_job else 0.0,
        "functions.flex": 0.0 if is_job else float(work.replicas),
    }


def _effect_of_stock(name: str, value: float, need: float) -> str:
    if need <= value:
        return _fits(need / value)
    if name == "net.ports":
        return f"needs {math.ceil(need / value)} outbound addresses"
    return f"{figure(need - value)} too many"


def _fits(share: float) -> str:
    return f"fits: {share * 100:.3g} % of it"


def figure(number: float) -> int | float:
    """A number to be read by people: whole from 10 on, two digits after the point below."""
    return round(number) if number >= 10 or number.is_integer() else round(number, 2)
