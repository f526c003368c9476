"""Which pacer an executor means."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.pacer import Burst, Grid, Spread, Stages, Steady
from engine.plan.schedule import Schedule, by_validity, schedule_for
from engine.plan.spec.load import ASSUMED_VALIDITY_S, LEAST_INTERVAL_S, Pacing
from engine.plan.spec.runspec import RunSpec

type Parse = Callable[[dict[str, Any]], RunSpec]


@pytest.mark.parametrize(
    ("load", "ramp_s", "schedule"),
    [
        ({"executor": "once"}, 0.0, Burst(8)),
        ({"executor": "once"}, 5.0, Spread(8, 5.0)),
        ({"executor": "max-rate"}, 5.0, Spread(8, 5.0)),
        ({"executor": "per-device-pacing", "duration": "60s", "pacing": {"interval": "9s", "jitter": 0.5}}, 5.0,
         Grid(8, interval_s=9.0, jitter=0.5, ramp_s=5.0, duration_s=60.0, seed=7)),
        ({"executor": "constant-arrival-rate", "rate": 120, "timeUnit": "1m", "duration": "60s"}, 30.0,
         Steady(2.0, 60.0)),
        ({"executor": "ramping-arrival-rate", "startRate": 60, "timeUnit": "1m",
          "stages": [{"duration": "5s", "target": 120}]}, 30.0, Stages(1.0, ((5.0, 2.0),))),
        ({"executor": "rate-search", "timeUnit": "1m", "search": {"start": 60, "hold": "10s"}}, 30.0,
         Steady(1.0, 10.0)),
    ],
)  # fmt: skip
def test_schedule_is_the_executors(parse: Parse, load: dict[str, Any], ramp_s: float, schedule: Schedule):
    """Each executor has its pacer, in seconds and starts per second."""
    spec = parse({"scenario": "cert-renewal", "load": load})
    assert schedule_for(spec, devices=8, ramp_s=ramp_s) == schedule


def test_schedule_by_validity_is_planned_for_an_assumed_one(parse: Parse):
    """Until a certificate is seen nobody knows better; its own lifetime then makes another grid, alike in all else."""
    pacing = {"ofValidity": 0.5, "timeCompression": 1000, "jitter": 0.2}
    spec = parse({"scenario": "cert-renewal", "load": {"duration": "60s", "pacing": pacing}})
    planned = Grid(8, interval_s=ASSUMED_VALIDITY_S * 0.5 / 1000, jitter=0.2, ramp_s=5.0, duration_s=60.0, seed=7)
    assert schedule_for(spec, devices=8, ramp_s=5.0) == planned
    assert by_validity(planned, spec.load.pacing, 40_000.0) == replace(planned, interval_s=20.0)


@given(st.floats(1.0, 1e9), st.floats(0.05, 0.99), st.floats(1.0, 100_000.0))
def test_interval_by_validity_is_its_share_and_no_shorter_than_may_be(lifetime_s: float, share: float, by: float):
    """Longer-lived certificates never make a shorter interval."""
    grid = Grid(1, interval_s=1.0, jitter=0.0, ramp_s=0.0, duration_s=60.0, seed=1)
    pacing = Pacing.model_validate({"ofValidity": share, "timeCompression": by})
    interval_s = by_validity(grid, pacing, lifetime_s).interval_s
    assert interval_s == pytest.approx(max(LEAST_INTERVAL_S, lifetime_s * share / by))
    assert by_validity(grid, pacing, 2 * lifetime_s).interval_s >= interval_s
