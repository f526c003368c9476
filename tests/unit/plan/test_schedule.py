"""Which pacer an executor means."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.plan.pacer import Burst, Grid, Spread, Stages, Steady
from engine.plan.schedule import Schedule, schedule_for
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
