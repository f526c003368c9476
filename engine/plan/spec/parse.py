"""From the bytes of a request to a `RunSpec`, or to everything that is wrong with them.

Theory of operation. The document gets the scenario's defaults underneath, then pydantic judges every field for
itself. Rules between fields need a whole spec; so that they can speak even when a field is wrong, wrong fields
are taken out, the rest is validated with defaults in their place, and what a rule concludes from a field that
was wrong is not told. Only a spec without any problem is measured against what this server may run.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from engine.errors import Problem, RunRefused, SpecError
from engine.plan.document import Json, parse_document, pointer, problems_of, take
from engine.plan.field import format_duration
from engine.plan.secrecy import secret_places
from engine.plan.spec.demand import describe, load_s, peak_starts
from engine.plan.spec.load import LEAST_VALIDITY_S
from engine.plan.spec.rules import Finding, default_interval_s, default_ramp_up_s, findings
from engine.plan.spec.runspec import RunSpec, unused_paths
from engine.plan.spec.scenario import CASES, DEFAULT_EXECUTORS, DEFAULTS, OWN_DEFAULTS, Executor, Scenario
from engine.plan.target import LOCAL, Profile, Target, Targets

LIMIT_BYTES: Final = 64 * 1024
UNUSED: Final = "not used by"

type Place = Sequence[str | int]

CHOSEN_WHEN_NULL: Final = frozenset({"/randomSeed", "/load/rampUp", "/load/maxInFlight"})
"""Fields that may be null, which is as good as leaving them out: `parse_spec` chooses a value."""

FILLED_IN: Final = frozenset({"/name", "/target", "/randomSeed", "/load", "/load/executor"})
"""Fields that every spec has and no body needs to give."""

_UNKNOWN: Final = Target(LOCAL, Profile())


def parse_spec(body: bytes, *, profiles: Targets, max_devices: int, seed: int, now: float) -> RunSpec:
    """The spec that body asks for, with everything filled in that it leaves out.

    seed (0 … 2^53 - 1) is the randomSeed, and now (Unix seconds) the date in the name, of a spec that gives none.
    Raises SpecTooLarge over 64 KB, SpecError with every problem at once, and RunRefused "over-quota" for a valid
    spec over max_devices or a ceiling of its target.
    """
    given = parse_document(body, limit_bytes=LIMIT_BYTES)
    given = _without(given, [path.split("/")[1:] for path in CHOSEN_WHEN_NULL if take(given, path) is None])
    scenario, executor = _chosen(given)
    defaults: Json = {
        "name": f"{scenario}-{datetime.fromtimestamp(now, UTC):%Y-%m-%d}",
        "target": profiles.default,
        "randomSeed": seed,
        "load": {"executor": executor},
    }
    for more in (DEFAULTS[scenario], OWN_DEFAULTS.get((scenario, executor), {})):
        defaults = _over(defaults, more)
    problems, wrong = _judge_fields(_over(defaults, given))
    document = _over({"scenario": scenario, **defaults}, _without(given, wrong))
    spec = RunSpec.model_validate(document)
    target = profiles.get(spec.target)
    spec = _fill_in(spec, document, target or _UNKNOWN)
    concluded = [*_unused(spec, given), *_target_known(spec, profiles), *_secrets(given), *findings(spec, target)]
    problems = _merge(problems, concluded, wrong)
    if problems or target is None:
        raise SpecError(problems)
    _refuse_over_ceilings(spec, target, max_devices)
    return spec


def _chosen(given: Json) -> tuple[Scenario, Executor]:
    """The scenario and executor that decide the defaults, also for a document that names none."""
    name, executor = given.get("scenario"), take(given, "/load/executor")
    scenario = Scenario(name) if name in tuple(Scenario) else Scenario.CERT_RENEWAL
    return scenario, Executor(executor) if executor in tuple(Executor) else DEFAULT_EXECUTORS[scenario]


def _judge_fields(document: Json) -> tuple[list[Problem], list[Place]]:
    """The problems of fields by themselves, and where the wrong fields are."""
    try:
        RunSpec.model_validate(document)
    except ValidationError as error:
        places = [detail["loc"] for detail in error.errors(include_url=False, include_context=False)]
        return problems_of(error, RunSpec), list(places)
    return [], []


def _fill_in(spec: RunSpec, document: Json, target: Target) -> RunSpec:
    """The spec with the defaults that depend on other fields."""
    if spec.scenario is Scenario.CONFORMANCE:
        devices = spec.devices.model_copy(update={"count": len(spec.cases or CASES)})
        spec = spec.model_copy(update={"devices": devices})
    update: Json = {}
    if take(document, "/load/rampUp") is None:
        update["ramp_up_s"] = default_ramp_up_s(spec, target)
    if take(document, "/load/maxInFlight") is None:
        update["max_in_flight"] = spec.devices.count
    spec = spec.model_copy(update={"load": spec.load.model_copy(update=update)})
    if take(document, "/results/interval") is None:
        results = spec.results.model_copy(update={"interval_s": default_interval_s(spec)})
        spec = spec.model_copy(update={"results": results})
    return spec


def _unused(spec: RunSpec, given: Json) -> Iterator[Finding]:
    """The fields that were given and mean nothing, outermost first; null in a field means left out."""
    told: list[str] = []
    for path, reason in sorted(unused_paths(spec).items()):
        if take(given, path) is None or any(_holds(outer, path) for outer in told):
            continue
        told.append(path)
        concerns = ["/load/executor"] if reason in tuple(Executor) else []
        if not concerns or take(given, "/load/executor") is None:
            concerns.append("/scenario")
        yield Finding(Problem(path, f"{UNUSED} {reason}"), tuple(concerns))


def _target_known(spec: RunSpec, profiles: Targets) -> Iterator[Finding]:
    if profiles.get(spec.target) is None:
        problem = Problem("/target", "no such target profile", " | ".join(profiles.by_name))
        yield Finding(problem, ("/target",))


def _secrets(given: Json) -> Iterator[Finding]:
    """The texts that a spec must not hold, whatever field they are in."""
    for place in secret_places(given):
        path = pointer(place)
        yield Finding(Problem(path, "looks like a secret, and no spec may hold one"), (path,))


def _merge(problems: Iterable[Problem], concluded: Iterable[Finding], wrong: Iterable[Place]) -> list[Problem]:
    """What fields are by themselves and to each other, less what follows from something wrong or unused."""
    bad = [pointer(place) for place in wrong]
    sound = [
        found.problem for found in concluded if not any(_touch(one, path) for one in found.concerns for path in bad)
    ]
    unused = [problem.path for problem in sound if problem.message.startswith(UNUSED)]
    shown = [
        problem
        for problem in (*problems, *sound)
        if problem.message.startswith(UNUSED) or not any(_holds(path, problem.path) for path in unused)
    ]
    return sorted(shown, key=lambda problem: problem.path)


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}/")


def _touch(one: str, other: str) -> bool:
    return _holds(one, other) or _holds(other, one)


def _refuse_over_ceilings(spec: RunSpec, target: Target, max_devices: int) -> None:
    """Raise RunRefused for the first of this server's and the profile's bounds that the spec is over.

    A load of unknown length is for the estimate to refuse, and its run ends when it reaches the ceiling.
    """
    ceilings, named = target.profile.ceilings, f"{target.name}.ceilings"
    source = f"target profile {target.name}"
    count, per_s, length_s = spec.devices.count, peak_starts(spec, 1.0, lifetime_s=LEAST_VALIDITY_S), load_s(spec)
    if count > max_devices:
        setting = "a setting of this server"
        raise _over_quota("MAX_DEVICES", f"{max_devices}", need=f"{count}", unit="devices", source=setting)
    if ceilings.devices is not None and count > ceilings.devices:
        most = f"{ceilings.devices}"
        raise _over_quota(f"{named}.devices", most, need=f"{count}", unit="devices", source=source)
    if ceilings.rate_per_second is not None and per_s > ceilings.rate_per_second:
        most = f"{ceilings.rate_per_second:g}"
        raise _over_quota(f"{named}.ratePerSecond", most, need=describe(per_s), unit="1/s", source=source)
    if ceilings.duration_s is not None and ceilings.duration_s < length_s < math.inf:
        most = format_duration(ceilings.duration_s)
        raise _over_quota(f"{named}.duration", most, need=format_duration(length_s), unit="", source=source)


def _over_quota(limit: str, value: str, *, need: str, unit: str, source: str) -> RunRefused:
    message = f"the run needs {need} {unit}".rstrip() + f", {limit} is {value}"
    return RunRefused("over-quota", message, limit=limit, value=value, need=need, unit=unit, source=source)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    """Both documents in one, `above` winning; objects are laid over each other, everything else replaces."""
    merged = dict(below)
    for name, value in above.items():
        held = merged.get(name)
        merged[name] = _over(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return merged


def _without(document: Json, places: Iterable[Place]) -> Json:
    """The document less what lies at places; of a list with a wrong entry nothing stays."""
    for place in places:
        path = place[: next((n for n, part in enumerate(place) if isinstance(part, int)), None)]
        document = _less(document, path)
    return document


def _less(document: Any, path: Sequence[str | int]) -> Any:
    if not isinstance(document, dict) or path[0] not in document:
        return document
    if len(path) == 1:
        return {name: value for name, value in document.items() if name != path[0]}
    return {**document, str(path[0]): _less(document[path[0]], path[1:])}
