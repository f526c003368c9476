"""Which valid specs this version can carry out."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.plan.spec.built import not_built
from engine.plan.spec.devices import OnPending
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Scenario

type Parse = Callable[[dict[str, Any]], RunSpec]

THRESHOLD = {"metric": "cert.issued", "expr": "p(95)<=1.2*baseline", "abortOnFail": True}
MISSING: list[tuple[dict[str, Any], set[str]]] = [
    ({"scenario": "adr-patch", "target": "staging", "cleanup": "delete-on-pass"}, {"/cleanup"}),
    ({"load": {"executor": "ramping-arrival-rate", "stages": [{"duration": "61m", "target": 1}]}}, {"/load/stages"}),
    ({"execution": {"cpu": 2}}, {"/execution/cpu"}),
    ({"execution": {"startBarrier": True}}, {"/execution/startBarrier"}),
    ({"cleanup": "delete"}, {"/cleanup"}),
    ({"load": {"duration": "2h"}}, {"/load/duration"}),
    ({"thresholds": [{"metric": "cert.issued", "expr": "count>0"}, THRESHOLD]},
     {"/thresholds/1/expr", "/thresholds/1/abortOnFail"}),
    ({"baseline": "run-1", "autoStop": {}, "limits": {"maxCostUsd": 1}},
     {"/baseline", "/autoStop", "/limits/maxCostUsd"}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "paths"), MISSING)
def test_not_built_names_every_field(parse: Parse, document: dict[str, Any], paths: set[str]):
    """A valid spec that asks for what is not there is answered field by field, with what is there instead."""
    spec = parse({"scenario": "cert-renewal", **document})
    found = not_built(spec)
    assert {problem.path for problem in found} == paths
    assert all(problem.message.endswith(" is not built yet") and problem.allowed for problem in found)


BUILT: list[dict[str, Any]] = [
    *({"scenario": name} for name in Scenario),
    *({"scenario": name, "cleanup": word} for name in ("adr-get-patch", "adr-patch") for word in ("keep", "delete")),
    {"scenario": "telemetry", "connection": {"hold": "5s"}},
    {"load": {"executor": "rate-search"}},
    {"load": {"pacing": {"ofValidity": 0.5, "timeCompression": 1000}}},
    *({"certificate": {"onPending": word}} for word in OnPending),
    {"load": {"executor": "constant-arrival-rate", "rate": 1, "iterations": 5}},
    {"load": {"executor": "ramping-arrival-rate", "stages": [{"duration": "1h", "target": 1}]}},
    {"load": {"executor": "max-rate", "duration": "1h"}},
    {"scenario": "provision", "execution": {"startBarrier": True, "runner": "activity"}},
    *({"scenario": name, "certificate": {"path": "dps"}} for name in ("cert-renewal", "cert-lifecycle")),
    {"certificate": {"keyType": "ec-p384", "reuseKey": False, "verify": "none"}, "autoStop": None},
    {"devices": {"source": "stored-only", "onInvalid": "fail", "startIndex": 5}, "limits": {"maxDuration": "1h"}},
    {"thresholds": [{"metric": "hub.connect", "expr": "p(95)<1", "window": "10s", "delay": "1s"}]},
    {"connection": {"transport": "mqtt-ws"}, "target": "other"},
    {"load": {"duration": "1h"}, "execution": {"cpu": 0.5}, "target": "staging"},
    {"load": {"duration": "2h"}, "execution": {"runner": "job", "cpu": 4}},
]


@pytest.mark.parametrize("document", BUILT)
def test_not_built_says_nothing_about_what_is(parse: Parse, document: dict[str, Any]):
    """What this version can do is not refused."""
    spec = parse({"scenario": "cert-renewal", **document})
    assert not_built(spec) == []
