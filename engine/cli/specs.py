"""The runs that come with the command line: small enough to be over in a minute, thresholds included."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from engine.plan.document import Json, take
from engine.plan.spec.scenario import DEFAULT_EXECUTORS, Executor, Scenario, unused_fields

DEFAULT: Final = Scenario.CERT_RENEWAL

_SHARED: Final[Json] = {
    "devices": {"count": 50},
    "execution": {"batchSize": 10},
    "results": {"interval": "5s"},
}
_PACED: Final[Json] = {
    "load": {"duration": "40s", "rampUp": "10s", "pacing": {"interval": "12s"}, "gracefulStop": "10s"},
    "connection": {"hold": "1s"},
}
_ONCE: Final[Json] = {"load": {"rampUp": "20s", "gracefulStop": "10s"}}
_CALLED: Final[Json] = {
    "load": {"duration": "20s", "rampUp": "5s", "pacing": {"interval": "5s"}, "gracefulStop": "10s"},
}
_ESTABLISHED: Final = [
    {"metric": "hub.connect", "expr": "fail_rate<0.01"},
    {"metric": "hub.connect", "expr": "p(95)<=5000"},
]
_ANSWERED: Final = [
    {"metric": "cert.issued", "expr": "p(95)<=5000"},
    {"metric": "cert.issued:lost", "expr": "count==0"},
]
_RENEWED: Final = [
    *_ANSWERED,
    {"metric": "cert.issued", "expr": "fail_rate<0.01"},
    {"metric": "cert.verified", "expr": "fail_rate<0.01"},
]

BUILT_IN: Mapping[Scenario, Json] = {
    Scenario.CERT_RENEWAL: {**_SHARED, **_PACED, "name": "first-run", "thresholds": _RENEWED},
    Scenario.PROVISION: {
        **_SHARED,
        **_ONCE,
        "name": "first-provision",
        "thresholds": [
            {"metric": "dps.register", "expr": "fail_rate<0.01"},
            {"metric": "dps.register", "expr": "p(95)<=5000"},
            {"metric": "cert.verified", "expr": "fail_rate<0.01"},
        ],
    },
    Scenario.CERT_LIFECYCLE: {
        **_SHARED,
        **_ONCE,
        "name": "first-lifecycle",
        "connection": {"hold": "1s"},
        "thresholds": [*_RENEWED, {"metric": "telemetry.publish", "expr": "fail_rate<0.01"}],
    },
    Scenario.CONNECT_CHURN: {**_SHARED, **_PACED, "name": "first-churn", "thresholds": _ESTABLISHED},
    Scenario.CONNECT_STORM: {
        **_SHARED,
        "name": "first-storm",
        "connection": {"hold": "10s"},
        "thresholds": [
            *_ESTABLISHED,
            {"metric": "iteration.connected", "expr": "max<=10000"},
            {"metric": "hub.disconnect:disconnected", "expr": "count==0"},
        ],
    },
    Scenario.TELEMETRY: {
        **_SHARED,
        "load": {"duration": "40s", "rampUp": "5s", "gracefulStop": "10s"},
        "name": "first-telemetry",
        "thresholds": [
            {"metric": "telemetry.publish", "expr": "fail_rate<0.01"},
            {"metric": "telemetry.publish", "expr": "p(95)<=1000"},
        ],
    },
    Scenario.CERT_THROTTLE: {
        **_SHARED,
        "name": "first-search",
        "devices": {"count": 10},
        "load": {"search": {"start": 60, "step": 5, "hold": "10s"}, "gracefulStop": "10s"},
        "thresholds": _ANSWERED,
    },
    Scenario.ADR_GET_PATCH: {
        **_SHARED,
        **_CALLED,
        "name": "first-registry-mix",
        "thresholds": [
            {"metric": "iteration", "expr": "fail_rate<0.01"},
            {"metric": "iteration", "expr": "p(95)<=10000"},
        ],
    },
    Scenario.ADR_PATCH: {
        **_SHARED,
        **_CALLED,
        "name": "first-registry-changes",
        "thresholds": [
            {"metric": "adr.patch", "expr": "fail_rate<0.01"},
            {"metric": "adr.patch", "expr": "p(95)<=10000"},
        ],
    },
    Scenario.HTTP_PROBE: {
        **_SHARED,
        **_CALLED,
        "name": "first-probe",
        "thresholds": [
            {"metric": "http.get", "expr": "fail_rate<0.01"},
            {"metric": "http.get", "expr": "p(95)<=1000"},
        ],
    },
    Scenario.CONFORMANCE: {**_SHARED, "name": "first-cases", "load": {"rampUp": "2s", "gracefulStop": "10s"}},
}
"""What to ask of a scenario when nobody brings a spec. A rate search climbs as far as ten devices go."""


def beneath(given: Json) -> Json:
    """The built-in run of the scenario that `given` names, with what is given on top.

    Of the built-in run only the fields that the chosen scenario and executor use.
    """
    scenario = Scenario(given["scenario"]) if given.get("scenario") in tuple(Scenario) else None
    if scenario is None:
        return deepcopy(given)
    held = deepcopy(BUILT_IN[scenario])
    for path in unused_fields(scenario, executor_of(given, scenario)):
        put(held, path, None)
    return {"scenario": scenario.value, **_over(held, given)}


def executor_of(spec: Json, scenario: Scenario) -> Executor:
    """The executor that decides which fields a spec may have."""
    named = take(spec, "/load/executor")
    return Executor(named) if named in tuple(Executor) else DEFAULT_EXECUTORS[scenario]


def put(spec: Json, path: str, value: Any) -> None:
    """Let value lie at a JSON pointer; None takes away what is there. What is in the way stays as it is."""
    *outer, name = path.split("/")[1:]
    at: Any = spec
    for step in outer:
        at = (at.get(step) if value is None else at.setdefault(step, {})) if isinstance(at, dict) else None
    if isinstance(at, dict):
        if value is None:
            at.pop(name, None)
        else:
            at[name] = value


def _over(below: Json, above: Json) -> Json:
    merged = dict(below)
    for name, value in above.items():
        held = merged.get(name)
        merged[name] = _over(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return merged
