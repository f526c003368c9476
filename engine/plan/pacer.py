"""When each start is due.

Theory of operation. A pacer is a pure function from a start's ordinal n = 0, 1, 2, … to the second, counted from
the beginning of the load, at which that start is due; None means that there is no such start. It is the inverse
of the load's integral: with a rate r(t), N(t) = ∫ r is how many starts the load owes by t, and start n is due
when N(t) = n. So the first start is due as soon as the rate is above zero, and nobody has to remember what was
started before: a worker that owns every m-th ordinal, begins late, or resumes after a crash computes its own due
times, and all workers together offer exactly the asked load. Times never decrease in n.

    Burst    everything at 0                          due(n) = 0
    Spread   a count, evenly over a time              due(n) = over · n / count
    Steady   one rate a for a time                    N(t) = a·t                     due(n) = n / a
    Ramp     from rate a to b over T                  N(t) = a·t + (b-a)·t² / 2T
             due(n) = 2n / (a + √(a² + 2n·(b-a)/T)): the quadratic's root in the form that loses no digits when
             a ≈ b; a negative root argument means that the rate fell to zero before start n
    Stages   ramps one after the other: start n belongs to the first stage whose end owes more than n

`count(until_s)` is how many starts are due at or before a time: due(n) ≤ until_s exactly when n < count(until_s).
The integral gives the number up to rounding, and `due` itself has the last word.

`Grid` is the closed load: each device has its own row of starts, one per interval, the rows shifted against each
other by the ramp-up. Jitter moves every start but the first by up to ± that share of the interval, by a hash of
(seed, device, k) and not by a generator with state, so any start can be computed alone. A share above one half
could reorder neighbours; a start is never earlier than the one before it and never beyond its neighbours' places.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Protocol

_WORD: Final = (1 << 64) - 1


class Pacer(Protocol):
    """When the nth start of a load is due, in seconds from the load's beginning."""

    def due(self, n: int) -> float | None:
        """When start n is due, None if there is none."""

    def count(self, until_s: float) -> int:
        """How many starts are due at or before until_s."""


@dataclass(frozen=True, slots=True)
class Burst:
    """All starts at once."""

    starts: int

    def due(self, n: int) -> float | None:
        """When start n is due, None if there is none."""
        return 0.0 if n < self.starts else None

    def count(self, until_s: float) -> int:
        """How many starts are due at or before until_s."""
        return self.starts if until_s >= 0 else 0


@dataclass(frozen=True, slots=True)
class Spread:
    """A number of starts, evenly over a time; over no time they are a burst."""

    starts: int
    over_s: float

    def due(self, n: int) -> float | None:
        """When start n is due, None if there is none."""
        return self.over_s * n / self.starts if n < self.starts else None

    def count(self, until_s: float) -> int:
        """How many starts are due at or before until_s."""
        if until_s < 0:
            return 0
        if until_s >= self.over_s:
            return self.starts
        return _settle(self.due, until_s, guess=until_s * self.starts / self.over_s)


@dataclass(frozen=True, slots=True)
class Steady:
    """Starts at one rate for a while; per_s is above zero."""

    per_s: float
    for_s: float

    def due(self, n: int) -> float | None:
        """When start n is due, None if there is none."""
        at = n / self.per_s
        return at if at < self.for_s else None

    def count(self, until_s: float) -> int:
        """How many starts are due at or before until_s."""
        if until_s < 0:
            return 0
        return _settle(self.due, until_s, guess=min(until_s, self.for_s) * self.per_s)


@dataclass(frozen=True, slots=True)
class Ramp:
    """Starts at a rate that moves in a straight line from one value to another; for_s is above zero."""

    from_per_s: float
    to_per_s: float
    for_s: float

    def due(self, n: int) -> float | None:
        """When start n is due, None if there is none."""
        if n >= self.owed(self.for_s):
            return None
        return min(self.reached(n), self.for_s)

    def count(self, until_s: float) -> int:
        """How many starts are due at or before until_s."""
        if until_s < 0:
            return 0
        return _settle(self.due, until_s, guess=self.owed(min(until_s, self.for_s)))

    def owed(self, at_s: float) -> float:
        """The integral of the rate from 0 to at_s."""
        return at_s * (self.from_per_s + (self.to_per_s - self.from_per_s) * at_s / (2 * self.for_s))

    def reached(self, starts: float) -> float:
        """When the integral reaches a number of starts that it does reach."""
        square = self.from_per_s**2 + 2 * starts * (self.to_per_s - self.from_per_s) / self.for_s
        slope = self.from_per_s + math.sqrt(max(square, 0.0))
        return 2 * starts / slope if slope else 0.0


