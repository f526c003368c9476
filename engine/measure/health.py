"""Whether the machine that made the load is fit to be believed.

Theory of operation. Every batch records its health once per interval. An interval is over when the event loop lagged,
the CPU was full or the descriptors nearly were; a batch with more than OVER_SHARE of its steady intervals over has
measured itself rather than the service. Batches are judged one by one: a sick one is not made well by healthy
neighbours, as its numbers are in the merged percentiles all the same. A batch without a steady interval is judged by
its ramp, for a load that is over before it is steady. Anything `internal`, at any time, is a bug of ours.
Exhausted ports and clock jumps have no limit yet: they are told as warnings.
Source: product section 4.3, rule 13; the limits are its first ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from math import isfinite
from typing import Any, Self

from engine.measure.encoding import NotATally, decode, encode, whole
from engine.measure.operation import Phase

LAG_LIMIT_S = 0.25
CPU_LIMIT = 0.9
DESCRIPTOR_LIMIT = 0.9
OVER_SHARE = 0.05

_EVER = -(2**63)


@dataclass(frozen=True, slots=True)
class Health:
    """How one batch's generator was in one interval; window counts like the timeline's.

    lag is how much later than asked the loop woke, lateness how much later than due starts began (99th percentiles).
    cpu_share is of the cores the batch may use, 0 … 1. descriptors are those open, of descriptor_limit allowed.
    internal counts errors of ours, ports_exhausted dials refused for want of a local port.
    """

    window: int
    phase: Phase
    lag_p99_s: float = 0.0
    cpu_share: float = 0.0
    descriptors: int = 0
    descriptor_limit: int = 0
    lateness_p99_s: float = 0.0
    internal: int = 0
    ports_exhausted: int = 0
    clock_jumps: int = 0

    @property
    def descriptor_share(self) -> float:
        """Descriptors open as a share of those allowed, 0 where there is no limit."""
        return self.descriptors / self.descriptor_limit if self.descriptor_limit else 0.0

    @property
    def is_over(self) -> bool:
        """Whether any limit was passed."""
        return self.lag_p99_s > LAG_LIMIT_S or self.cpu_share > CPU_LIMIT or self.descriptor_share > DESCRIPTOR_LIMIT


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst of several intervals, each figure for itself; the last three are sums."""

    lag_p99_s: float = 0.0
    cpu_share: float = 0.0
    descriptor_share: float = 0.0
    lateness_p99_s: float = 0.0
    internal: int = 0
    ports_exhausted: int = 0
    clock_jumps: int = 0

    def merge(self, other: Self) -> Self:
        """The worst of both."""
        return type(self)(
            lag_p99_s=max(self.lag_p99_s, other.lag_p99_s),
            cpu_share=max(self.cpu_share, other.cpu_share),
            descriptor_share=max(self.descriptor_share, other.descriptor_share),
            lateness_p99_s=max(self.lateness_p99_s, other.lateness_p99_s),
            internal=self.internal + other.internal,
            ports_exhausted=self.ports_exhausted + other.ports_exhausted,
            clock_jumps=self.clock_jumps + other.clock_jumps,
        )

    def figures(self) -> dict[str, float]:
        """The figures under the names they have in JSON."""
        return {
            "lagP99Ms": round(self.lag_p99_s * 1000, 3),
            "cpuShare": round(self.cpu_share, 4),
            "descriptorShare": round(self.descriptor_share, 4),
            "latenessP99Ms": round(self.lateness_p99_s * 1000, 3),
            "internal": self.internal,
            "portsExhausted": self.ports_exhausted,
            "clockJumps": self.clock_jumps,
        }


@dataclass(frozen=True, slots=True)
class Fitness:
    """What a batch's health amounts to: `over` of `judged` intervals, and why it is not to be believed, if so."""

    judged: int
    over: int
    worst: Worst
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]

    def figures(self) -> dict[str, float]:
        """The numbers under the names they have in JSON."""
        return {"judged": self.judged, "over": self.over, **self.worst.figures()}


def worst(records: Iterable[Health]) -> Worst:
    """The worst of the records; of none, all is well."""
    merged = Worst()
    for record in records:
        merged = merged.merge(
            Worst(
                lag_p99_s=record.lag_p99_s,
                cpu_share=record.cpu_share,
                descriptor_share=record.descriptor_share,
                lateness_p99_s=record.lateness_p99_s,
                internal=record.internal,
                ports_exhausted=record.ports_exhausted,
                clock_jumps=record.clock_jumps,
            )
        )
    return merged


def judge_health(batch: str, records: Sequence[Health]) -> Fitness:
    """Whether one batch's generator was fit, each reason and warning as one line that names the batch."""
    phase = Phase.STEADY if any(record.phase is Phase.STEADY for record in records) else Phase.RAMP
    judged = [record for record in records if record.phase is phase]
    over = sum(record.is_over for record in judged)
    reasons = _too_often(judged, phase) if over > OVER_SHARE * len(judged) else []
    overall = worst(records)
    if overall.internal:
        reasons.append(f"{overall.internal} internal errors, a bug of the harness")
    return Fitness(
        judged=len(judged),
        over=over,
        worst=overall,
        reasons=tuple(f"{batch}: {reason}" for reason in reasons),
        warnings=tuple(f"{batch}: {warning}" for warning in _noticed(overall)),
    )


def encode_health(records: Iterable[Health]) -> bytes:
    """The records as bytes, in the order of their windows."""
    ordered = sorted(records, key=lambda record: record.window)
    return encode({"health": [astuple(record) for record in ordered]})


def decode_health(encoded: bytes) -> tuple[Health, ...]:
    """The records that were encoded. Raises NotATally for anything else."""
    return decode(encoded, lambda document: tuple(_unpack(packed) for packed in document["health"]))


def _too_often(judged: Sequence[Health], phase: Phase) -> list[str]:
    measured = (
        ("loop lag p99", "over 250 ms", [r.lag_p99_s > LAG_LIMIT_S for r in judged]),
        ("CPU", "over 90 %", [r.cpu_share > CPU_LIMIT for r in judged]),
        ("descriptors", "over 90 % of the limit", [r.descriptor_share > DESCRIPTOR_LIMIT for r in judged]),
    )
    return [
        f"the load generator was not fit: {what} {limit} in {sum(over)} of {len(judged)} {phase} intervals"
        for what, limit, over in measured
        if any(over)
    ]


def _noticed(overall: Worst) -> list[str]:
    noticed = []
    if overall.ports_exhausted:
        noticed.append(f"{overall.ports_exhausted} dials found no free local port")
    if overall.clock_jumps:
        noticed.append(f"the wall clock jumped {overall.clock_jumps} times")
    return noticed


def _unpack(packed: Any) -> Health:
    window, phase, lag_p99_s, cpu_share, descriptors, limit, lateness_p99_s, *counts = packed
    internal, ports_exhausted, clock_jumps = (whole(count, least=0) for count in counts)
    return Health(
        window=whole(window, least=_EVER),
        phase=Phase(phase),
        lag_p99_s=_measure(lag_p99_s),
        cpu_share=_measure(cpu_share),
        descriptors=whole(descriptors, least=0),
        descriptor_limit=whole(limit, least=0),
        lateness_p99_s=_measure(lateness_p99_s),
        internal=internal,
        ports_exhausted=ports_exhausted,
        clock_jumps=clock_jumps,
    )


def _measure(number: Any) -> float:
    if type(number) not in (int, float) or not isfinite(number):
        raise NotATally("a measure that is no number")
    return float(number)
