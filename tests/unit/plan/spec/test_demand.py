"""How long, and how fast at most."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from engine.plan.spec.demand import describe, expected_s, load_s, peak_starts
from engine.plan.spec.runspec import RunSpec

type Parse = Callable[[dict[str, Any]], RunSpec]

RAMPING = {
    "executor": "ramping-arrival-rate",
    "timeUnit": "1m",
    "startRate": 60,
    "stages": [{"duration": "10s", "target": 120}, {"duration": "5s", "target": 0}],
}


@pytest.mark.parametrize(
    ("load", "length_s"),
    [
        ({"executor": "once", "rampUp": "40s"}, 40),
        ({"executor": "per-device-pacing", "duration": "50s"}, 50),
        ({"executor": "max-rate", "duration": "50s"}, 50),
        ({"executor": "constant-arrival-rate", "duration": "50s", "rate": 1}, 50),
        (RAMPING, 15),
        ({"executor": "rate-search"}, math.inf),
    ],
)
def test_load_lasts_as_its_executor_says(parse: Parse, load: dict[str, Any], length_s: float):
    """Ramp, duration or stages are the length of a load; a search has none."""
    assert load_s(parse({"scenario": "cert-renewal", "load": load})) == length_s


@pytest.mark.parametrize(
    ("load", "window_s", "starts"),
    [
        ({"executor": "once", "rampUp": "40s"}, 1, 2.5),
        ({"executor": "once", "rampUp": "40s"}, 60, 100),
        ({"executor": "once", "rampUp": "0s"}, 1, 100),
        ({"executor": "per-device-pacing", "pacing": {"interval": "50s"}, "rampUp": "50s"}, 1, 2),
        ({"executor": "per-device-pacing", "pacing": {"interval": "50s"}, "rampUp": "10s"}, 1, 10),
        ({"executor": "per-device-pacing", "pacing": {"interval": "10s"}, "rampUp": "50s"}, 1, 10),
        ({"executor": "per-device-pacing", "pacing": {"interval": "10s"}, "rampUp": "0s"}, 60, 600),
        ({"executor": "per-device-pacing", "pacing": {"ofValidity": 0.5, "timeCompression": 100_000}}, 60, 463),
        ({"executor": "constant-arrival-rate", "rate": 120, "timeUnit": "1m"}, 60, 120),
        ({"executor": "constant-arrival-rate", "rate": 120, "iterations": 50}, 60, 50),
        ({"executor": "constant-arrival-rate", "rate": 3, "duration": "5s"}, 60, 15),
        (RAMPING, 1, 2),
        (RAMPING, 60, 30),
        ({"executor": "max-rate"}, 1, math.inf),
        ({"executor": "rate-search"}, 1, math.inf),
    ],
)
def test_peak_is_the_most_within_a_window(parse: Parse, load: dict[str, Any], window_s: float, starts: float):
    """Devices that pace themselves start in a bunch as long as their ramp; a rate is a rate."""
    spec = parse({"scenario": "cert-renewal", "devices": {"count": 100}, "load": load})
    assert peak_starts(spec, window_s) == pytest.approx(starts, rel=1e-3)


def test_search_is_expected_to_hold_a_dozen_rates(parse: Parse):
    """Nobody knows how long a search lasts; everything else is as long as it is."""
    assert expected_s(parse({"scenario": "cert-throttle", "load": {"search": {"hold": "20s"}}})) == 240
    assert expected_s(parse({"scenario": "cert-renewal"})) == 300


def test_peak_of_devices_paced_by_validity_grows_as_certificates_live_shorter(parse: Parse):
    """A tenth of a day, instead of a tenth of the thirty days that are assumed."""
    load = {"rampUp": "300s", "pacing": {"ofValidity": 0.1, "timeCompression": 100}}
    document = {"scenario": "cert-renewal", "devices": {"count": 86_400}, "load": load}
    spec = parse({**document, "execution": {"batchSize": 10_000}})
    assert peak_starts(spec, 1.0) == pytest.approx(86_400 / 300)
    assert peak_starts(spec, 1.0, lifetime_s=86_400) == pytest.approx(86_400 / 86.4)


def test_number_without_an_end_is_called_so():
    """What has no end is unbounded."""
    assert describe(math.inf) == "unbounded"
    assert describe(2.5) == "2.5"