@dataclass(frozen=True)
class Stages:
    """Ramps one after the other: each (for_s, to_per_s) moves the rate from where it is; no time at all is a jump."""

    start_per_s: float
    stages: tuple[tuple[float, float], ...]

    def due(self, n: int) -> float | None:
        """When start n is due, None if there is none."""
        for begins_s, owed, ramp in self._ramps:
            if n < owed + ramp.owed(ramp.for_s):
                return begins_s + min(ramp.reached(max(n - owed, 0.0)), ramp.for_s)
        return None

    def count(self, until_s: float) -> int:
        """How many starts are due at or before until_s."""
        if until_s < 0:
            return 0
        passed = (
            owed + ramp.owed(min(until_s - begins_s, ramp.for_s))
            for begins_s, owed, ramp in self._ramps
            if begins_s <= until_s
        )
        return _settle(self.due, until_s, guess=max(passed, default=0.0))

    @cached_property
    def _ramps(self) -> tuple[tuple[float, float, Ramp], ...]:
        rates = pairwise((self.start_per_s, *(to_per_s for _, to_per_s in self.stages)))
        begins_s, owed, ramps = 0.0, 0.0, []
        for (for_s, _), (from_per_s, to_per_s) in zip(self.stages, rates, strict=True):
            if for_s > 0:
                ramp = Ramp(from_per_s, to_per_s, for_s)
                ramps.append((begins_s, owed, ramp))
                begins_s, owed = begins_s + for_s, owed + ramp.owed(for_s)
        return tuple(ramps)


@dataclass(frozen=True, slots=True)
class Grid:
    """Every device at its own pace: a start per interval each, for as long as the load lasts.

    Device d of `devices` begins at ramp_s · d / devices. jitter is the share of the interval, 0 … 1, by which a
    start may move either way; the first start of a device never moves.
    """

    devices: int
    interval_s: float
    jitter: float
    ramp_s: float
    duration_s: float
    seed: int

    def due(self, device: int, k: int) -> float | None:
        """When start k of a device is due, None once the load is over; never decreases in k."""
        at = self._moved(device, k) if k == 0 else max(self._moved(device, k), self._moved(device, k - 1))
        return at if at < self.duration_s else None

    def starts(self) -> int:
        """How many starts all devices have together, jitter aside: to be planned with, not counted on."""
        rows = math.ceil(self.duration_s / self.interval_s)
        full = min(rows, max(0, math.floor((self.duration_s - self.ramp_s) / self.interval_s) + 1))
        partial = rows - full
        if not partial:
            return rows * self.devices
        left_s = partial * self.duration_s - self.interval_s * (full + rows - 1) * partial / 2
        return full * self.devices + math.ceil(left_s * self.devices / self.ramp_s)

    def _moved(self, device: int, k: int) -> float:
        if k == 0 or not self.jitter:
            return self._place(device, k)
        shift_s = self.interval_s * self.jitter * (2 * noise(self.seed, device, k) - 1)
        return min(max(self._place(device, k) + shift_s, self._place(device, k - 1)), self._place(device, k + 1))

    def _place(self, device: int, k: int) -> float:
        return self.ramp_s * device / self.devices + k * self.interval_s


def noise(seed: int, *at: int) -> float:
    """A number from 0 up to but not including 1 that depends on nothing but seed and place.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), SplitMix64;
    one round per number, so that neighbouring places share nothing.
    """
    word = _mix(seed)
    for number in at:
        word = _mix(word ^ number)
    return (word >> 11) / (1 << 53)


def _mix(word: int) -> int:
    word = (word + 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)


def _settle(due: Callable[[int], float | None], until_s: float, *, guess: float) -> int:
    """How many starts are due by until_s: upward from one below the guess.

    The guess is the integral; below 10^15 starts its rounding is far less than one start.
    """
    starts = max(0, math.floor(guess) - 1)
    while _is_due(due(starts), until_s):
        starts += 1
    return starts


def _is_due(at: float | None, until_s: float) -> bool:
    return at is not None and at <= until_s
