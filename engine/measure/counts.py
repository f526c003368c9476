"""What is counted for one operation: starts, how they ended, and how long they took.

Theory of operation (product section 4.3). due = started + dropped. started = ok + failed + late + lost + in flight;
when a run is over, what was in flight has ended as `cancelled`. Percentiles cover `ok` and `late` together, so a
service that turns slow does not look faster; failures that were answered have a histogram of their own; `lost`,
`timeout` and `cancelled` have no latency. `overdue` is how many of those in flight are past their deadline now.
"""

from collections import Counter
from typing import Any, Self

from engine.errors import Outcome
from engine.measure.encoding import NotATally, text, whole
from engine.measure.failures import SAMPLES, Failures
from engine.measure.histogram import Histogram, to_ns
from engine.measure.sample import Sample

_ANSWERED = frozenset({Outcome.OK, Outcome.LATE})
_NO_FAILURE = frozenset({Outcome.OK, Outcome.CANCELLED, Outcome.DROPPED})

FAILED = tuple(o for o in Outcome if o not in _NO_FAILURE | {Outcome.LATE, Outcome.LOST})
"""The outcomes counted as `failed`: every one but ok, late, lost, cancelled and dropped."""

_CODE_CHARS = 64
_NUMBERS = ("due", "started", "overdue", "retries", "unmatched")
_LEAST = {"overdue": -(2**63)}
"""A window in which more overdue starts settled than became overdue counts less than none of them."""
_HISTOGRAMS = ("intended", "actual", "failed_after")


