"""A few iterations of an interval in full: the first, the slowest, and some that failed.

They are for looking at, never for counting: a span per operation of every device would be a gigabyte a million.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.device.log import Log
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.measure.sample import Sample
from engine.measure.signal import Span

FAILED = 3
"""How many iterations that failed are kept of an interval."""


@dataclass(slots=True)
class _Kept:
    first: Log | None = None
    slowest: Log | None = None
    longest_s: float = -math.inf
    failed: list[Log] = field(default_factory=list)


class Exemplars:
    """Filled by whole iterations; `take` gives their spans and begins anew.

    name tells the batch and its holder from all others: ids are made of it. zero_wall is run time 0 in unix seconds.
    """

    def __init__(self, name: str, properties: Mapping[str, str], zero_wall: float) -> None:
        self._name, self._zero_wall = name, zero_wall
        self._properties = {f"loadtest.{key}": value for key, value in properties.items()}
        self._taken = 0
        self._kept = _Kept()

    def consider(self, log: Log, iteration: Sample) -> None:
        """Keep the iteration where it is one to look at."""
        kept, took_s = self._kept, iteration.ended - iteration.due
        if kept.first is None:
            kept.first = log
        elif iteration.outcome is not Outcome.OK:
            if len(kept.failed) < FAILED:
                kept.failed.append(log)
        elif took_s > kept.longest_s:
            kept.slowest, kept.longest_s = log, took_s

    def take(self) -> list[Span]:
        """The spans of what was kept since the last time."""
        kept, self._kept = self._kept, _Kept()
        logs = (kept.first, kept.slowest, *kept.failed)
        return [span for log in logs if log is not None for span in self._spans(log)]

    def _spans(self, log: Log) -> Iterator[Span]:
        self._taken += 1
        trace_id, root = self._id(16, 0), self._id(8, 0)
        begun = [(sample, sample.began) for sample in log.samples if sample.began is not None]
        for number, (sample, began) in enumerate(begun, 1):
            is_root = sample.series.operation is Operation.ITERATION
            yield Span(
                name=sample.series.operation,
                began=self._zero_wall + began,
                ended=self._zero_wall + sample.ended,
                trace_id=trace_id,
                span_id=root if is_root else self._id(8, number),
                parent_id=None if is_root else root,
                is_ok=sample.outcome is Outcome.OK,
                properties={**self._properties, **_facts(sample)},
            )

    def _id(self, size: int, number: int) -> int:
        text = f"{self._name}/{self._taken}/{number}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest()) or 1


def _facts(sample: Sample) -> dict[str, str]:
    facts = {
        "device": sample.device,
        "phase": sample.series.phase,
        "outcome": sample.outcome,
        "code": sample.code,
        "hub": sample.series.hub,
        **{f"{part}_ms": f"{took_s * 1000:.3f}" for part, took_s in sample.parts},
    }
    return {f"loadtest.{name}": value for name, value in facts.items() if value}
