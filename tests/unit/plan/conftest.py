"""Profiles to parse specs against, and the parsing itself."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from engine.errors import SpecError
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Targets, parse_targets

DPS = {"host": "global.azure-devices-provisioning.net", "idScope": "0ne1", "secret": "key"}
REGISTRY = {"subscription": "s", "resourceGroup": "r", "namespace": "n", "location": "l"}
PROFILES: dict[str, Any] = {
    "staging": {
        "dps": [DPS],
        "hubs": ["a.azure-devices.net"],
        "http": {"url": "https://a.azure-devices.net/"},
        "adr": REGISTRY,
    },
    "bare": {"hubs": ["a.azure-devices.net"]},
    "small": {
        "dps": [DPS],
        "hubs": ["a.azure-devices.net"],
        "ceilings": {"devices": 50, "ratePerSecond": 10, "duration": "1h", "costUsd": 0.01},
    },
    "other": {
        "dps": [{**DPS, "attestation": "x509", "transport": "https"}, {**DPS, "transport": "mqtt-ws"}],
    },
}


@pytest.fixture
def targets() -> Targets:
    """Profiles: local, staging (everything), bare (a hub only), small (ceilings), other (X.509, HTTPS, WebSocket)."""
    return parse_targets(
        json.dumps(PROFILES),
        allowed_hosts=["*.azure-devices.net", "global.azure-devices-provisioning.net"],
        local=json.dumps({"host": "127.0.0.1", "port": 18883, "idScope": "0ne1", "caFile": "/ca.pem"}),
    )


@pytest.fixture
def parse(targets: Targets) -> Callable[[Mapping[str, Any]], RunSpec]:
    """From a document to its spec, with seed 7 and in 1970."""

    def to_spec(document: Mapping[str, Any]) -> RunSpec:
        body = json.dumps(document).encode()
        return parse_spec(body, profiles=targets, max_devices=10_000_000, seed=7, now=0.0)

    return to_spec


@pytest.fixture
def problems(parse: Callable[[Mapping[str, Any]], RunSpec]) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    """From a document to what is wrong with it, message by path; nothing when it is right."""

    def to_problems(document: Mapping[str, Any]) -> dict[str, str]:
        try:
            parse(document)
        except SpecError as error:
            told = error.problems
        else:
            told = ()
        assert len({problem.path for problem in told}) == len(told)
        return {problem.path: problem.message for problem in told}

    return to_problems
