"""What fields of a spec must be to one another: each rule a function from the whole spec to its problems."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from engine.errors import Problem, SpecError
from engine.plan.field import format_duration
from engine.plan.spec.demand import load_s
from engine.plan.spec.devices import RenewalPath, Source, Verify
from engine.plan.spec.execution import Runner
from engine.plan.spec.judgement import ThresholdSpec
from engine.plan.spec.load import DAY_S, StopWhen
from engine.plan.spec.runner import ACTIVITY_LONGEST_S, batches_of, length_path, outlasts_activity, runs_in_waves
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import CASES, CLOSED, REGISTERING, TIMED, Executor, Scenario
from engine.plan.target import Target

SEARCH_DEVICES: Final = 5_000
LEAST_RAMP_S: Final = 30.0
MOST_WINDOWS: Final = 10_080
"""A week by the minute: merging a run holds all its windows at once, which takes some 80 KB each."""

_INTERVALS_S: Final = (10.0, 20.0, 30.0, 60.0, 120.0, 300.0)

QUOTA_SHARE: Final = 0.9
"""Paced work keeps to this share of a quota, so that it does not throttle itself."""

STAYING: Final = frozenset({Scenario.TELEMETRY, Scenario.CERT_THROTTLE})
"""Scenarios whose iterations need not leave the connection they work on."""

_OVER_HTTP: Final = frozenset({Scenario.ADR_GET_PATCH, Scenario.ADR_PATCH, Scenario.HTTP_PROBE})


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem between fields, with the pointers of every field it was concluded from."""

    problem: Problem
    concerns: tuple[str, ...]


type Rule = Callable[[RunSpec], Iterator[Finding]]


def findings(spec: RunSpec, target: Target | None) -> list[Finding]:
    """Every problem between the spec's fields, and between the spec and its target if there is one."""
    of_target = [] if target is None else _target_has_parts(spec, target)
    return [*of_target, *(finding for rule in RULES for finding in rule(spec))]


def default_ramp_up_s(spec: RunSpec, target: Target) -> float:
    """How long the ramp of a closed executor lasts when nobody says.

    For `once` as long as 90 % of the target's quotas need for every device, at least 30 s, in whole seconds.
    """
    if spec.load.executor in TIMED:
        return min(LEAST_RAMP_S, math.floor(spec.load.duration_s * 500) / 1000)
    each = (spec.scenario in REGISTERING) + (spec.certificate.path is RenewalPath.DPS)
    registrations = spec.devices.count * each
    connects = 0 if spec.scenario in _OVER_HTTP else spec.devices.count
    needs = {"dps.registrations": registrations * 60.0, "hub.connects": connects * 1.0}
    times_s = [
        need / (QUOTA_SHARE * quota) for name, need in needs.items() if (quota := target.quota(name)) is not None
    ]
    return float(min(7 * DAY_S, math.ceil(max([LEAST_RAMP_S, *times_s]))))


def default_interval_s(spec: RunSpec) -> float:
    """How long an interval is when nobody says: 10 s, or as long as it takes for all of the load to fit."""
    length_s = load_s(spec)
    fits = [each for each in _INTERVALS_S if math.isinf(length_s) or length_s <= MOST_WINDOWS * each]
    return fits[0] if fits else _INTERVALS_S[-1]


def _executor_needs(spec: RunSpec) -> Iterator[Finding]:
    executor = spec.load.executor
    if executor is Executor.CONSTANT_ARRIVAL_RATE and spec.load.rate is None:
        yield _finding("/load/rate", f"needed by {executor}", "> 0 … 100000", "/load/executor")
    if executor is Executor.RAMPING_ARRIVAL_RATE and not spec.load.stages:
        yield _finding("/load/stages", f"needed by {executor}", "1 … 50 stages", "/load/executor")
    if executor is Executor.RATE_SEARCH and spec.devices.count > SEARCH_DEVICES:
        message = f"{executor} is one batch, found {spec.devices.count} devices"
        yield _finding("/devices/count", message, f"1 … {SEARCH_DEVICES}", "/load/executor")


def _stages_offer_something(spec: RunSpec) -> Iterator[Finding]:
    load = spec.load
    if load.executor is not Executor.RAMPING_ARRIVAL_RATE or not load.stages:
        return
    if sum(stage.duration_s for stage in load.stages) > 7 * DAY_S:
        yield _finding("/load/stages", "longer than a run may last", '≤ "168h" together')
    rates = [load.start_rate, *(stage.target for stage in load.stages)]
    if not any(stage.duration_s and (rates[n] or rates[n + 1]) for n, stage in enumerate(load.stages)):
        yield _finding("/load/stages", "the rate never leaves zero", "a stage with a duration and a target above 0")


def _ramp_fits(spec: RunSpec) -> Iterator[Finding]:
    load = spec.load
    if load.executor in CLOSED & TIMED and load.ramp_up_s > load.duration_s:
        message = f"longer than the load, which lasts {format_duration(load.duration_s)}"
        yield _finding("/load/rampUp", message, f'"0s" … "{format_duration(load.duration_s)}"', "/load/duration")


def _in_flight_fits(spec: RunSpec) -> Iterator[Finding]:
    most, count = spec.load.max_in_flight, spec.devices.count
    least = 1 if runs_in_waves(spec) else batches_of(spec)
    if not least <= most <= count:
        message = f"expected one per batch at least and one per device at most, found {most}"
        concerns = ("/devices/count", "/execution/batchSize", "/execution/cpu")
        yield _finding("/load/maxInFlight", message, f"{least} … {count}", *concerns)


