"""What fields of a spec must be to one another."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.plan.spec.rules import default_ramp_up_s
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Targets

type Parse = Callable[[dict[str, Any]], RunSpec]
type Problems = Callable[[dict[str, Any]], dict[str, str]]


def ramping(*stages: tuple[str, float], start: float = 0) -> dict[str, Any]:
    """A load of these stages."""
    written = [{"duration": duration, "target": target} for duration, target in stages]
    return {"executor": "ramping-arrival-rate", "startRate": start, "stages": written}


REFUSED: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"load": {"executor": "constant-arrival-rate"}}, {"/load/rate": "needed by constant-arrival-rate"}),
    ({"load": {"executor": "constant-arrival-rate", "rate": None}}, {"/load/rate": "needed by constant-arrival-rate"}),
    ({"load": {"executor": "ramping-arrival-rate"}}, {"/load/stages": "needed by ramping-arrival-rate"}),
    ({"load": {"executor": "rate-search"}, "devices": {"count": 5_001}},
     {"/devices/count": "rate-search is one batch, found 5001 devices"}),
    ({"load": ramping(("1m", 0))}, {"/load/stages": "the rate never leaves zero"}),
    ({"load": ramping(("0s", 5))}, {"/load/stages": "the rate never leaves zero"}),
    ({"load": ramping(("4d", 1), ("4d", 1))}, {"/load/stages": "longer than a run may last"}),
    ({"load": {"duration": "10s", "rampUp": "11s"}}, {"/load/rampUp": "longer than the load, which lasts 10s"}),
    ({"load": {"executor": "max-rate", "duration": "10s", "rampUp": "11s"}},
     {"/load/rampUp": "longer than the load, which lasts 10s"}),
    ({"load": {"maxInFlight": 11}},
     {"/load/maxInFlight": "expected one per batch at least and one per device at most, found 11"}),
    ({"load": {"maxInFlight": 1}, "execution": {"batchSize": 5}},
     {"/load/maxInFlight": "expected one per batch at least and one per device at most, found 1"}),
    ({"load": {"maxInFlight": 3}, "execution": {"batchSize": 5, "runner": "job", "cpu": 2}},
     {"/load/maxInFlight": "expected one per batch at least and one per device at most, found 3"}),
    ({"execution": {"runner": "activity"}, "load": {"duration": "61m"}},
     {"/load/duration": "longer than the runner activity lasts"}),
    ({"execution": {"runner": "activity"}, "load": ramping(("30m", 1), ("31m", 1))},
     {"/load/stages": "longer than the runner activity lasts"}),
    ({"load": {"duration": "28h1s"}, "results": {"interval": "10s"}},
     {"/results/interval": "a load of 28h1s has more than 10080 of these"}),
    ({"load": {"executor": "once", "rampUp": "4d"}, "results": {"interval": "30s"}},
     {"/results/interval": "a load of 96h has more than 10080 of these"}),
    ({"retries": {"backoff": {"base": "2m"}}}, {"/retries/backoff/max": "below base"}),
    ({"certificate": {"path": "dps"}, "devices": {"source": "stored-only"}},
     {"/certificate/path": "stored-only never calls DPS"}),
    ({"scenario": "provision", "devices": {"source": "stored-only"}},
     {"/devices/source": "stored-only never calls DPS, provision registers every device"}),
    ({"scenario": "adr-get-patch", "target": "staging", "weights": {"get": 0, "patch": 0}},
     {"/weights": "nothing to do: both weights are 0"}),
    ({"scenario": "conformance", "cases": ["001", "002", "001"]}, {"/cases/2": "case 001 is given twice"}),
    ({"target": "bare"}, {"/target": "the profile bare has no dps, which cert-renewal needs"}),
    ({"scenario": "http-probe", "target": "bare"},
     {"/target": "the profile bare has no http, which http-probe needs"}),
    ({"scenario": "adr-get-patch", "target": "bare"},
     {"/target": "the profile bare has no adr, which adr-get-patch needs"}),
    ({"thresholds": [{"metric": "cert.issued:lost", "expr": "p(95)<1"}]},
     {"/thresholds/0/expr": "p(N) does not apply to cert.issued:lost"}),
    ({"scenario": "cert-throttle", "load": {"search": {"stopWhen": {"metric": "cert.issued"}}}},
     {"/load/search/stopWhen/expr": "share does not apply to cert.issued"}),
    ({"scenario": "cert-throttle", "load": {"search": {"stopWhen": {"expr": "share>2*baseline"}}}},
     {"/load/search/stopWhen/expr": "a rate is judged by itself: there is no baseline"}),
    ({"connection": {"hold": "run"}},
     {"/connection/hold": '"run" is for cert-throttle and telemetry: cert-renewal goes on when the hold is over'}),
    ({"scenario": "cert-throttle", "certificate": {"verify": "reconnect"}},
     {"/certificate/verify": "cert-throttle renews without reconnecting"}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "found"), REFUSED)
def test_rules_refuse_what_does_not_go_together(problems: Problems, document: dict[str, Any], found: dict[str, str]):
    """Each rule names the field to change and why."""
    assert problems({"scenario": "cert-renewal", **document}) == found


TAKEN: list[dict[str, Any]] = [
    {"load": ramping(("0s", 5), ("1s", 0))},
    {"load": ramping(("1m", 0), start=1)},
    {"load": ramping(("7d", 1))},
    {"load": {"executor": "rate-search"}, "devices": {"count": 5_000}},
    {"load": {"executor": "once", "maxInFlight": 1}, "execution": {"batchSize": 1}},
    {"load": {"maxInFlight": 2}, "execution": {"batchSize": 5}},
    {"execution": {"runner": "activity"}, "load": {"duration": "1h"}},
    {"execution": {"runner": "job"}, "load": {"duration": "7d"}, "results": {"interval": "60s"}},
    {"execution": {"runner": "job"}, "load": {"duration": "28h"}, "results": {"interval": "10s"}},
    {"execution": {"runner": "activity"}, "load": {"executor": "once", "rampUp": "2h"}},
    {"target": "bare", "devices": {"source": "stored-only"}},
    {"retries": {"backoff": {"base": "60s"}}},
    {"thresholds": [{"metric": "cert.issued", "expr": "p(95)<=1.2*baseline"}]},
    {"scenario": "telemetry", "connection": {"hold": "run"}},
    {"scenario": "cert-throttle", "certificate": {"verify": "none"}, "connection": {"hold": "5s"}},
]


@pytest.mark.parametrize("document", TAKEN)
def test_rules_let_pass_what_is_just_right(problems: Problems, document: dict[str, Any]):
    """The outermost combinations pass."""
    assert problems({"scenario": "cert-renewal", **document}) == {}


@pytest.mark.parametrize(
    ("scenario", "target", "count", "ramp_up_s"),
    [
        ("provision", "local", 10_000, 30),
        ("provision", "staging", 10, 30),
        ("provision", "staging", 10_000, 667),
        ("provision", "staging", 10_000_000, 604_800),
        ("connect-churn", "staging", 90_000, 1_000),
        ("adr-patch", "staging", 90_000, 30),
    ],
)
def test_default_ramp_of_once_takes_what_the_quota_needs(
    parse: Parse, scenario: str, target: str, count: int, ramp_up_s: float
):
    """A load of `once` is spread so that 90 % of the quota is used, over 30 s at least and a week at most."""
    document = {"scenario": scenario, "target": target, "devices": {"count": count}, "load": {"executor": "once"}}
    assert parse(document).load.ramp_up_s == ramp_up_s


@pytest.mark.parametrize(("scenario", "registrations"), [("cert-renewal", 1), ("cert-lifecycle", 2)])
def test_default_ramp_of_once_leaves_room_for_renewals_by_dps(parse: Parse, scenario: str, registrations: int):
    """A renewal by registering again costs a registration, beside the first one of a new device."""
    document = {"scenario": scenario, "target": "staging", "devices": {"count": 9_000}, "load": {"executor": "once"}}
    assert parse({**document, "certificate": {"path": "dps"}}).load.ramp_up_s == registrations * 600


@pytest.mark.parametrize(("duration", "ramp_up_s"), [("300s", 30), ("20s", 10), ("1001ms", 0.5)])
def test_default_ramp_of_others_is_short(parse: Parse, targets: Targets, duration: str, ramp_up_s: float):
    """Other closed loads ramp for 30 s, at most half of their duration, to the millisecond."""
    spec = parse({"scenario": "cert-renewal", "load": {"duration": duration}})
    assert spec.load.ramp_up_s == ramp_up_s == default_ramp_up_s(spec, targets.by_name["local"])


@pytest.mark.parametrize(
    ("load", "interval_s"),
    [
        ({"duration": "28h"}, 10.0),
        ({"duration": "28h1s"}, 20.0),
        ({"duration": "57h"}, 30.0),
        ({"duration": "7d"}, 60.0),
        ({"executor": "rate-search"}, 10.0),
    ],
)
def test_default_interval_is_as_long_as_the_load_needs(parse: Parse, load: dict[str, Any], interval_s: float):
    """Ten seconds, until a result would have too many windows."""
    assert parse({"scenario": "cert-renewal", "load": load}).results.interval_s == interval_s
