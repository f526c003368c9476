"""How much a spec asks for, before anybody plans it: how long, how fast, how many at once."""

import math
from typing import Final, assert_never

from engine.plan.spec.load import ASSUMED_VALIDITY_S
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor

SEARCH_HOLDS: Final = 12
"""The rates that a search is taken to hold, rests included: our assumption, some to climb and five to halve the gap."""


def load_s(spec: RunSpec) -> float:
    """How long starts are due, in seconds; infinite for a rate search, which ends when it has found something."""
    load = spec.load
    match load.executor:
        case Executor.ONCE:
            return load.ramp_up_s
        case Executor.PER_DEVICE_PACING | Executor.MAX_RATE | Executor.CONSTANT_ARRIVAL_RATE:
            return load.duration_s
        case Executor.RAMPING_ARRIVAL_RATE:
            return sum(stage.duration_s for stage in load.stages)
        case Executor.RATE_SEARCH:
            return math.inf
        case _:
            assert_never(load.executor)


def expected_s(spec: RunSpec) -> float:
    """How long starts are due, a rate search taken to be of usual length."""
    length_s = load_s(spec)
    return SEARCH_HOLDS * spec.load.search.hold_s if math.isinf(length_s) else length_s


def peak_starts(spec: RunSpec, window_s: float, *, lifetime_s: float = ASSUMED_VALIDITY_S) -> float:
    """The most starts due within any window_s, jitter aside; infinite where the answers set the pace.

    Devices that pace themselves start in a bunch as long as their ramp, again and again: only a ramp as long as
    the interval spreads them evenly. Stages are taken to keep to their highest rate, certificates to live for
    lifetime_s.
    """
    load, devices = spec.load, spec.devices.count
    ramp_share = min(1.0, window_s / load.ramp_up_s) if load.ramp_up_s else 1.0
    match load.executor:
        case Executor.ONCE:
            starts = devices * ramp_share
        case Executor.PER_DEVICE_PACING:
            starts = devices * max(ramp_share, window_s / load.pacing.every_s(lifetime_s))
        case Executor.CONSTANT_ARRIVAL_RATE:
            starts = load.rate_per_s * min(window_s, load.duration_s)
        case Executor.RAMPING_ARRIVAL_RATE:
            highest = max([load.start_rate, *(stage.target for stage in load.stages)])
            starts = highest / load.time_unit.seconds * min(window_s, load_s(spec))
        case Executor.MAX_RATE | Executor.RATE_SEARCH:
            starts = math.inf
        case _:
            assert_never(load.executor)
    return starts if load.iterations is None else min(starts, load.iterations)


def describe(number: float) -> str:
    """A number for people; what has no end is "unbounded"."""
    return "unbounded" if math.isinf(number) else f"{number:g}"
