"""A whole run spec, valid from the moment it exists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Disuse:
    """A field that means nothing where another one holds a value, or with is_that False anything but the value."""

    unused: str
    field: str
    value: str | None
    is_that: bool
    choice: str


DISUSES: Final = (
    Disuse("/load/pacing/timeCompression", "/load/pacing/ofValidity", None, True, "pacing without ofValidity"),
    Disuse("/load/pacing/interval", "/load/pacing/ofValidity", None, False, "pacing with ofValidity"),
    Disuse("/certificate/onPending", "/certificate/path", RenewalPath.DPS, True, "the path dps"),
    Disuse("/execution/cpu", "/execution/runner", Runner.ACTIVITY, True, "the runner activity"),
)
"""What a value of one field leaves without meaning, by JSON pointers, with the choice in words."""


class RunSpec(Section):
    """What was asked. Fields that the scenario or executor does not use hold their defaults and mean nothing.

    `auto_stop` is None only where the spec says null: a run that is to go on whatever fails.
    """

    spec_version: Annotated[int, Whole(1, 1)] = 1
    """The version of this form."""
    name: Annotated[str, _NAME]
    """What the run is called; scenario and date where nobody says."""
    description: Annotated[str, Text(r"[^\ud800-\udfff]{0,1000}", "≤ 1000 characters")] = ""
    """Anything worth knowing, for people."""
    labels: Annotated[Mapping[str, str], _LABELS] = Field(default_factory=dict)
    """Words to find the run by."""
    scenario: Annotated[Scenario, Choice(Scenario)]
    """What every device does."""
    target: Annotated[str, Text(r"[^\ud800-\udfff]{1,128}", "the name of a profile")]
    """The profile on the server whose services are tested; its default where nobody says."""
    random_seed: Annotated[int, Whole(0, MOST_SEED)]
    """The same number gives the same jitter and mix; null lets the server choose one."""
    devices: Devices = Devices()
    """Which devices take part."""
    certificate: Certificate = Certificate()
    """What devices ask for, and how far they check what they get."""
    load: Load
    """How many iterations start, and when."""
    connection: Connection = Connection()
    """How devices hold their connection."""
    telemetry: Telemetry = Telemetry()
    """What one iteration publishes."""
    weights: Weights = Weights()
    """How often adr-get-patch does the one and the other."""
    cases: Annotated[tuple[Annotated[str, _CASE], ...], Field(max_length=len(CASES))] = ()
    """The conformance cases, one device each; none means all."""
    timeouts: Timeouts = Timeouts()
    """How long each wait may last."""
    retries: Retries = Retries()
    """How often what failed is tried again."""
    execution: Execution = Execution()
    """Where the run is carried out, and in which portions."""
    thresholds: Annotated[tuple[ThresholdSpec, ...], Field(max_length=50)] = ()
    """What the run is judged by."""
    baseline: Annotated[str, Text(r"(?:name:)?[a-z0-9-]{1,64}", "a run id or name:<name>")] | None = None
    """The run that thresholds compare with: its id, or name:<name> for the last of that name that passed."""
    auto_stop: AutoStop | None = AutoStop()
    """When the run stops by itself; null lets it go on whatever fails."""
    limits: Limits = Limits()
    """What ends a run before its time; a run estimated above them is refused."""
    results: Results = Results()
    """What results are made of."""
    cleanup: Annotated[Cleanup, Choice(Cleanup)] = Cleanup.KEEP
    """What becomes of state, registrations and registry devices when the run ends."""

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
    document = spec.model_dump(mode="json", by_alias=True)
    by_values = {one.unused: one.choice for one in DISUSES if (take(document, one.field) == one.value) is one.is_that}
    return {**by_values, **unused_fields(spec.scenario, spec.load.executor)}


def _remove(document: dict[str, Any], path: str) -> None:
    section, _, name = path.rpartition("/")
    held = take(document, section)
    if isinstance(held, dict):
        held.pop(name, None)
