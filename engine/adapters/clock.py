"""The system's clock: the only place that asks it."""

import time


class SystemClock:
    """A `Clock` that is this machine's."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def sleep(self, for_s: float) -> None:
        """Return after for_s seconds."""
        time.sleep(for_s)