class Counts:
    """Counts and histograms of one operation, or of any selection of series merged.

    intended and actual hold ok and late together (ended less due, ended less began); failed_after holds began to
    ended of failures that were answered. drops has a count per reason; codes one per outcome and code the service
    named; failures one record per outcome and code, late and lost included; parts one histogram per part's name.
    """

    __slots__ = (
        *_NUMBERS,
        *_HISTOGRAMS,
        "codes",
        "drops",
        "failures",
        "outcomes",
        "parts",
        "samples_kept",
    )

    def __init__(self, samples_kept: int = SAMPLES) -> None:
        self.samples_kept = samples_kept
        self.due = 0
        self.started = 0
        self.overdue = 0
        self.retries = 0
        self.unmatched = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.drops: Counter[str] = Counter()
        self.codes: Counter[tuple[Outcome, str]] = Counter()
        self.failures: dict[tuple[Outcome, str], Failures] = {}
        self.intended = Histogram()
        self.actual = Histogram()
        self.failed_after = Histogram()
        self.parts: dict[str, Histogram] = {}

    def settle(self, sample: Sample, origin: float = 0.0) -> None:
        """Count how one start ended, or that it was dropped; due and started stay as they are.

        origin is run time 0 in the sample's time.
        """
        outcome, code = sample.outcome, sample.code[:_CODE_CHARS]
        self.outcomes[outcome] += 1
        if outcome is Outcome.DROPPED:
            self.drops[code] += 1
            return
        if code:
            self.codes[outcome, code] += 1
        if sample.began is not None and sample.has_latency:
            self._time(sample, sample.began)
        if outcome not in _NO_FAILURE:
            failures = self.failures.get((outcome, code))
            if failures is None:
                failures = self.failures[outcome, code] = Failures(self.samples_kept)
            failures.add(to_ns(sample.ended - origin), device=sample.device, detail=sample.detail)

    def merge(self, other: Self) -> None:
        """Add everything `other` counted; of two limits on samples the smaller holds."""
        self.keep(other.samples_kept)
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _HISTOGRAMS:
            getattr(self, name).merge(getattr(other, name))
        self.outcomes.update(other.outcomes)
        self.drops.update(other.drops)
        self.codes.update(other.codes)
        for part, histogram in other.parts.items():
            self.parts.setdefault(part, Histogram()).merge(histogram)
        for kind, failures in other.failures.items():
            self.failures.setdefault(kind, Failures(self.samples_kept)).merge(failures)

    def keep(self, samples: int) -> None:
        """From now on keep at most `samples` of each failure, if it was more."""
        if samples < self.samples_kept:
            self.samples_kept = samples
            for failures in self.failures.values():
                failures.keep(samples)

    @property
    def ok(self) -> int:
        """Starts that ended with the right answer in time."""
        return self.outcomes[Outcome.OK]

    @property
    def late(self) -> int:
        """Starts answered after their deadline."""
        return self.outcomes[Outcome.LATE]

    @property
    def lost(self) -> int:
        """Starts never answered."""
        return self.outcomes[Outcome.LOST]

    @property
    def cancelled(self) -> int:
        """Starts that were in flight, and not overdue, when the run ended."""
        return self.outcomes[Outcome.CANCELLED]

    @property
    def dropped(self) -> int:
        """Starts that were due and never began."""
        return self.outcomes[Outcome.DROPPED]

    @property
    def failed(self) -> int:
        """Starts that ended with any of FAILED."""
        return sum(self.outcomes[outcome] for outcome in FAILED)

    @property
    def ended(self) -> int:
        """Starts that ended by themselves: ok + failed + late + lost."""
        return self.outcomes.total() - self.dropped - self.cancelled

    @property
    def in_flight(self) -> int:
        """Starts that have not ended, nor been cancelled."""
        return self.started - self.ended - self.cancelled

    @property
    def fail_rate(self) -> float | None:
        """Failed, late, lost and overdue as a share of started less cancelled; None when there is none of it.

        In a slice of time, where what began earlier ends too, the divisor is at least what ended or is overdue,
        so that the share never passes 1; over a whole run that changes nothing.
        """
        bad = self.failed + self.late + self.lost + self.overdue
        among = max(self.started - self.cancelled, self.ok + bad)
        return bad / among if among else None

    def share(self, outcome: Outcome) -> float | None:
        """One outcome as a share of what was due; None when nothing was.

        In a slice of time the divisor is at least what ended in it, as for fail_rate.
        """
        among = max(self.due, self.outcomes.total())
        return self.outcomes[outcome] / among if among else None

    def rate(self, duration_s: float) -> float | None:
        """Starts that ended by themselves per second of `duration_s`; None when that is no time."""
        return self.ended / duration_s if duration_s > 0 else None

    def pack(self) -> dict[str, Any]:
        """All of it as a JSON value, without what is nothing."""
        packed: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        packed |= {name: getattr(self, name).pack() for name in _HISTOGRAMS}
        packed["outcomes"] = {outcome: count for outcome, count in self.outcomes.items() if count}
        packed["drops"] = dict(self.drops)
        packed["codes"] = sorted([*kind, count] for kind, count in self.codes.items())
        packed["failures"] = sorted([*kind, failures.pack()] for kind, failures in self.failures.items())
        packed["parts"] = {part: histogram.pack() for part, histogram in self.parts.items()}
        return {name: value for name, value in packed.items() if value}

    @classmethod
    def unpack(cls, packed: Any, samples_kept: int) -> Self:
        """What `pack` was called on. Raises NotATally, TypeError, ValueError or AttributeError for anything else."""
        counts = cls(samples_kept)
        for name in _NUMBERS:
            setattr(counts, name, whole(packed.get(name, 0), least=_LEAST.get(name, 0)))
        for name in _HISTOGRAMS:
            setattr(counts, name, Histogram.unpack(packed.get(name, [])))
        for outcome, count in packed.get("outcomes", {}).items():
            counts.outcomes[Outcome(outcome)] = whole(count)
        for reason, count in packed.get("drops", {}).items():
            counts.drops[reason] = whole(count)
        for outcome, code, count in packed.get("codes", []):
            counts.codes[Outcome(outcome), text(code)] = whole(count)
        for outcome, code, failures in packed.get("failures", []):
            counts.failures[Outcome(outcome), text(code)] = Failures.unpack(failures, samples_kept)
        for part, histogram in packed.get("parts", {}).items():
            counts.parts[part] = Histogram.unpack(histogram)
        if packed.keys() - set(counts.pack()):
            raise NotATally("counts with names that are none")
        return counts

    def _time(self, sample: Sample, began: float) -> None:
        if sample.outcome not in _ANSWERED:
            self.failed_after.record(sample.ended - began)
            return
        self.intended.record(sample.ended - sample.due)
        self.actual.record(sample.ended - began)
        for part, took_s in sample.parts:
            histogram = self.parts.get(part)
            if histogram is None:
                histogram = self.parts[part] = Histogram()
            histogram.record(took_s)