def _runner_lasts(spec: RunSpec) -> Iterator[Finding]:
    if spec.execution.runner is Runner.ACTIVITY and outlasts_activity(spec):
        message, allowed = "longer than the runner activity lasts", f'≤ "{format_duration(ACTIVITY_LONGEST_S)}"'
        yield _finding(length_path(spec), message, allowed, "/execution/runner")


def _windows_fit(spec: RunSpec) -> Iterator[Finding]:
    length_s, path = load_s(spec), "/load/rampUp" if spec.load.executor is Executor.ONCE else length_path(spec)
    if math.isfinite(length_s) and length_s > MOST_WINDOWS * spec.results.interval_s:
        least = f'"{format_duration(math.ceil(length_s / MOST_WINDOWS))}"'
        message = f"a load of {format_duration(length_s)} has more than {MOST_WINDOWS} of these"
        yield _finding("/results/interval", message, f'{least} … "5m"', path)


def _hold_ends(spec: RunSpec) -> Iterator[Finding]:
    """Only who has work to do on a connection can keep it for the whole run."""
    if math.isinf(spec.connection.hold_s) and spec.scenario not in STAYING:
        message = f'"run" is for {" and ".join(sorted(STAYING))}: {spec.scenario} goes on when the hold is over'
        yield _finding("/connection/hold", message, '"0s" … "24h"', "/scenario")


def _throttle_stays(spec: RunSpec) -> Iterator[Finding]:
    if spec.scenario is Scenario.CERT_THROTTLE and spec.certificate.verify is Verify.RECONNECT:
        message = f"{spec.scenario} renews without reconnecting"
        yield _finding("/certificate/verify", message, f"{Verify.NONE} | {Verify.CHAIN}", "/scenario")


def _backoff_grows(spec: RunSpec) -> Iterator[Finding]:
    backoff = spec.retries.backoff
    if backoff.max_s < backoff.base_s:
        allowed = f'≥ "{format_duration(backoff.base_s)}"'
        yield _finding("/retries/backoff/max", "below base", allowed, "/retries/backoff/base")


def _weights_weigh(spec: RunSpec) -> Iterator[Finding]:
    if spec.scenario is Scenario.ADR_GET_PATCH and not spec.weights.get + spec.weights.patch:
        yield _finding("/weights", "nothing to do: both weights are 0", "one of them above 0", "/scenario")


def _cases_differ(spec: RunSpec) -> Iterator[Finding]:
    for index, case in enumerate(spec.cases):
        if case in spec.cases[:index]:
            yield _finding(f"/cases/{index}", f"case {case} is given twice", " | ".join(CASES))


def _source_fits(spec: RunSpec) -> Iterator[Finding]:
    if spec.devices.source is not Source.STORED_ONLY:
        return
    if spec.scenario in REGISTERING:
        message = f"{Source.STORED_ONLY} never calls DPS, {spec.scenario} registers every device"
        allowed = f"{Source.CREATE} | {Source.REUSE_OR_CREATE}"
        yield _finding("/devices/source", message, allowed, "/scenario")
    elif spec.certificate.path is RenewalPath.DPS:
        message = f"{Source.STORED_ONLY} never calls DPS"
        yield _finding("/certificate/path", message, RenewalPath.HUB, "/devices/source")


def _target_has_parts(spec: RunSpec, target: Target) -> Iterator[Finding]:
    """The embedded emulator has whatever the scenarios that are built need."""
    profile = target.profile
    match spec.scenario:
        case _ if target.is_local:
            return
        case Scenario.HTTP_PROBE:
            has, part = profile.http is not None, "http"
        case Scenario.ADR_GET_PATCH | Scenario.ADR_PATCH:
            has, part = profile.adr is not None, "adr"
        case _:
            has, part = bool(profile.dps) or spec.devices.source is Source.STORED_ONLY, "dps"
    if not has:
        message = f"the profile {target.name} has no {part}, which {spec.scenario} needs"
        yield _finding("/target", message, f"a profile with {part}", "/scenario", "/devices/source")


def _thresholds_fit(spec: RunSpec) -> Iterator[Finding]:
    for index, threshold in enumerate(spec.thresholds):
        yield from _unfit(threshold, f"/thresholds/{index}")
    if spec.load.executor is Executor.RATE_SEARCH:
        stop = spec.load.search.stop_when
        path = "/load/search/stopWhen"
        yield from _unfit(stop, path)
        if "baseline" in stop.expr:
            yield _finding(f"{path}/expr", "a rate is judged by itself: there is no baseline", "a number")


def _unfit(threshold: ThresholdSpec | StopWhen, path: str) -> Iterator[Finding]:
    try:
        threshold.parsed(path)
    except SpecError as error:
        for problem in error.problems:
            yield Finding(problem, (problem.path, f"{path}/metric"))


def _finding(path: str, message: str, allowed: str, *concerns: str) -> Finding:
    return Finding(Problem(path, message, allowed), (path, *concerns))


RULES: Final[tuple[Rule, ...]] = (
    _executor_needs,
    _stages_offer_something,
    _ramp_fits,
    _in_flight_fits,
    _runner_lasts,
    _windows_fit,
    _hold_ends,
    _throttle_stays,
    _backoff_grows,
    _weights_weigh,
    _cases_differ,
    _source_fits,
    _thresholds_fit,
)
