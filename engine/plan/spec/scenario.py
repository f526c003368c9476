"""Which scenarios and executors exist, what each uses of a spec, and what it takes for granted."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Scenario(StrEnum):
    """What every device does."""

    CERT_LIFECYCLE = "cert-lifecycle"
    PROVISION = "provision"
    CERT_RENEWAL = "cert-renewal"
    CONNECT_CHURN = "connect-churn"
    CONNECT_STORM = "connect-storm"
    CERT_THROTTLE = "cert-throttle"
    TELEMETRY = "telemetry"
    ADR_GET_PATCH = "adr-get-patch"
    ADR_PATCH = "adr-patch"
    HTTP_PROBE = "http-probe"
    CONFORMANCE = "conformance"


class Executor(StrEnum):
    """Who decides when the next iteration starts: closed executors the devices, open ones the clock."""

    ONCE = "once"
    PER_DEVICE_PACING = "per-device-pacing"
    MAX_RATE = "max-rate"
    CONSTANT_ARRIVAL_RATE = "constant-arrival-rate"
    RAMPING_ARRIVAL_RATE = "ramping-arrival-rate"
    RATE_SEARCH = "rate-search"


CASES: Final = tuple(
    f"{number:03}{form}" for number in range(1, 27) for form in (("a", "b") if number == 25 else ("",)) if number != 13
)
"""The conformance cases, as in the public SDK scenario list: 013 does not exist, 025 has two forms."""

_DEVICE: Final = frozenset(
    {
        Scenario.CERT_LIFECYCLE,
        Scenario.PROVISION,
        Scenario.CERT_RENEWAL,
        Scenario.CONNECT_CHURN,
        Scenario.CONNECT_STORM,
        Scenario.CERT_THROTTLE,
        Scenario.TELEMETRY,
    }
)
_RENEWING: Final = frozenset({Scenario.CERT_LIFECYCLE, Scenario.CERT_RENEWAL, Scenario.CERT_THROTTLE})
_PUBLISHING: Final = frozenset({Scenario.CERT_LIFECYCLE, Scenario.TELEMETRY})
REGISTERING: Final = frozenset({Scenario.CERT_LIFECYCLE, Scenario.PROVISION})
"""Scenarios whose iteration registers the device: they leave nothing to provision beforehand."""

REGISTRY: Final = frozenset({Scenario.ADR_GET_PATCH, Scenario.ADR_PATCH})
"""Scenarios that talk to the device registry, and to nothing else."""

_CONFORMANCE: Final = frozenset({Scenario.CONFORMANCE})
_EVERY: Final = frozenset(Scenario)

USED_BY_SCENARIOS: Mapping[str, frozenset[Scenario]] = {
    "/devices/count": _EVERY - _CONFORMANCE,
    "/devices/prefix": _EVERY - {Scenario.HTTP_PROBE},
    "/devices/startIndex": _EVERY - {Scenario.HTTP_PROBE},
    "/devices/source": _DEVICE | REGISTRY | _CONFORMANCE,
    "/devices/onInvalid": _DEVICE | _CONFORMANCE,
    "/certificate": _DEVICE | _CONFORMANCE,
    "/certificate/path": _RENEWING,
    "/certificate/onPending": _RENEWING,
    "/certificate/verify": _RENEWING | {Scenario.PROVISION},
    "/load/pacing/ofValidity": _DEVICE | _CONFORMANCE,
    "/connection": _DEVICE | _CONFORMANCE,
    "/connection/hold": _DEVICE,
    "/telemetry": _PUBLISHING,
    "/weights": frozenset({Scenario.ADR_GET_PATCH}),
    "/cases": _CONFORMANCE,
    "/timeouts/register": _DEVICE | _CONFORMANCE,
    "/timeouts/connect": _DEVICE | _CONFORMANCE,
    "/timeouts/certificate": _RENEWING | _CONFORMANCE,
    "/timeouts/publish": _RENEWING | _PUBLISHING | _CONFORMANCE,
    "/timeouts/http": REGISTRY | {Scenario.HTTP_PROBE},
    "/retries/register": _DEVICE | REGISTRY | _CONFORMANCE,
    "/retries/connect": _DEVICE | _CONFORMANCE,
    "/retries/renew": _RENEWING - {Scenario.CERT_THROTTLE},
    "/retries/backoff": _EVERY - {Scenario.HTTP_PROBE},
    "/retries/honorRetryAfter": _EVERY - {Scenario.HTTP_PROBE},
    "/cleanup": _EVERY - {Scenario.HTTP_PROBE},
}
"""Fields that not every scenario uses, by JSON pointer; a field that is not listed is used by all."""

CLOSED: Final = frozenset({Executor.ONCE, Executor.PER_DEVICE_PACING, Executor.MAX_RATE})
_RATED: Final = frozenset({Executor.CONSTANT_ARRIVAL_RATE, Executor.RAMPING_ARRIVAL_RATE, Executor.RATE_SEARCH})
TIMED: Final = frozenset({Executor.PER_DEVICE_PACING, Executor.MAX_RATE, Executor.CONSTANT_ARRIVAL_RATE})
"""Executors that last as long as `load.duration` says; the others end by themselves."""

FIXED: Final = TIMED | {Executor.RAMPING_ARRIVAL_RATE}
"""Executors whose load ends at a time that is known beforehand, whatever is still under way then."""

USED_BY_EXECUTORS: Mapping[str, frozenset[Executor]] = {
    "/load/duration": TIMED,
    "/load/iterations": frozenset(Executor) - {Executor.RATE_SEARCH},
    "/load/rampUp": CLOSED,
    "/load/pacing": frozenset({Executor.PER_DEVICE_PACING}),
    "/load/rate": frozenset({Executor.CONSTANT_ARRIVAL_RATE}),
    "/load/timeUnit": _RATED,
    "/load/startRate": frozenset({Executor.RAMPING_ARRIVAL_RATE}),
    "/load/stages": frozenset({Executor.RAMPING_ARRIVAL_RATE}),
    "/load/search": frozenset({Executor.RATE_SEARCH}),
    "/execution/batchSize": frozenset(Executor) - {Executor.RATE_SEARCH},
    "/execution/maxParallelBatches": frozenset(Executor) - {Executor.RATE_SEARCH},
}
"""Fields that not every executor uses, by JSON pointer; a field that is not listed is used by all."""

DEFAULT_EXECUTORS: Mapping[Scenario, Executor] = {
    Scenario.CERT_LIFECYCLE: Executor.ONCE,
    Scenario.PROVISION: Executor.ONCE,
    Scenario.CERT_RENEWAL: Executor.PER_DEVICE_PACING,
    Scenario.CONNECT_CHURN: Executor.PER_DEVICE_PACING,
    Scenario.CONNECT_STORM: Executor.ONCE,
    Scenario.CERT_THROTTLE: Executor.RATE_SEARCH,
    Scenario.TELEMETRY: Executor.PER_DEVICE_PACING,
    Scenario.ADR_GET_PATCH: Executor.PER_DEVICE_PACING,
    Scenario.ADR_PATCH: Executor.PER_DEVICE_PACING,
    Scenario.HTTP_PROBE: Executor.PER_DEVICE_PACING,
    Scenario.CONFORMANCE: Executor.ONCE,
}

DEFAULTS: Mapping[Scenario, Mapping[str, Any]] = {
    Scenario.CERT_LIFECYCLE: {
        "devices": {"source": "create"},
        "connection": {"hold": "5s"},
        "telemetry": {"messages": 3, "interval": "1s"},
    },
    Scenario.PROVISION: {
        "devices": {"source": "create"},
        "certificate": {"verify": "reconnect"},
        "connection": {"hold": "0s"},
    },
    Scenario.CERT_RENEWAL: {"certificate": {"verify": "reconnect"}, "connection": {"hold": "5s"}},
    Scenario.CONNECT_CHURN: {"connection": {"hold": "0s"}},
    Scenario.CONNECT_STORM: {"connection": {"hold": "60s"}},
    Scenario.CERT_THROTTLE: {
        "devices": {"count": 100},
        "certificate": {"verify": "chain"},
        "load": {"timeUnit": "1m"},
        "connection": {"hold": "run"},
    },
    Scenario.TELEMETRY: {"connection": {"hold": "run"}, "telemetry": {"messages": 1, "size": 256}},
    Scenario.ADR_GET_PATCH: {"devices": {"prefix": "adrdev"}, "weights": {"get": 70, "patch": 30}},
    Scenario.ADR_PATCH: {"devices": {"prefix": "adrdev"}, "cleanup": "delete"},
    Scenario.HTTP_PROBE: {},
    Scenario.CONFORMANCE: {
        "thresholds": [
            {"metric": "conformance.case", "expr": "fail_rate==0"},
            {"metric": "conformance.case:dropped", "expr": "count==0"},
        ]
    },
}
"""What a scenario takes for granted instead of the defaults of the sections, as a spec would write it."""

OWN_DEFAULTS: Mapping[tuple[Scenario, Executor], Mapping[str, Any]] = {
    (Scenario.CERT_RENEWAL, Executor.PER_DEVICE_PACING): {"load": {"duration": "300s", "pacing": {"interval": "90s"}}},
    (Scenario.CONNECT_CHURN, Executor.PER_DEVICE_PACING): {"load": {"duration": "300s", "pacing": {"interval": "90s"}}},
    (Scenario.CONNECT_STORM, Executor.ONCE): {"load": {"rampUp": "0s"}, "execution": {"startBarrier": True}},
    (Scenario.CERT_THROTTLE, Executor.RATE_SEARCH): {"load": {"search": {"start": 10}}},
    (Scenario.TELEMETRY, Executor.PER_DEVICE_PACING): {"load": {"pacing": {"interval": "5s"}}},
    (Scenario.ADR_GET_PATCH, Executor.PER_DEVICE_PACING): {"load": {"pacing": {"interval": "5s"}}},
    (Scenario.ADR_PATCH, Executor.PER_DEVICE_PACING): {"load": {"pacing": {"interval": "5s"}}},
    (Scenario.HTTP_PROBE, Executor.PER_DEVICE_PACING): {"load": {"pacing": {"interval": "5s"}}},
}
"""What a scenario takes for granted with its own executor only."""


def unused_fields(scenario: Scenario, executor: Executor) -> Mapping[str, str]:
    """The fields that neither chosen word uses, by JSON pointer, each with what does not use it."""
    by_executor = {path: executor for path, users in USED_BY_EXECUTORS.items() if executor not in users}
    by_scenario = {path: scenario for path, users in USED_BY_SCENARIOS.items() if scenario not in users}
    return {**by_executor, **by_scenario}
