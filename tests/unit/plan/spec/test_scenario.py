"""What scenarios and executors use of a spec, and what they take for granted."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.plan.document import take
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import (
    CASES,
    DEFAULT_EXECUTORS,
    DEFAULTS,
    OWN_DEFAULTS,
    USED_BY_EXECUTORS,
    USED_BY_SCENARIOS,
    Executor,
    Scenario,
    unused_fields,
)

type Parse = Callable[[dict[str, Any]], RunSpec]

TARGETS = {Scenario.ADR_GET_PATCH: "staging", Scenario.ADR_PATCH: "staging", Scenario.HTTP_PROBE: "staging"}
PRODUCT_DEFAULTS: dict[str, dict[str, Any]] = {
    "cert-lifecycle": {
        "/load/executor": "once", "/connection/hold": "5s", "/devices/source": "create", "/telemetry/messages": 3,
        "/telemetry/interval": "1s", "/load/duration": None,
    },
    "provision": {
        "/load/executor": "once", "/connection/hold": "0s", "/devices/source": "create",
        "/certificate/verify": "reconnect", "/telemetry": None,
    },
    "cert-renewal": {
        "/load/executor": "per-device-pacing", "/load/pacing/interval": "1m30s", "/load/pacing/jitter": 0.1,
        "/connection/hold": "5s", "/certificate/verify": "reconnect", "/load/duration": "5m", "/devices/count": 10,
        "/devices/source": "reuse-or-create", "/load/rampUp": "30s",
    },
    "connect-churn": {
        "/load/executor": "per-device-pacing", "/load/pacing/interval": "1m30s", "/connection/hold": "0s",
        "/load/duration": "5m",
    },
    "connect-storm": {
        "/load/executor": "once", "/load/rampUp": "0s", "/connection/hold": "1m", "/execution/startBarrier": True,
    },
    "cert-throttle": {
        "/load/executor": "rate-search", "/load/search/start": 10, "/load/timeUnit": "1m", "/connection/hold": "run",
        "/devices/count": 100, "/certificate/verify": "chain", "/load/search/hold": "1m", "/load/search/step": 1.5,
        "/load/search/stopWhen/metric": "cert.issued:throttled", "/load/search/stopWhen/expr": "share>0.05",
    },
    "telemetry": {
        "/load/executor": "per-device-pacing", "/load/pacing/interval": "5s", "/connection/hold": "run",
        "/telemetry/messages": 1, "/telemetry/size": 256,
    },
    "adr-get-patch": {
        "/load/executor": "per-device-pacing", "/load/pacing/interval": "5s", "/weights/get": 70, "/weights/patch": 30,
        "/devices/prefix": "adrdev", "/connection": None, "/cleanup": "keep",
    },
    "adr-patch": {
        "/load/executor": "per-device-pacing", "/load/pacing/interval": "5s", "/cleanup": "delete",
        "/devices/prefix": "adrdev",
    },
    "http-probe": {
        "/load/executor": "per-device-pacing", "/load/pacing/interval": "5s", "/timeouts/http": "30s",
        "/timeouts/connect": None, "/devices/prefix": None,
    },
    "conformance": {
        "/load/executor": "once", "/cases": [], "/devices/count": None,
        "/thresholds": [
            {"metric": metric, "expr": expr, "window": None, "delay": "0s", "abortOnFail": False}
            for metric, expr in (("conformance.case", "fail_rate==0"), ("conformance.case:dropped", "count==0"))
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("scenario", Scenario)
def test_scenario_defaults_are_the_products(parse: Parse, scenario: Scenario):
    """A spec that names only its scenario gets what the product's table of scenarios says, and uses no more."""
    document = parse({"scenario": scenario, "target": TARGETS.get(scenario, "local")}).echo()
    expected = PRODUCT_DEFAULTS[scenario]
    assert {path: take(document, path) for path in expected} == expected


def test_scenario_defaults_of_load_go_with_its_own_executor(parse: Parse):
    """Another executor than the scenario's own has the defaults of the sections."""
    spec = parse({"scenario": "connect-storm", "load": {"executor": "per-device-pacing"}})
    assert spec.load.ramp_up_s == 30
    assert spec.load.pacing.interval_s == 90


def test_scenario_tables_name_real_fields(parse: Parse):
    """Every pointer of the tables is a field of some echoed spec."""
    echoes = [
        parse({"scenario": "cert-lifecycle", "load": {"executor": "max-rate"}}),
        parse({"scenario": "adr-get-patch", "target": "staging"}),
        parse({"scenario": "conformance"}),
        parse({"scenario": "cert-throttle"}),
        parse({"scenario": "cert-renewal"}),
        parse({"scenario": "cert-renewal", "load": {"executor": "constant-arrival-rate", "rate": 1}}),
        parse({
            "scenario": "cert-renewal",
            "load": {"executor": "ramping-arrival-rate", "stages": [{"duration": "1s", "target": 1}]},
        }),
    ]  # fmt: skip
    documents = [spec.echo() for spec in echoes]
    for path in (*USED_BY_SCENARIOS, *USED_BY_EXECUTORS):
        section, _, name = path.rpartition("/")
        assert any(name in (take(document, section) or {}) for document in documents), path


def test_scenario_tables_are_complete():
    """Every scenario has its defaults and an executor, and defaults of load are of that executor."""
    assert set(DEFAULTS) == set(DEFAULT_EXECUTORS) == set(Scenario)
    assert all(DEFAULT_EXECUTORS[scenario] is executor for scenario, executor in OWN_DEFAULTS)


def test_unused_fields_name_who_does_not_use_them():
    """A field is unused for the executor's or the scenario's sake, and says for whose."""
    unused = unused_fields(Scenario.PROVISION, Executor.ONCE)
    assert unused["/load/rate"] == "once"
    assert unused["/telemetry"] == "provision"
    assert "/load/rampUp" not in unused


def test_cases_are_the_public_list():
    """There are 26 cases: no 013, and two forms of 025."""
    assert len(CASES) == 26
    assert "013" not in CASES
    assert CASES[-3:] == ("025a", "025b", "026")
