"""A whole run spec, valid from the moment it exists."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from engine.measure.threshold import Threshold
from engine.plan.document import Json, take
from engine.plan.field import Choice, Section, Text, Whole, Words
from engine.plan.spec.devices import Certificate, Connection, Devices, RenewalPath, Telemetry
from engine.plan.spec.execution import Cleanup, Execution, Limits, Results, Retries, Runner, Timeouts, Weights
from engine.plan.spec.judgement import AutoStop, ThresholdSpec
from engine.plan.spec.load import Load
from engine.plan.spec.scenario import CASES, Scenario, unused_fields

MOST_SEED: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact."""

_NAME: Final = Text(r"[a-z0-9-]{1,63}", "[a-z0-9-]{1,63}")
_LABELS: Final = Words(20, r"[a-z0-9.-]{1,63}", r"[^\ud800-\udfff]{0,128}", "≤ 20, key [a-z0-9.-]{1,63}, value ≤ 128")
_CASE: Final = Text("|".join(CASES), f"{CASES[0]} … {CASES[-1]}")


class RunSpec(Section):
    """What was asked. Fields that the scenario or executor does not use hold their defaults and mean nothing.

    `auto_stop` is None only where the spec says null: a run that is to go on whatever fails.
    """

    spec_version: Annotated[int, Whole(1, 1)] = 1
    name: Annotated[str, _NAME]
    description: Annotated[str, Text(r"[^\ud800-\udfff]{0,1000}", "≤ 1000 characters")] = ""
    labels: Annotated[Mapping[str, str], _LABELS] = Field(default_factory=dict)
    scenario: Annotated[Scenario, Choice(Scenario)]
    target: Annotated[str, Text(r"[^\ud800-\udfff]{1,128}", "the name of a profile")]
    random_seed: Annotated[int, Whole(0, MOST_SEED)]
    devices: Devices = Devices()
    certificate: Certificate = Certificate()
    load: Load
    connection: Connection = Connection()
    telemetry: Telemetry = Telemetry()
    weights: Weights = Weights()
    cases: Annotated[tuple[Annotated[str, _CASE], ...], Field(max_length=len(CASES))] = ()
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    execution: Execution = Execution()
    thresholds: Annotated[tuple[ThresholdSpec, ...], Field(max_length=50)] = ()
    baseline: Annotated[str, Text(r"(?:name:)?[a-z0-9-]{1,64}", "a run id or name:<name>")] | None = None
    auto_stop: AutoStop | None = AutoStop()
    limits: Limits = Limits()
    results: Results = Results()
    cleanup: Annotated[Cleanup, Choice(Cleanup)] = Cleanup.KEEP

    def echo(self) -> Json:
        """The spec as a document: every default filled in, unused fields left out; posted again it is the same."""
        document = self.model_dump(mode="json", by_alias=True)
        for path in unused_paths(self):
            _remove(document, path)
        return document

    def judged_by(self) -> tuple[Threshold, ...]:
        """The thresholds in the order given, in the form that `engine.measure.verdict` judges by."""
        return tuple(threshold.parsed() for threshold in self.thresholds)


def canonical(spec: RunSpec) -> str:
    """The one text of a spec: two specs ask for the same exactly when their texts are equal.

    A body that leaves out name, randomSeed or devices' profile gets them from `parse_spec`: to find out whether it
    asks for what a stored spec asked for, parse it with the stored spec's seed and moment of acceptance.
    """
    return json.dumps(spec.echo(), sort_keys=True, separators=(",", ":"))


def unused_paths(spec: RunSpec) -> Mapping[str, str]:
    """The fields that mean nothing in this spec, by JSON pointer, each with the choice that does not use them."""
    paths = dict(unused_fields(spec.scenario, spec.load.executor))
    if spec.load.pacing.of_validity is None:
        paths.setdefault("/load/pacing/timeCompression", "pacing without ofValidity")
    else:
        paths.setdefault("/load/pacing/interval", "pacing with ofValidity")
    if spec.certificate.path is RenewalPath.DPS:
        paths.setdefault("/certificate/onPending", "the path dps")
    if spec.execution.runner is Runner.ACTIVITY:
        paths["/execution/cpu"] = "the runner activity"
    return paths


def _remove(document: dict[str, Any], path: str) -> None:
    section, _, name = path.rpartition("/")
    held = take(document, section)
    if isinstance(held, dict):
        held.pop(name, None)
