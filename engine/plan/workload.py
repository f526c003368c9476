"""What one iteration asks of the services, and what a whole run does."""

import math
from collections.abc import Mapping
from typing import Final, assert_never

from engine.measure.operation import Operation
from engine.plan.pacer import Grid
from engine.plan.schedule import schedule_for
from engine.plan.spec.devices import RenewalPath, Verify
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import USED_BY_SCENARIOS, Executor, Scenario

ASSUMED_S: Mapping[Operation, float] = {
    Operation.DPS_REGISTER: 30.0,
    Operation.HUB_CONNECT: 1.0,
    Operation.CERT_ISSUED: 10.0,
    Operation.TELEMETRY_PUBLISH: 0.1,
    Operation.ADR_GET: 1.0,
    Operation.ADR_PATCH: 5.0,
    Operation.HTTP_GET: 1.0,
    Operation.CONFORMANCE_CASE: 30.0,
}
"""How long an operation is taken to last when planning: our assumption, replaced by what runs measure.
The 30 s are those of product section 6, Estimate; operations that are not listed take part in another one.
"""

LOCAL_S: Final = 0.1
"""The same against the embedded emulator, for every operation."""


def operations_of(spec: RunSpec) -> Mapping[Operation, float]:
    """What one iteration does when all goes well: how often each operation, on average. Zeros are left out.

    A renewal by registering again is a registration, and a new connection whatever is verified: the device leaves the
    hub to ask. Its `cert.issued` is a stretch of `dps.register` and not listed.
    """
    by_dps = spec.certificate.path is RenewalPath.DPS
    renews = {Operation.DPS_REGISTER: 1.0} if by_dps else {Operation.CERT_REQUEST: 1.0, Operation.CERT_ISSUED: 1.0}
    reconnects = float(by_dps or spec.certificate.verify is Verify.RECONNECT)
    leaves = float(math.isfinite(spec.connection.hold_s))
    messages = float(spec.telemetry.messages)
    match spec.scenario:
        case Scenario.PROVISION:
            done = {Operation.DPS_REGISTER: 1.0, Operation.HUB_CONNECT: reconnects}
        case Scenario.CERT_LIFECYCLE:
            done = {**renews, Operation.DPS_REGISTER: 1 + renews.get(Operation.DPS_REGISTER, 0.0)}
            done |= {Operation.HUB_CONNECT: 1 + reconnects, Operation.TELEMETRY_PUBLISH: messages}
        case Scenario.CERT_RENEWAL:
            done = {**renews, Operation.HUB_CONNECT: reconnects}
        case Scenario.CERT_THROTTLE:
            done = {**renews, Operation.HUB_CONNECT: leaves}
        case Scenario.CONNECT_CHURN | Scenario.CONNECT_STORM:
            done = {Operation.HUB_CONNECT: 1.0}
        case Scenario.TELEMETRY:
            done = {Operation.TELEMETRY_PUBLISH: messages, Operation.HUB_CONNECT: leaves}
        case Scenario.ADR_GET_PATCH:
            weights = spec.weights
            both = weights.get + weights.patch
            done = {Operation.ADR_GET: weights.get / both, Operation.ADR_PATCH: weights.patch / both}
        case Scenario.ADR_PATCH:
            done = {Operation.ADR_PATCH: 1.0}
        case Scenario.HTTP_PROBE:
            done = {Operation.HTTP_GET: 1.0}
        case Scenario.CONFORMANCE:
            done = {Operation.CONFORMANCE_CASE: 1.0, Operation.DPS_REGISTER: 1.0, Operation.HUB_CONNECT: 1.0}
        case _:
            assert_never(spec.scenario)
    return {operation: times for operation, times in done.items() if times}


def held_s(spec: RunSpec, *, is_local: bool) -> float:
    """How long one iteration is taken to last, `hold` included unless it is the whole run."""
    done = operations_of(spec)
    waits_s = sum(times * (LOCAL_S if is_local else ASSUMED_S.get(operation, 0.0)) for operation, times in done.items())
    holds = spec.scenario in USED_BY_SCENARIOS["/connection/hold"] and math.isfinite(spec.connection.hold_s)
    pauses = max(0.0, done.get(Operation.TELEMETRY_PUBLISH, 0.0) - 1)
    return waits_s + (spec.connection.hold_s if holds else 0.0) + pauses * spec.telemetry.interval_s


def iterations_of(spec: RunSpec, *, each_s: float) -> int:
    """How many iterations the whole run starts, each lasting each_s where the answers set the pace."""
    load = spec.load
    schedule = schedule_for(spec, devices=spec.devices.count, ramp_s=load.ramp_up_s)
    if load.executor is Executor.MAX_RATE:
        schedule = _back_to_back(spec, each_s)
    starts = schedule.starts() if isinstance(schedule, Grid) else schedule.count(math.inf)
    return starts if load.iterations is None else min(starts, load.iterations)


def _back_to_back(spec: RunSpec, each_s: float) -> Grid:
    """One iteration after the other in every in-flight place; the places are taken as the ramp brings devices."""
    load = spec.load
    ramp_s = load.ramp_up_s * load.max_in_flight / spec.devices.count
    return Grid(load.max_in_flight, each_s, jitter=0.0, ramp_s=ramp_s, duration_s=load.duration_s, seed=0)
