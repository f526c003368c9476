"""Which pacer a spec's executor means."""

from dataclasses import replace
from typing import assert_never

from engine.plan.pacer import Burst, Grid, Spread, Stages, Steady
from engine.plan.spec.load import Pacing
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor

type Schedule = Burst | Spread | Steady | Stages | Grid
"""A Grid asks for a device's ordinal and which start of it; all others for the ordinal of a start."""


def schedule_for(spec: RunSpec, *, devices: int, ramp_s: float) -> Schedule:
    """When starts are due for that many devices and that long a ramp.

    With max-rate it is each device's first start; of a rate search it is the first rate held.
    """
    load = spec.load
    match load.executor:
        case Executor.ONCE if ramp_s == 0:
            return Burst(devices)
        case Executor.ONCE | Executor.MAX_RATE:
            return Spread(devices, ramp_s)
        case Executor.PER_DEVICE_PACING:
            return Grid(
                devices,
                interval_s=load.pacing.every_s(),
                jitter=load.pacing.jitter,
                ramp_s=ramp_s,
                duration_s=load.duration_s,
                seed=spec.random_seed,
            )
        case Executor.CONSTANT_ARRIVAL_RATE:
            return Steady(load.rate_per_s, load.duration_s)
        case Executor.RAMPING_ARRIVAL_RATE:
            unit_s = load.time_unit.seconds
            stages = tuple((stage.duration_s, stage.target / unit_s) for stage in load.stages)
            return Stages(load.start_rate / unit_s, stages)
        case Executor.RATE_SEARCH:
            return Steady(load.search.start / load.time_unit.seconds, load.search.hold_s)
        case _:
            assert_never(load.executor)


def by_validity(grid: Grid, pacing: Pacing, lifetime_s: float) -> Grid:
    """The grid of a device whose certificates live that long: it renews at the share of it that the spec says."""
    assert pacing.of_validity is not None, "paced by an interval"
    return replace(grid, interval_s=pacing.every_s(lifetime_s))
