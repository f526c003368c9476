"""One of two runs that are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.measure.counts import Counts
from engine.measure.evaluation import judged_phases, spent_s
from engine.measure.measured import Measured
from engine.measure.operation import Operation, Phase
from engine.measure.tally import Tally


@dataclass(frozen=True, slots=True)
class Side:
    """A run as another is compared with it: what was asked, what was measured, what came of it.

    spec is the one echoed in answers; created_at is unix seconds; verdict is None while there is none; total is the
    measured timeline without its windows. is_partial: the run goes on, so all numbers are those so far.
    """

    run_id: str
    name: str
    scenario: str
    target: str
    spec: Mapping[str, Any]
    created_at: float
    verdict: str | None
    main: Operation
    devices: int
    percentiles: Sequence[float]
    measured: Measured
    total: Tally
    is_partial: bool = False

    def phases(self, operation: Operation) -> frozenset[Phase]:
        """The phases the operation's numbers are taken over."""
        return judged_phases(self.total.series, operation)

    def counts(self, operation: Operation) -> Counts:
        """The operation's numbers, over its phases and all hubs."""
        return self.total.select(operation, self.phases(operation))

    def spent_s(self, operation: Operation) -> float:
        """The seconds that the operation's rate divides by."""
        return spent_s(self.phases(operation), self.measured.durations_s)

    @property
    def load_s(self) -> float:
        """The seconds of load, drain left out."""
        return spent_s({Phase.RAMP, Phase.STEADY}, self.measured.durations_s)
