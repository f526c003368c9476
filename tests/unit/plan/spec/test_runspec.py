"""A whole spec: what it says back, and when two ask for the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import SpecError
from engine.plan.field import format_duration
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec, canonical
from engine.plan.spec.scenario import Executor, Scenario
from engine.plan.target import Targets

type Parse = Callable[[dict[str, Any]], RunSpec]

SPECS = sorted((Path(__file__).parents[3] / "data" / "specs").glob("*.json"))

_durations = st.integers(1, 10**8).map(lambda milliseconds: format_duration(milliseconds / 1000))
_maybe = st.none


def sections(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


documents = st.fixed_dictionaries(
    {"scenario": st.sampled_from(Scenario)},
    optional={
        "name": st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True),
        "description": st.text(max_size=20),
        "labels": st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(max_size=9), max_size=3),
        "target": st.sampled_from(["staging", "local"]),
        "randomSeed": st.integers(0, 2**53 - 1),
        "devices": sections(
            count=st.integers(1, 20_000),
            startIndex=st.one_of(_maybe(), st.integers(0, 10**12)),
            source=st.sampled_from(["create", "reuse-or-create", "stored-only"]),
        ),
        "certificate": sections(keyType=st.sampled_from(["ec-p256", "rsa-2048"]), reuseKey=st.booleans()),
        "load": sections(
            executor=st.sampled_from(Executor),
            duration=_durations,
            rampUp=st.one_of(_maybe(), _durations),
            rate=st.one_of(_maybe(), st.floats(0.001, 100_000)),
            timeUnit=st.sampled_from(["1s", "1m", "1h"]),
            iterations=st.one_of(_maybe(), st.integers(1, 10**9)),
            maxInFlight=st.one_of(_maybe(), st.integers(1, 20_000)),
            pacing=sections(interval=_durations, jitter=st.floats(0, 1), ofValidity=st.floats(0.05, 0.99)),
            stages=st.lists(st.fixed_dictionaries({"duration": _durations, "target": st.floats(0, 1e5)}), max_size=3),
        ),
        "connection": sections(hold=st.one_of(st.just("run"), _durations)),
        "telemetry": sections(size=st.integers(1, 262_144)),
        "execution": sections(runner=st.sampled_from(["auto", "activity", "job"]), batchSize=st.integers(1, 10_000)),
        "thresholds": st.lists(st.just({"metric": "iteration", "expr": "fail_rate<0.01"}), max_size=2),
        "autoStop": st.one_of(_maybe(), st.just({})),
    },
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents, seed=st.integers(0, 2**53 - 1), again=st.integers(0, 2**53 - 1))
def test_echo_posted_again_is_the_same_spec(targets: Targets, document: dict[str, Any], seed: int, again: int):
    """Whatever was chosen for a spec is in its echo, so another seed and another day change nothing."""
    try:
        spec = parse_spec(json.dumps(document).encode(), profiles=targets, max_devices=10**7, seed=seed, now=0)
    except SpecError:
        return
    echo = spec.echo()
    posted = parse_spec(json.dumps(echo).encode(), profiles=targets, max_devices=10**7, seed=again, now=10**9)
    assert posted == spec
    assert posted.echo() == echo
    assert canonical(posted) == canonical(spec)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents)
def test_spec_stored_whole_is_read_as_itself(targets: Targets, document: dict[str, Any]):
    """A spec dumped with its unused fields validates to an equal spec."""
    try:
        spec = parse_spec(json.dumps(document).encode(), profiles=targets, max_devices=10**7, seed=1, now=0)
    except SpecError:
        return
    assert RunSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec


def test_echo_shows_what_counts(parse: Parse):
    """Defaults are filled in, and what nobody uses is left out."""
    echo = parse({"scenario": "provision"}).echo()
    assert echo["randomSeed"] == 7
    assert echo["load"] == {
        "executor": "once", "iterations": None, "rampUp": "30s", "maxInFlight": 10, "gracefulStop": "30s"
    }  # fmt: skip
    assert echo["autoStop"] == {"errorPercentage": 90, "timeWindow": "1m"}
    assert parse({"scenario": "provision", "autoStop": None}).echo()["autoStop"] is None
    assert "telemetry" not in echo
    assert "weights" not in echo


def test_echo_shows_the_pacing_in_force(parse: Parse):
    """Pacing is by interval, or by validity and compression, never both."""
    by_interval = parse({"scenario": "cert-renewal"}).echo()["load"]["pacing"]
    assert by_interval == {"interval": "1m30s", "jitter": 0.1, "ofValidity": None}
    by_validity = parse({"scenario": "cert-renewal", "load": {"pacing": {"ofValidity": 0.5}}}).echo()["load"]["pacing"]
    assert by_validity == {"jitter": 0.1, "ofValidity": 0.5, "timeCompression": 1}


def test_echo_leaves_the_size_of_a_replica_to_jobs(parse: Parse):
    """An activity has no cpu to choose."""
    assert "cpu" not in parse({"scenario": "cert-renewal", "execution": {"runner": "activity"}}).echo()["execution"]


def test_canonical_is_the_same_however_it_was_written(parse: Parse):
    """Order, spelled-out defaults and other words for one duration make no difference; another value does."""
    plain = parse({"scenario": "cert-renewal", "load": {"duration": "5m"}})
    wordy = parse({"load": {"gracefulStop": "30000ms", "duration": "300s"}, "scenario": "cert-renewal"})
    assert canonical(plain) == canonical(wordy)
    assert canonical(plain) != canonical(parse({"scenario": "cert-renewal", "load": {"duration": "301s"}}))


def test_canonical_of_the_same_body_needs_the_same_choices(targets: Targets):
    """With the seed and the day of the stored spec, the same body asks for the same again."""
    body = b'{"scenario": "cert-renewal"}'
    stored = parse_spec(body, profiles=targets, max_devices=10, seed=5, now=0)
    assert canonical(parse_spec(body, profiles=targets, max_devices=10, seed=6, now=0)) != canonical(stored)
    assert canonical(parse_spec(body, profiles=targets, max_devices=10, seed=5, now=0)) == canonical(stored)


def test_judged_by_keeps_the_order_given(parse: Parse):
    """Thresholds are judged in the order in which they were written."""
    written = [{"metric": metric, "expr": "count>0"} for metric in ("iteration", "cert.issued", "dps.register")]
    spec = parse({"scenario": "cert-renewal", "thresholds": written})
    assert [str(threshold.metric) for threshold in spec.judged_by()] == ["iteration", "cert.issued", "dps.register"]
    assert parse({"scenario": "cert-renewal"}).judged_by() == ()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_sample_specs_are_valid(targets: Targets, path: Path):
    """Every spec that we show to others parses."""
    assert parse_spec(path.read_bytes(), profiles=targets, max_devices=100_000, seed=1, now=0)


def test_sample_specs_exist(targets: Targets):
    """There is a sample of every scenario that is built, and of every executor."""
    specs = [parse_spec(path.read_bytes(), profiles=targets, max_devices=1_000, seed=1, now=0) for path in SPECS]
    assert {spec.scenario for spec in specs} == set(Scenario)
    assert {spec.load.executor for spec in specs} == set(Executor)
