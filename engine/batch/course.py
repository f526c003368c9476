"""Where a batch is on its way from preparing to the end."""

import math
from dataclasses import dataclass

from engine.measure.operation import Phase


@dataclass(slots=True)
class Course:
    """Times are run time; infinity while they are not known. began is when the batch did."""

    began: float
    ramp_s: float
    phase: Phase = Phase.PREPARE
    load_start: float = math.inf
    load_end: float = math.inf

    def phase_of(self, at: float) -> Phase:
        """The phase that what is due then belongs to, unless the load is over."""
        since_s = at - self.load_start
        if since_s < 0:
            return Phase.PREPARE
        return Phase.RAMP if since_s < self.ramp_s else Phase.STEADY

    def durations(self, now: float) -> dict[Phase, float]:
        """How long each phase took."""
        start = min(self.load_start, now)
        load_s = max(0.0, min(self.load_end, now) - start)
        ramp_s = min(self.ramp_s, load_s)
        return {
            Phase.PREPARE: max(0.0, start - self.began),
            Phase.RAMP: ramp_s,
            Phase.STEADY: load_s - ramp_s,
            Phase.DRAIN: max(0.0, now - start - load_s),
        }
