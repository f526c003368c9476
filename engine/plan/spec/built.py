"""Which valid specs this version can carry out."""

from collections.abc import Iterator
from math import inf
from typing import Final

from engine.errors import Problem
from engine.plan.field import format_duration
from engine.plan.spec.devices import OnPending, Transport
from engine.plan.spec.execution import Cleanup, Runner
from engine.plan.spec.rules import ACTIVITY_LONGEST_S, length_path, outlasts_activity
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor, Scenario
from engine.plan.target import Attestation, DpsTransport, Target

SCENARIOS: Final = frozenset(
    {
        Scenario.PROVISION,
        Scenario.CERT_RENEWAL,
        Scenario.CERT_LIFECYCLE,
        Scenario.CONNECT_CHURN,
        Scenario.CONNECT_STORM,
        Scenario.TELEMETRY,
    }
)
EXECUTORS: Final = frozenset(Executor) - {Executor.RATE_SEARCH}

type Missing = tuple[bool, str, str, str]
"""Whether a field asks for something not built, its JSON pointer, what it asks for, and what is built."""


def not_built(spec: RunSpec, target: Target) -> list[Problem]:
    """What a valid spec asks of this version that it cannot do yet, field by field; nothing when it can run."""
    asked = (*_of_choices(spec), *_of_extras(spec), *_of_thresholds(spec), *_of_target(target))
    return [
        Problem(path, f"{what} is not built yet", instead) for is_missing, path, what, instead in asked if is_missing
    ]


def _of_choices(spec: RunSpec) -> Iterator[Missing]:
    """The closed lists of which only some words are built."""
    certificate, load = spec.certificate, spec.load
    yield spec.scenario not in SCENARIOS, "/scenario", spec.scenario, _words(SCENARIOS)
    yield load.executor not in EXECUTORS, "/load/executor", load.executor, _words(EXECUTORS)
    yield certificate.on_pending is not OnPending.WAIT, "/certificate/onPending", certificate.on_pending, OnPending.WAIT
    transport, runner = spec.connection.transport, spec.execution.runner
    yield transport is not Transport.MQTT, "/connection/transport", transport, Transport.MQTT
    yield runner is Runner.JOB, "/execution/runner", runner, f"{Runner.AUTO} | {Runner.ACTIVITY}"
    yield spec.cleanup is not Cleanup.KEEP, "/cleanup", spec.cleanup, Cleanup.KEEP


def _of_extras(spec: RunSpec) -> Iterator[Missing]:
    """The fields of which only some values are built."""
    load, execution = spec.load, spec.execution
    lasts_long, length = outlasts_activity(spec), length_path(spec)
    waits_for_all = execution.start_barrier and load.executor is not Executor.ONCE
    never_leaves = spec.connection.hold_s == inf and spec.scenario is not Scenario.TELEMETRY
    yield never_leaves, "/connection/hold", "run", "a duration"
    yield load.pacing.of_validity is not None, "/load/pacing/ofValidity", "pacing by validity", "interval"
    yield lasts_long, length, "a load that needs the runner job", f'≤ "{format_duration(ACTIVITY_LONGEST_S)}"'
    yield waits_for_all, "/execution/startBarrier", f"a barrier for {load.executor}", "false"
    yield execution.cpu > 1, "/execution/cpu", "a replica's size", "≤ 1"
    yield spec.baseline is not None, "/baseline", "a baseline", "null"
    yield spec.auto_stop is not None, "/autoStop", "stopping by itself", "null"
    yield spec.limits.max_cost_usd is not None, "/limits/maxCostUsd", "a budget", "null"


def _of_thresholds(spec: RunSpec) -> Iterator[Missing]:
    for index, threshold in enumerate(spec.thresholds):
        path = f"/thresholds/{index}"
        relative = threshold.parsed().expr.times_baseline
        yield relative, f"{path}/expr", "a threshold relative to a baseline", "an absolute value"
        yield threshold.abort_on_fail, f"{path}/abortOnFail", "ending a run by a threshold", "false"


def _of_target(target: Target) -> Iterator[Missing]:
    for index, dps in enumerate(target.profile.dps):
        whose = f"the profile {target.name}: dps/{index} with"
        attests = dps.attestation is not Attestation.SYMMETRIC_KEY_GROUP
        yield attests, "/target", f"{whose} {dps.attestation}", Attestation.SYMMETRIC_KEY_GROUP
        yield dps.transport is not DpsTransport.MQTT, "/target", f"{whose} {dps.transport}", DpsTransport.MQTT


def _words(words: frozenset[Scenario] | frozenset[Executor]) -> str:
    return " | ".join(sorted(words))
