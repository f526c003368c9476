"""A clock that stands still until somebody sleeps."""


class VirtualClock:
    """`Clock` without waiting: sleep returns at once, and the time has passed."""

    def __init__(self, now_s: float = 0.0, wall_s: float = 1_700_000_000.0) -> None:
        self._now_s, self._wall_s = now_s, wall_s

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return self._now_s

    def wall(self) -> float:
        """Seconds since 1970, moving along with now."""
        return self._wall_s

    def sleep(self, for_s: float) -> None:
        """Let for_s seconds pass; less than none is none."""
        self._now_s += max(0.0, for_s)
        self._wall_s += max(0.0, for_s)
