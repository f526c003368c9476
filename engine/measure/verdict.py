"""The judgement on a run: one verdict, every reason for it, and what deserves a warning.

Theory of operation. Each thing that speaks against a run is a reason under the verdict it leads to; the verdict is the
first of error, invalid, aborted, cancelled and failed that has a reason, or passed. All reasons are kept, so a run that
was cancelled and had failed a threshold by then says both.
Source: product section 6, table of verdicts; section 4.3, rules 1 and 13; section 5, `thresholds`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from engine.errors import Outcome
from engine.measure.evaluation import Judged, judge_threshold, judged_phases
from engine.measure.health import Fitness, Health, judge_health
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.tally import Tally, conservation, merge
from engine.measure.threshold import Threshold
from engine.measure.timeline import Timeline


class Verdict(StrEnum):
    """What a run amounts to, the first that applies."""

    ERROR = "error"
    INVALID = "invalid"
    ABORTED = "aborted"
    CANCELLED = "cancelled"
    FAILED = "failed"
    PASSED = "passed"


EXIT_CODES: Mapping[Verdict, int] = {
    Verdict.ERROR: 1,
    Verdict.INVALID: 98,
    Verdict.ABORTED: 97,
    Verdict.CANCELLED: 105,
    Verdict.FAILED: 99,
    Verdict.PASSED: 0,
}
"""99 and 105 as in k6 (product section 6)."""

REFUSED_EXIT_CODE = 104
"""No run exists, because its spec was refused."""

FAIL_RATE_WARNING = 0.05
DROPPED_WARNING = 0.01
"""From and beyond which shares a run without thresholds carries a warning (product section 5)."""

_STATE = (Operation.STATE_LOAD, Operation.STATE_SAVE, Operation.STATE_DELETE)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is not better: the verdict it leads to and one line for people."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run came to its end, in words for people; a tuple is empty when that did not happen.

    errors: the harness could not finish, or a batch was lost for good. invalid: sums that were found not to agree
    before the batches were merged. aborted: by autoStop or limits. cancelled: by whom. breached: thresholds that
    stopped the run, even if they hold again over all of it.
    """

    errors: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    aborted: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    breached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a run: its merged timeline and, per batch, health and totals.

    durations_s holds how long each phase took, seconds. expected are outcomes of the main operation that the run is
    there to provoke: they count in thresholds, but nobody is warned of them. is_partial means that the run goes on:
    what is in flight is no mistake then, and what has no data may still get some. baseline is the run that thresholds
    of `k*baseline` compare with; without one they are skipped, which is warned of.
    """

    timeline: Timeline
    main: Operation
    durations_s: Mapping[Phase, float]
    health: Mapping[str, Sequence[Health]] = field(default_factory=dict)
    batches: Mapping[str, Tally] = field(default_factory=dict)
    expected: frozenset[Outcome] = frozenset()
    is_partial: bool = False
    baseline: Measured | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and all that led to it; reasons in the order of their verdicts, fitness per batch."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    thresholds: tuple[Judged, ...]
    mismatches: tuple[str, ...]
    fitness: Mapping[str, Fitness]

    @property
    def exit_code(self) -> int:
        """What a process that reports this run exits with."""
        return EXIT_CODES[self.verdict]


def judge(thresholds: Sequence[Threshold], evidence: Evidence, ending: Ending) -> Judgement:
    """The judgement on a run, or the judgement so far where the evidence is partial."""
    total = evidence.timeline.total()
    durations_s, baseline = evidence.durations_s, evidence.baseline
    judged = tuple(
        judge_threshold(threshold, evidence.timeline, durations_s=durations_s, baseline=baseline)
        for threshold in thresholds
    )
    mismatches = () if evidence.is_partial else tuple(_mismatches(total, evidence.batches))
    fitness = {batch: judge_health(batch, records) for batch, records in sorted(evidence.health.items())}
    spoken = {
        Verdict.ERROR: [*ending.errors, *_nothing_measured(total, evidence, ending)],
        Verdict.INVALID: [*_unhealthy(fitness), *_internal(total), *mismatches, *ending.invalid],
        Verdict.ABORTED: ending.aborted,
        Verdict.CANCELLED: ending.cancelled,
        Verdict.FAILED: [*ending.breached, *_failed(judged, evidence)],
    }
    reasons = tuple(Reason(verdict, text) for verdict, texts in spoken.items() for text in dict.fromkeys(texts))
    return Judgement(
        verdict=reasons[0].verdict if reasons else Verdict.PASSED,
        reasons=reasons,
        warnings=tuple(_warnings(total, evidence, judged=judged, fitness=fitness)),
        thresholds=tuple(map(_so_far, judged)) if evidence.is_partial else judged,
        mismatches=mismatches,
        fitness=fitness,
    )


def _so_far(judged: Judged) -> Judged:
    """What has no data yet has neither held nor failed."""
    if judged.value is not None or judged.is_skipped:
        return judged
    return replace(judged, is_ok=True, is_skipped=True, text=f"{judged.threshold}: skipped, no data yet")


def _nothing_measured(total: Tally, evidence: Evidence, ending: Ending) -> list[str]:
    """A run that ended by itself without its main operation measured nothing worth a verdict."""
    was_stopped = ending.aborted or ending.cancelled or ending.breached
    if evidence.is_partial or was_stopped or evidence.main in total.operations():
        return []
    return [f"no results: {evidence.main} was never due"]


def _mismatches(total: Tally, batches: Mapping[str, Tally]) -> list[str]:
    mismatches = [
        f"{batch}: {line}" for batch, tally in sorted(batches.items()) for line in conservation(tally)
    ] + conservation(total)
    if batches and merge(batches.values()).encode() != total.encode():
        mismatches.append("the merged result is not the sum of its batches")
    return mismatches


def _unhealthy(fitness: Mapping[str, Fitness]) -> list[str]:
    return [reason for fit in fitness.values() for reason in fit.reasons]


def _internal(total: Tally) -> list[str]:
    counted = {operation: total.select(operation).outcomes[Outcome.INTERNAL] for operation in total.operations()}
    return [f"{operation}: {many} ended internal, a bug of the harness" for operation, many in counted.items() if many]


def _failed(judged: Sequence[Judged], evidence: Evidence) -> list[str]:
    return [found.text for found in judged if not found.is_ok and not (evidence.is_partial and found.value is None)]


def _warnings(
    total: Tally, evidence: Evidence, *, judged: Sequence[Judged], fitness: Mapping[str, Fitness]
) -> list[str]:
    warnings = [found.text for found in judged if found.is_skipped]
    if len(warnings) == len(judged):
        warnings += _default_warnings(total, evidence.main, evidence.expected)
    for operation in _STATE:
        counts = total.select(operation)
        bad = counts.failed + counts.late + counts.lost
        if bad:
            warnings.append(f"{operation}: {bad} of {counts.started} went wrong, so stored device state may be stale")
    return warnings + [warning for fit in fitness.values() for warning in fit.warnings]


def _default_warnings(total: Tally, main: Operation, expected: frozenset[Outcome]) -> list[str]:
    counts = total.select(main, judged_phases(total.series, main))
    warnings = []
    bad = counts.failed + counts.late + counts.lost + counts.overdue
    begun = max(counts.started - counts.cancelled, counts.ok + bad)
    unexpected = bad - sum(counts.outcomes[outcome] for outcome in expected)
    fail_rate = unexpected / begun if begun else 0.0
    dropped = counts.share(Outcome.DROPPED) or 0.0
    if fail_rate >= FAIL_RATE_WARNING:
        warnings.append(f"{main}: {fail_rate * 100:.3g} % failed, late or lost; from 5 % on that is worth a look")
    if dropped > DROPPED_WARNING:
        warnings.append(f"{main}: {dropped * 100:.3g} % of what was due was dropped; up to 1 % is nothing unusual")
    return warnings
