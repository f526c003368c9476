"""What a whole run measured, as it is kept for runs that are compared with it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from engine.measure.encoding import NotATally, decode, encode
from engine.measure.operation import Phase
from engine.measure.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Measured:
    """The merged timeline of all batches, and how long each phase took, seconds."""

    timeline: Timeline
    durations_s: Mapping[Phase, float]

    def encode(self) -> bytes:
        """All of it as compressed canonical JSON: equal measurements give equal bytes."""
        durations_s = {phase: float(seconds) for phase, seconds in self.durations_s.items()}
        return encode({"timeline": self.timeline.pack(), "durationsS": durations_s})

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The measurement that was encoded. Raises NotATally for anything else."""
        return decode(encoded, cls._unpack)

    @classmethod
    def _unpack(cls, document: Any) -> Self:
        durations_s = {Phase(phase): _seconds(found) for phase, found in document["durationsS"].items()}
        return cls(Timeline.unpack(document["timeline"]), durations_s)


def _seconds(found: Any) -> float:
    if type(found) is not float or not 0 <= found < math.inf:
        raise NotATally("a phase without a length")
    return found
