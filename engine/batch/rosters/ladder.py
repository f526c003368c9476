"""Which rate a search tries next.

Theory of operation. It climbs by a factor until a rate does not hold; then the knee lies between the highest rate that
held and the lowest that did not, and every further round tries the middle of the two. It ends when the gap is under
GAP of the upper one, or after ROUNDS rounds.
Source: product section 3, "Rate search".
"""

from collections.abc import Mapping
from typing import Any, Final

GAP: Final = 0.05
ROUNDS: Final = 5


class Ladder:
    """rate is the one to try now, None when the search is over. held and failed enclose the knee: 0 and None where no
    rate held, or none failed, so far."""

    def __init__(self, start: float, step: float, state: Mapping[str, Any] | None = None) -> None:
        found = state or {"rate": start, "held": 0.0, "failed": None, "rounds": 0}
        self._step = step
        self._rounds = int(found["rounds"])
        self.rate: float | None = found["rate"]
        self.held = float(found["held"])
        self.failed: float | None = found["failed"]

    def judge(self, *, holds: bool) -> None:
        """The rate tried last held, or did not."""
        assert self.rate is not None, "the search is over"
        if holds:
            self.held = self.rate
        else:
            self.failed = self.rate
        self.rate = self._next()

    def end(self) -> None:
        """No rate is tried any more; what is known stays."""
        self.rate = None

    def state(self) -> dict[str, Any]:
        """What makes the same ladder again, as JSON."""
        return {"rate": self.rate, "held": self.held, "failed": self.failed, "rounds": self._rounds}

    def _next(self) -> float | None:
        if self.failed is None:
            return self.held * self._step
        if self._rounds == ROUNDS or self.failed - self.held < GAP * self.failed:
            return None
        self._rounds += 1
        return (self.held + self.failed) / 2
