"""A run's result: what was asked, what was measured, what it means; and that as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Outcome
from engine.measure.counts import Counts
from engine.measure.evaluation import judged_phases, spent_s
from engine.measure.health import Health
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.signal import Delivery
from engine.measure.tally import Tally
from engine.measure.threshold import Threshold
from engine.measure.timeline import Timeline
from engine.measure.verdict import Ending, Evidence, Judgement, judge
from engine.report.heat import Heat
from engine.report.side import Side

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
"""Reported unless the spec says otherwise (product section 5, `results.percentiles`)."""


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """One batch: its status in the words of its claim, who held it with which fencing token, and what it left.

    total is None for a batch that left nothing.
    """

    name: str
    status: str
    holder: str = ""
    token: int = 0
    devices: int = 0
    total: Tally | None = None
    health: Sequence[Health] = ()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run besides its measurements.

    Times are unix seconds. spec is the one echoed in answers and holds no secret. durations_s is how long each phase
    took; hubs are those the target lists; emulator is what the embedded service counted for itself (its /stats), None
    when there was none. started_by is who asked for the run, "" where nobody knows. search is what a rate search found.
    expected are the outcomes that the run is there to provoke: without thresholds nobody is warned of them. baseline is
    the run that this one is compared with, if there is one. telemetry is what became of the run's signals, None where
    there was nowhere to send them. heat is how its batches did over time. is_partial: the run goes on, so numbers and
    verdict are those so far.
    """

    run_id: str
    name: str
    state: str
    scenario: str
    main: Operation
    target: str
    spec: Mapping[str, Any]
    created_at: float
    durations_s: Mapping[Phase, float]
    started_at: float | None = None
    ended_at: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    devices: int = 0
    hubs: Sequence[str] = ()
    attempts: int = 1
    started_by: str = ""
    random_seed: int = 0
    version: str = ""
    percentiles: Sequence[float] = PERCENTILES
    batches: Sequence[BatchFacts] = ()
    emulator: Mapping[str, Any] | None = None
    search: Mapping[str, Any] | None = None
    expected: frozenset[Outcome] = frozenset()
    baseline: Side | None = None
    telemetry: Delivery | None = None
    heat: Heat | None = None
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything a report is made of; total is the timeline without its windows."""

    facts: RunFacts
    timeline: Timeline
    total: Tally
    judgement: Judgement

    def phases(self, operation: Operation) -> frozenset[Phase]:
        """The phases the operation's numbers are taken over."""
        return judged_phases(self.total.series, operation)

    def counts(self, operation: Operation, hub: str | None = None) -> Counts:
        """The operation's numbers, over its phases and one hub or all of them."""
        return self.total.select(operation, self.phases(operation), hub=hub)

    def spent_s(self, operation: Operation) -> float:
        """The seconds that the operation's rate divides by."""
        return spent_s(self.phases(operation), self.facts.durations_s)

    @property
    def measured(self) -> Measured:
        """What was measured, without what is known of it besides."""
        return Measured(self.timeline, self.facts.durations_s)

    def side(self) -> Side:
        """The run as it is compared with another."""
        facts = self.facts
        return Side(
            run_id=facts.run_id,
            name=facts.name,
            scenario=facts.scenario,
            target=facts.target,
            spec=facts.spec,
            created_at=facts.created_at,
            verdict=self.judgement.verdict,
            main=facts.main,
            devices=facts.devices,
            percentiles=facts.percentiles,
            measured=self.measured,
            total=self.total,
            is_partial=facts.is_partial,
        )


def conclude(
    facts: RunFacts, timeline: Timeline, *, thresholds: Sequence[Threshold] = (), ending: Ending | None = None
) -> RunResult:
    """The result of a run whose batches' timelines are merged in `timeline`; without an `ending` it ended by itself."""
    evidence = Evidence(
        timeline=timeline,
        main=facts.main,
        durations_s=facts.durations_s,
        health={batch.name: batch.health for batch in facts.batches if batch.health},
        batches={batch.name: batch.total for batch in facts.batches if batch.total is not None},
        expected=facts.expected,
        is_partial=facts.is_partial,
        baseline=None if facts.baseline is None else facts.baseline.measured,
    )
    return RunResult(facts, timeline, timeline.total(), judge(thresholds, evidence, ending or Ending()))
