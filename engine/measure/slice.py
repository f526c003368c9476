"""What was counted since the last telling: sums that queries add up again, and nothing of what came before.

A slice is cheap to fill, since every sample of a run goes through one: what telemetry needs besides is made of it once
per interval. Latencies are as in `Counts`: of `ok` and `late` from when it was due, of what failed from its begin.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from engine.errors import Outcome
from engine.measure.histogram import Histogram
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series

SIGNATURES = 10
"""How many kinds of failure an interval tells; the rest is in the counters by code."""

_KEPT_SIGNATURES = 200
"""A detail may differ from failure to failure: what comes after so many different ones is counted by its code only."""

_ANSWERED = frozenset({Outcome.OK, Outcome.LATE})
_NO_FAILURE = _ANSWERED | {Outcome.DROPPED, Outcome.CANCELLED}


@dataclass(slots=True)
class Share:
    """One outcome of one series: how often, and how long it took where that is known."""

    count: int = 0
    latency: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """What failures have in common."""

    operation: Operation
    phase: Phase
    outcome: Outcome
    code: str
    detail: str


class Slice:
    """One interval of one batch."""

    __slots__ = ("codes", "lag", "retries", "shares", "signatures")

    def __init__(self) -> None:
        self.shares: dict[tuple[Series, Outcome], Share] = {}
        self.codes: Counter[tuple[Operation, Outcome, str]] = Counter()
        self.retries: Counter[Operation] = Counter()
        self.signatures: Counter[Signature] = Counter()
        self.lag = Histogram()

    def settle(self, sample: Sample) -> None:
        """Count how a start ended, or that it was dropped."""
        series, outcome = sample.series, sample.outcome
        share = self.shares.get((series, outcome))
        if share is None:
            share = self.shares[series, outcome] = Share()
        share.count += 1
        self.codes[series.operation, outcome, sample.code] += 1
        began = sample.began
        if began is not None:
            if series.operation is Operation.ITERATION:
                self.lag.record(began - sample.due)
            if sample.has_latency:
                share.latency.record(sample.ended - (sample.due if outcome in _ANSWERED else began))
        if outcome not in _NO_FAILURE:
            self._sign(sample)

    def commonest(self) -> Mapping[Signature, int]:
        """The kinds of failure that were most frequent, at most SIGNATURES."""
        ordered = sorted(self.signatures.items(), key=lambda item: (-item[1], item[0]))
        return dict(islice(ordered, SIGNATURES))

    def _sign(self, sample: Sample) -> None:
        series = sample.series
        signature = Signature(series.operation, series.phase, sample.outcome, sample.code, sample.detail)
        if signature not in self.signatures and len(self.signatures) >= _KEPT_SIGNATURES:
            signature = Signature(series.operation, series.phase, sample.outcome, sample.code, "")
        self.signatures[signature] += 1
