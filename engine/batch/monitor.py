"""Watches the generator itself: a record of its health per interval."""

import math
import os
import resource
import time
from collections.abc import Mapping

from engine.measure.health import Health, worst
from engine.measure.histogram import Histogram
from engine.measure.operation import Phase
from engine.ports import Clock

_OPEN_FILES = "/proc/self/fd"

JUMP_S = 1.0
"""The wall clock moved this much more or less than the monotonic one between two intervals: it was set."""


class Monitor:
    """Fed by the loop once a turn; CPU and descriptors are the whole process's, which batches in threads share."""

    def __init__(self, interval_s: float, clock: Clock) -> None:
        self.internal = self.ports_exhausted = 0
        self.records: list[Health] = []
        self._interval_s, self._clock = interval_s, clock
        self._open(clock.now())

    @property
    def latest(self) -> Mapping[str, float]:
        """The figures of the last whole interval, all well before there is one."""
        return worst(self.records[-1:]).figures()

    def woke(self, now: float, due: float) -> None:
        """The loop came back from a wait that was to end at due at the latest."""
        if now >= due > -math.inf:
            self._lag.record(now - due)

    def began(self, late_s: float) -> None:
        """A start began this much later than it was due."""
        self._lateness.record(max(0.0, late_s))

    def tick(self, now: float, phase: Phase) -> None:
        """Close the interval when it is over."""
        if math.floor(now / self._interval_s) != self._window:
            self.close(now, phase)

    def close(self, now: float, phase: Phase) -> None:
        """Record what the interval under way was like, and open the next."""
        elapsed = now - self._began
        if elapsed > 0:
            self.records.append(
                Health(
                    window=self._window,
                    phase=phase,
                    lag_p99_s=self._lag.quantile(0.99) or 0.0,
                    cpu_share=(time.process_time() - self._cpu) / elapsed,
                    descriptors=_descriptors(),
                    descriptor_limit=max(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
                    lateness_p99_s=self._lateness.quantile(0.99) or 0.0,
                    internal=self.internal,
                    ports_exhausted=self.ports_exhausted,
                    clock_jumps=int(abs(self._clock.wall() - self._wall - elapsed) > JUMP_S),
                )
            )
        self.internal = self.ports_exhausted = 0
        self._open(now)

    def _open(self, now: float) -> None:
        self._began, self._window = now, math.floor(now / self._interval_s)
        self._cpu, self._wall = time.process_time(), self._clock.wall()
        self._lag, self._lateness = Histogram(), Histogram()


def _descriptors() -> int:
    """How many files the process has open, 0 where the system does not tell.

    From Linux 6.2 on the folder's size is their number; to list 10,000 of them takes 30 ms of the loop.
    """
    try:
        return os.stat(_OPEN_FILES).st_size or len(os.listdir(_OPEN_FILES))
    except OSError:
        return 0
