"""What one iteration asks for, and how many there are."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.measure.operation import Operation
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Scenario
from engine.plan.workload import held_s, iterations_of, operations_of

type Parse = Callable[[dict[str, Any]], RunSpec]

DONE: list[tuple[dict[str, Any], dict[str, float], float]] = [
    ({"scenario": "provision"}, {"dps.register": 1, "hub.connect": 1}, 31),
    ({"scenario": "provision", "certificate": {"verify": "chain"}}, {"dps.register": 1}, 30),
    ({"scenario": "cert-lifecycle"},
     {"dps.register": 1, "hub.connect": 2, "cert.request": 1, "cert.issued": 1, "telemetry.publish": 3},
     30 + 2 + 10 + 0.3 + 5 + 2),
    ({"scenario": "cert-renewal"}, {"hub.connect": 1, "cert.request": 1, "cert.issued": 1}, 16),
    ({"scenario": "cert-throttle", "connection": {"hold": "5s"}, "certificate": {"verify": "none"}},
     {"cert.request": 1, "cert.issued": 1, "hub.connect": 1}, 16),
    ({"scenario": "cert-renewal", "certificate": {"path": "dps", "verify": "chain"}},
     {"dps.register": 1, "hub.connect": 1}, 30 + 1 + 5),
    ({"scenario": "cert-lifecycle", "certificate": {"path": "dps"}},
     {"dps.register": 2, "hub.connect": 2, "telemetry.publish": 3}, 60 + 2 + 0.3 + 5 + 2),
    ({"scenario": "cert-throttle"}, {"cert.request": 1, "cert.issued": 1}, 10),
    ({"scenario": "connect-churn"}, {"hub.connect": 1}, 1),
    ({"scenario": "connect-storm"}, {"hub.connect": 1}, 61),
    ({"scenario": "telemetry"}, {"telemetry.publish": 1}, 0.1),
    ({"scenario": "telemetry", "connection": {"hold": "2s"}}, {"telemetry.publish": 1, "hub.connect": 1}, 3.1),
    ({"scenario": "adr-get-patch", "target": "staging"}, {"adr.get": 0.7, "adr.patch": 0.3}, 2.2),
    ({"scenario": "adr-get-patch", "target": "staging", "weights": {"get": 0}}, {"adr.patch": 1}, 5),
    ({"scenario": "adr-patch", "target": "staging"}, {"adr.patch": 1}, 5),
    ({"scenario": "http-probe", "target": "staging"}, {"http.get": 1}, 1),
    ({"scenario": "conformance"}, {"conformance.case": 1, "dps.register": 1, "hub.connect": 1}, 61),
]  # fmt: skip


@pytest.mark.parametrize(("document", "operations", "seconds"), DONE)
def test_iteration_does_what_its_scenario_says(
    parse: Parse, document: dict[str, Any], operations: dict[str, float], seconds: float
):
    """Each scenario's operations, and the time they are taken to last with hold and pauses."""
    spec = parse(document)
    assert dict(operations_of(spec)) == pytest.approx(operations)
    assert held_s(spec, is_local=False) == pytest.approx(seconds)


def test_iteration_is_known_for_every_scenario():
    """The table above leaves no scenario out."""
    assert {document["scenario"] for document, _, _ in DONE} == set(Scenario)


def test_iteration_against_the_emulator_is_short(parse: Parse):
    """The emulator answers at once, so hold and pauses are what counts."""
    assert held_s(parse({"scenario": "cert-renewal"}), is_local=True) == pytest.approx(5 + 0.3)
    assert Operation.CERT_ISSUED in operations_of(parse({"scenario": "cert-renewal"}))


@pytest.mark.parametrize(
    ("load", "iterations"),
    [
        ({"executor": "once"}, 10),
        ({"executor": "once", "rampUp": "0s", "iterations": 4}, 4),
        ({"executor": "per-device-pacing"}, 40),
        ({"executor": "constant-arrival-rate", "rate": 30, "timeUnit": "1m", "duration": "10s"}, 5),
        ({"executor": "ramping-arrival-rate", "stages": [{"duration": "10s", "target": 2}]}, 10),
        ({"executor": "max-rate", "duration": "60s", "rampUp": "0s"}, 300),
        ({"executor": "max-rate", "duration": "60s"}, 230),
        ({"executor": "max-rate", "duration": "60s", "maxInFlight": 2}, 58),
        ({"executor": "max-rate", "duration": "60s", "iterations": 99}, 99),
        ({"executor": "rate-search", "timeUnit": "1m"}, 10),
    ],
)
def test_iterations_are_what_the_executor_starts(parse: Parse, load: dict[str, Any], iterations: int):
    """The schedule's starts, or what devices manage when the answers set the pace, at most as many as asked for."""
    assert iterations_of(parse({"scenario": "cert-renewal", "load": load}), each_s=2.0) == iterations
