"""Failures of one kind, counted, with the first few kept as samples."""

from bisect import insort
from typing import Any, Self

from engine.measure.encoding import text, whole

SAMPLES = 3
"""How many samples a failure keeps unless the spec says otherwise (product rule 12)."""

_DETAIL_CHARS = 200
_EVER = -(2**63)


class Failures:
    """Failures with one outcome and code: how many, when first and last, and the `limit` smallest samples.

    A sample is (run time in ns, device id, detail), so the earliest are kept; sorted, at most `limit` of them.
    """

    __slots__ = ("count", "first_ns", "last_ns", "limit", "samples")

    def __init__(self, limit: int = SAMPLES) -> None:
        self.limit = limit
        self.count = 0
        self.first_ns = 0
        self.last_ns = 0
        self.samples: list[tuple[int, str, str]] = []

    def add(self, at_ns: int, *, device: str, detail: str) -> None:
        """Count one failure, seen at run time `at_ns`."""
        self._see(at_ns, at_ns, count=1)
        self._keep((at_ns, device, detail[:_DETAIL_CHARS]))

    def merge(self, other: Self) -> None:
        """Add every failure of `other`; of two limits the smaller holds."""
        if other.count:
            self._see(other.first_ns, other.last_ns, count=other.count)
        self.keep(other.limit)
        for sample in other.samples:
            self._keep(sample)

    def keep(self, limit: int) -> None:
        """From now on keep at most `limit` samples, if it was more."""
        self.limit = min(self.limit, limit)
        del self.samples[self.limit :]

    def pack(self) -> list[Any]:
        """All of it as a JSON value: count, first, last, then the samples."""
        return [self.count, self.first_ns, self.last_ns, *([*sample] for sample in self.samples)]

    @classmethod
    def unpack(cls, packed: Any, limit: int) -> Self:
        """What `pack` was called on. Raises NotATally, TypeError or ValueError for anything else."""
        failures = cls(limit)
        count, first_ns, last_ns, *samples = packed
        failures._see(whole(first_ns, least=_EVER), whole(last_ns, least=first_ns), count=whole(count))
        for at_ns, device, detail in samples:
            failures._keep((whole(at_ns, least=first_ns), text(device), text(detail)))
        return failures

    def _see(self, first_ns: int, last_ns: int, *, count: int) -> None:
        self.first_ns = min(self.first_ns, first_ns) if self.count else first_ns
        self.last_ns = max(self.last_ns, last_ns) if self.count else last_ns
        self.count += count

    def _keep(self, sample: tuple[int, str, str]) -> None:
        if len(self.samples) < self.limit or (self.samples and sample < self.samples[-1]):
            insort(self.samples, sample)
            del self.samples[self.limit :]
