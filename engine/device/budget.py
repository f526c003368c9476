"""What the service is asked at most: a rate that work outside of the load keeps to."""


class Budget:
    """Hands out moments, at most per_s of them a second and none before it is asked for; None is no limit.

    Whoever books waits until then. Moments that nobody booked are gone: there are no bursts.
    """

    __slots__ = ("_every_s", "_free_at")

    def __init__(self, per_s: float | None) -> None:
        self._every_s = 0.0 if per_s is None else 1.0 / per_s
        self._free_at = 0.0

    @property
    def free_at(self) -> float:
        """When the next moment is."""
        return self._free_at

    def book(self, now: float) -> float:
        """The next moment, now or later."""
        at = max(now, self._free_at)
        self._free_at = at + self._every_s
        return at
