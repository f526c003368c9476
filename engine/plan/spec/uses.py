"""What each scenario and executor takes for granted and does not use, as a form wants to know it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.device.catalog import SCENARIOS
from engine.plan.document import Json
from engine.plan.spec.parse import CHOSEN_WHEN_NULL, FILLED_IN, parse_spec
from engine.plan.spec.runspec import DISUSES
from engine.plan.spec.scenario import (
    DEFAULT_EXECUTORS,
    OWN_DEFAULTS,
    USED_BY_EXECUTORS,
    USED_BY_SCENARIOS,
    Executor,
    Scenario,
)
from engine.plan.target import LOCAL, Profile, Target, Targets

TITLES: Final[Mapping[Scenario, str]] = {
    Scenario.CERT_LIFECYCLE: "Everything a certificate lives through, once per device",
    Scenario.PROVISION: "Register, then prove the issued certificate by one connect",
    Scenario.CERT_RENEWAL: "Renew the certificate and come back with the new one",
    Scenario.CONNECT_CHURN: "Connect, stay a while, leave, again and again",
    Scenario.CONNECT_STORM: "All devices dial at once, stay a while, and leave",
    Scenario.CERT_THROTTLE: "Connected devices renew ever faster: what does the service take?",
    Scenario.TELEMETRY: "Connect once, then publish",
    Scenario.ADR_GET_PATCH: "Read or patch a device that the registry holds",
    Scenario.ADR_PATCH: "Patch a device that the registry holds",
    Scenario.HTTP_PROBE: "Get one page, again and again; no IoT service takes part",
    Scenario.CONFORMANCE: "Every device carries out one case of the renewal contract",
}

_EMULATOR: Final = Targets({LOCAL: Target(LOCAL, Profile())})
_CHOSEN: Final = FILLED_IN | CHOSEN_WHEN_NULL
_NAMED: Final = frozenset({"/scenario", "/load/executor"})


def of_scenarios() -> Json:
    """By scenario: what it does, its main operation and executor, what it takes for granted and does not use.

    defaults are the values, by JSON pointer, of every used field that is not chosen anew for each run; those at
    ownDefaults hold with the scenario's own executor only.
    """
    return {scenario.value: _of_scenario(scenario) for scenario in Scenario}


def of_executors() -> Json:
    """By executor: what it does not use."""
    return {
        executor.value: {"unused": [path for path, users in USED_BY_EXECUTORS.items() if executor not in users]}
        for executor in Executor
    }


def of_values() -> list[Json]:
    """What does not go with a value of another field: `is` that value, or any but what it `isNot`."""
    return [
        {"field": one.field, "is" if one.is_that else "isNot": one.value, "unused": [one.unused]} for one in DISUSES
    ]


def _of_scenario(scenario: Scenario) -> Json:
    executor = DEFAULT_EXECUTORS[scenario]
    own = dict(_leaves(OWN_DEFAULTS.get((scenario, executor), {})))
    body = json.dumps({"scenario": scenario}).encode()
    spec = parse_spec(body, profiles=_EMULATOR, max_devices=1_000, seed=0, now=0.0)
    held = dict(_leaves(spec.echo()))
    return {
        "title": TITLES[scenario],
        "mainOperation": SCENARIOS[scenario].main.value,
        "executor": executor.value,
        "executors": [each.value for each in Executor],
        "defaults": {
            path: value for path, value in held.items() if path not in _NAMED and (path not in _CHOSEN or path in own)
        },
        "ownDefaults": list(own),
        "unused": [path for path, users in USED_BY_SCENARIOS.items() if scenario not in users],
    }


def _leaves(document: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no object, or an empty one, by JSON pointer."""
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{at}/{name}")
        else:
            yield f"{at}/{name}", value
