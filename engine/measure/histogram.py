"""Latencies as counts in logarithmic buckets: small, mergeable, wrong by at most one per cent.

Theory of operation. Bucket i holds the durations in (GAMMA**(i-1), GAMMA**i] nanoseconds, with
GAMMA = (1 + ALPHA) / (1 - ALPHA). Any duration in a bucket lies within ALPHA of the bucket's middle
2 * GAMMA**i / (GAMMA + 1), so a quantile read off the buckets is within ALPHA of the one read off the sorted
durations. Count, sum, smallest and largest are kept exactly. Everything stored is an integer: adding two
histograms is adding integers, so any order and grouping of merges gives the same bytes.
Source: Masson, Rim, Lee, "DDSketch", VLDB 2019, section 2.
"""

import math
from typing import Self

from engine.measure.encoding import NotATally, whole

ALPHA = 0.01
"""The largest relative error of a quantile (product rule 11)."""

GAMMA = (1 + ALPHA) / (1 - ALPHA)

FLOOR_NS = 1_000
"""One microsecond: a shorter duration, or none at all, counts as this, because nothing answers in no time."""

CEILING_NS = 10 * 86_400 * 1_000_000_000
"""Ten days, longer than any run: a longer duration counts as this."""

NS_PER_S = 1_000_000_000

_PER_LOG = 1 / math.log(GAMMA)
_RANK_SLACK = 1 - 1e-12
"""Keeps a rank such as 99.9 % of 1,000 from being rounded up to the next by the float's last digit."""


class Histogram:
    """Durations in log buckets; min_ns and max_ns are 0 while it is empty."""

    __slots__ = ("_buckets", "count", "max_ns", "min_ns", "sum_ns")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.sum_ns = 0
        self.min_ns = 0
        self.max_ns = 0

    def record(self, value_s: float) -> None:
        """Add one duration, finite, kept to the nanosecond between FLOOR_NS and CEILING_NS."""
        ns = int(value_s * 1e9 + 0.5)
        if ns < FLOOR_NS:
            ns = FLOOR_NS
        elif ns > CEILING_NS:
            ns = CEILING_NS
        index = math.ceil(math.log(ns) * _PER_LOG)
        self._buckets[index] = self._buckets.get(index, 0) + 1
        self.sum_ns += ns
        if not self.count or ns < self.min_ns:
            self.min_ns = ns
        if ns > self.max_ns:
            self.max_ns = ns
        self.count += 1

    def merge(self, other: Self) -> None:
        """Add every duration of `other`, exactly."""
        if not other.count:
            return
        self.min_ns = min(self.min_ns, other.min_ns) if self.count else other.min_ns
        self.max_ns = max(self.max_ns, other.max_ns)
        self.count += other.count
        self.sum_ns += other.sum_ns
        buckets = self._buckets
        for index, count in other._buckets.items():
            buckets[index] = buckets.get(index, 0) + count

    def quantile(self, q: float) -> float | None:
        """Seconds that a share `q` (0 … 1) of the durations does not exceed, None while empty.

        The nearest rank: the ceil(q * count)th smallest duration, within ALPHA; the first and last are exact.
        """
        if not self.count:
            return None
        rank = max(1, math.ceil(q * self.count * _RANK_SLACK))
        if rank == 1:
            return self.min_ns / NS_PER_S
        if rank >= self.count:
            return self.max_ns / NS_PER_S
        return min(max(_middle_ns(self._bucket_at(rank)), self.min_ns), self.max_ns) / NS_PER_S

    @property
    def avg_s(self) -> float | None:
        """The exact mean in seconds, None while empty."""
        return self.sum_ns / self.count / NS_PER_S if self.count else None

    @property
    def min_s(self) -> float | None:
        """The smallest duration in seconds, None while empty."""
        return self.min_ns / NS_PER_S if self.count else None

    @property
    def max_s(self) -> float | None:
        """The largest duration in seconds, None while empty."""
        return self.max_ns / NS_PER_S if self.count else None

    def buckets(self) -> list[tuple[int, int]]:
        """Every bucket that holds something and how much, by index."""
        return sorted(self._buckets.items())

    def pack(self) -> list[int]:
        """Integers that hold all of it: sum, min, max, then bucket and count in turn.

        A bucket is written as its distance from the one before, the first as its index. Empty: no integers.
        """
        if not self.count:
            return []
        packed, before = [self.sum_ns, self.min_ns, self.max_ns], 0
        for index in sorted(self._buckets):
            packed += (index - before, self._buckets[index])
            before = index
        return packed

    @classmethod
    def unpack(cls, packed: object) -> Self:
        """What `pack` was called on. Raises NotATally for anything else."""
        histogram = cls()
        if packed == []:
            return histogram
        numbers = _positive_integers(packed)
        if len(numbers) < 5 or len(numbers) % 2 == 0:
            raise NotATally(f"a histogram of {len(numbers)} numbers")
        histogram.sum_ns, histogram.min_ns, histogram.max_ns = numbers[:3]
        index = 0
        for gap, count in zip(numbers[3::2], numbers[4::2], strict=True):
            index += gap
            histogram._buckets[index] = count
            histogram.count += count
        histogram._check()
        return histogram

    def _bucket_at(self, rank: int) -> int:
        below = 0
        indices = iter(sorted(self._buckets))
        index = next(indices)
        while (below := below + self._buckets[index]) < rank:
            index = next(indices)
        return index

    def _check(self) -> None:
        """Raises NotATally when buckets, smallest, largest and sum cannot all be true.

        One bucket of difference is allowed, as another machine's logarithm may round the other way.
        """
        ends = ((min(self._buckets), self.min_ns), (max(self._buckets), self.max_ns))
        if not FLOOR_NS <= self.min_ns <= self.max_ns <= CEILING_NS or any(
            abs(index - math.ceil(math.log(ns) * _PER_LOG)) > 1 for index, ns in ends
        ):
            raise NotATally("a histogram whose smallest and largest value do not fit its buckets")
        if not self.min_ns * self.count <= self.sum_ns <= self.max_ns * self.count:
            raise NotATally("a histogram whose sum does not fit its values")


def to_ns(at_s: float) -> int:
    """A time in whole nanoseconds: integers compare and merge the same everywhere."""
    return round(at_s * NS_PER_S)


def _middle_ns(index: int) -> float:
    return 2 * GAMMA**index / (GAMMA + 1)


def _positive_integers(packed: object) -> list[int]:
    if not isinstance(packed, list):
        raise NotATally("a histogram that is not a list")
    return [whole(number) for number in packed]
