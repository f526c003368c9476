"""From the bytes of a request to a spec, or to everything that is wrong with them."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import Problem, RunRefused, SpecError, SpecTooLarge
from engine.plan.spec.parse import LIMIT_BYTES, parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Targets, parse_targets

type Parse = Callable[[dict[str, Any]], RunSpec]
type Problems = Callable[[dict[str, Any]], dict[str, str]]

DPS = {"host": "global.azure-devices-provisioning.net", "idScope": "0ne1", "secret": "key"}
STAGED = {"executor": "ramping-arrival-rate", "timeUnit": "1s"}


def test_parse_spec_needs_a_scenario_only(parse: Parse):
    """The smallest body is a run of ten devices against the embedded target, named after scenario and day."""
    spec = parse({"scenario": "cert-renewal"})
    assert (spec.devices.count, spec.load.duration_s, spec.target) == (10, 300, "local")
    assert (spec.name, spec.random_seed) == ("cert-renewal-1970-01-01", 7)
    assert spec.load.max_in_flight == 10
    assert (spec.auto_stop.error_percentage, spec.auto_stop.time_window_s) == (90, 60)
    assert parse({"scenario": "cert-renewal", "autoStop": None}).auto_stop is None


def test_parse_spec_names_every_scenario_when_there_is_none(targets: Targets):
    """Without a scenario the answer says which there are."""
    with pytest.raises(SpecError) as caught:
        parse_spec(b"{}", profiles=targets, max_devices=10, seed=0, now=0)
    (problem,) = caught.value.problems
    assert problem.path == "/scenario"
    assert problem.message == "needed, but not given"
    assert problem.allowed.startswith("cert-lifecycle | provision | cert-renewal")


def test_parse_spec_takes_the_servers_default_target(targets: Targets):
    """A spec that names no target gets the server's."""
    elsewhere = Targets(targets.by_name, default="staging")
    spec = parse_spec(b'{"scenario": "provision"}', profiles=elsewhere, max_devices=10, seed=0, now=0)
    assert spec.target == "staging"


def test_parse_spec_takes_null_for_what_it_chooses(parse: Parse):
    """Null asks for a seed, a ramp and in-flight places as if the field were left out."""
    load = {"rampUp": None, "maxInFlight": None, "iterations": None, "rate": None}
    assert parse({"scenario": "cert-renewal", "randomSeed": None, "load": load}) == parse({"scenario": "cert-renewal"})


def test_parse_spec_tells_everything_at_once(problems: Problems):
    """Fields by themselves, fields nobody uses and rules between fields are told together, by place."""
    found = problems({
        "scenario": "cert-renewal",
        "target": "nobody",
        "devices": {"cont": 1, "prefix": "A"},
        "load": {"executor": "constant-arrival-rate", "rampUp": "1s", "pacing": {"interval": 90}},
        "weights": {"get": 1},
        "retries": {"backoff": {"base": "10s", "max": "1s"}},
    })  # fmt: skip
    assert list(found) == sorted(found)
    assert found == {
        "/devices/cont": "unknown field, did you mean count",
        "/devices/prefix": 'expected a string, found "A"',
        "/load/pacing": "not used by constant-arrival-rate",
        "/load/rampUp": "not used by constant-arrival-rate",
        "/load/rate": "needed by constant-arrival-rate",
        "/retries/backoff/max": "below base",
        "/target": "no such target profile",
        "/weights": "not used by cert-renewal",
    }


def test_parse_spec_applies_rules_beside_wrong_fields(problems: Problems):
    """A wrong field does not hide that others do not go together."""
    found = problems({
        "scenario": "cert-renewal",
        "devices": {"count": "ten"},
        "load": {"executor": "constant-arrival-rate"},
        "retries": {"backoff": {"base": "10s", "max": "1s"}},
    })  # fmt: skip
    assert found == {
        "/devices/count": 'expected a whole number, found "ten"',
        "/load/rate": "needed by constant-arrival-rate",
        "/retries/backoff/max": "below base",
    }


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"scenario": "x", "weights": {}}, {"/scenario"}),
        ({"scenario": "x", "load": {"executor": "once", "rate": 1}}, {"/scenario", "/load/rate"}),
        ({"scenario": "provision", "load": {"executor": "x", "rate": 1}}, {"/load/executor"}),
        ({"scenario": "x", "load": {"rate": 1}}, {"/scenario"}),
        ({"scenario": "cert-renewal", "load": {"rampUp": "x", "duration": "1s"}}, {"/load/rampUp"}),
        ({"scenario": "cert-renewal", "load": {"rampUp": "10s", "duration": 1}}, {"/load/duration"}),
        ({"scenario": "cert-renewal", "load": 7}, {"/load"}),
        ({"scenario": "cert-renewal", "load": {"maxInFlight": 5}, "devices": 7}, {"/devices"}),
        ({"scenario": "cert-renewal", "target": 7}, {"/target"}),
        ({"scenario": "cert-renewal", "thresholds": [{"metric": "x", "expr": "count==0"}, 7]},
         {"/thresholds/0/metric", "/thresholds/1"}),
    ],
)  # fmt: skip
def test_parse_spec_concludes_nothing_from_what_is_wrong(problems: Problems, document: dict[str, Any], found: set[str]):
    """What would follow only from a wrong field is not told."""
    assert problems(document).keys() == found


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"scenario": "provision", "telemetry": {"size": 0, "x": 1}}, {"/telemetry": "not used by provision"}),
        ({"scenario": "provision", "load": {"duration": 5}}, {"/load/duration": "not used by once"}),
        ({"scenario": "provision", "load": {"stages": []}}, {"/load/stages": "not used by once"}),
        ({"scenario": "adr-patch", "target": "staging", "connection": {"hold": "1s"}},
         {"/connection": "not used by adr-patch"}),
        ({"scenario": "conformance", "connection": {"hold": "1s"}}, {"/connection/hold": "not used by conformance"}),
        ({"scenario": "conformance", "devices": {"count": 1}}, {"/devices/count": "not used by conformance"}),
        ({"scenario": "provision", "cases": ["001", "001"]}, {"/cases": "not used by provision"}),
        ({"scenario": "cert-throttle", "execution": {"batchSize": 1}},
         {"/execution/batchSize": "not used by rate-search"}),
        ({"scenario": "cert-renewal", "execution": {"runner": "activity", "cpu": 1}},
         {"/execution/cpu": "not used by the runner activity"}),
        ({"scenario": "cert-renewal", "load": {"pacing": {"timeCompression": 2}}},
         {"/load/pacing/timeCompression": "not used by pacing without ofValidity"}),
        ({"scenario": "cert-renewal", "load": {"pacing": {"ofValidity": 0.5, "interval": "1s"}}},
         {"/load/pacing/interval": "not used by pacing with ofValidity"}),
        ({"scenario": "http-probe", "target": "staging", "load": {"pacing": {"ofValidity": 0.5}}},
         {"/load/pacing/ofValidity": "not used by http-probe"}),
        ({"scenario": "cert-renewal", "certificate": {"path": "dps", "onPending": "replace"}},
         {"/certificate/onPending": "not used by the path dps"}),
    ],
)  # fmt: skip
def test_parse_spec_refuses_fields_nobody_uses(problems: Problems, document: dict[str, Any], found: dict[str, str]):
    """A field without meaning is told once, at its outermost place, however wrong it is inside."""
    assert problems(document) == found


def test_parse_spec_lets_null_stand_in_fields_nobody_uses(problems: Problems):
    """Null in a field that may be null says nothing, so it does no harm."""
    assert problems({"scenario": "provision", "load": {"rate": None, "iterations": None}}) == {}


def test_parse_spec_fills_in_conformance_cases(parse: Parse):
    """There is one device per case: all of them, or those chosen."""
    assert parse({"scenario": "conformance"}).devices.count == 26
    assert parse({"scenario": "conformance", "cases": ["001", "026"]}).devices.count == 2


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"\xff", ""),
        (b"[" * LIMIT_BYTES, ""),
        (b'{"scenario": "a", "scenario": "b"}', "/scenario"),
    ],
)
def test_parse_spec_refuses_what_is_no_document(targets: Targets, body: bytes, path: str):
    """A body that is no JSON object is refused as a whole."""
    with pytest.raises(SpecError) as caught:
        parse_spec(body, profiles=targets, max_devices=10, seed=0, now=0)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_parse_spec_refuses_a_large_body(targets: Targets):
    """64 KB are taken, a byte more is not."""
    body = b'{"scenario": "provision"}'
    assert parse_spec(body.ljust(LIMIT_BYTES), profiles=targets, max_devices=10, seed=0, now=0)
    with pytest.raises(SpecTooLarge):
        parse_spec(body.ljust(LIMIT_BYTES + 1), profiles=targets, max_devices=10, seed=0, now=0)


def test_parse_spec_lists_the_profiles_there_are(targets: Targets):
    """An unknown target is answered with the known ones."""
    with pytest.raises(SpecError) as caught:
        parse_spec(b'{"scenario": "provision", "target": "x"}', profiles=targets, max_devices=10, seed=0, now=0)
    allowed = " | ".join(targets.by_name)
    assert caught.value.problems == (Problem("/target", "no such target profile", allowed),)


@pytest.mark.parametrize(
    ("document", "facts"),
    [
        ({"devices": {"count": 101}}, ("MAX_DEVICES", "100", "101", "devices")),
        ({"devices": {"count": 51}}, ("small.ceilings.devices", "50", "51", "devices")),
        ({"devices": {"count": 20}, "load": {"rampUp": "1s"}}, ("small.ceilings.ratePerSecond", "10", "20", "1/s")),
        ({"load": {"executor": "constant-arrival-rate", "rate": 601, "timeUnit": "1m"}},
         ("small.ceilings.ratePerSecond", "10", "10.0167", "1/s")),
        ({"load": {**STAGED, "stages": [{"duration": "1m", "target": 11}, {"duration": "1m", "target": 1}]}},
         ("small.ceilings.ratePerSecond", "10", "11", "1/s")),
        ({"load": {**STAGED, "startRate": 11, "stages": [{"duration": "1m", "target": 1}]}},
         ("small.ceilings.ratePerSecond", "10", "11", "1/s")),
        ({"load": {"executor": "per-device-pacing", "pacing": {"interval": "900ms"}, "rampUp": "1m"}},
         ("small.ceilings.ratePerSecond", "10", "11.1111", "1/s")),
        ({"load": {"executor": "per-device-pacing", "rampUp": "500ms"}, "devices": {"count": 11}},
         ("small.ceilings.ratePerSecond", "10", "11", "1/s")),
        ({"load": {"executor": "per-device-pacing", "pacing": {"ofValidity": 0.1, "timeCompression": 10_000}}},
         ("small.ceilings.ratePerSecond", "10", "11.5741", "1/s")),
        ({"load": {"executor": "max-rate"}}, ("small.ceilings.ratePerSecond", "10", "unbounded", "1/s")),
        ({"load": {"rampUp": "61m"}}, ("small.ceilings.duration", "1h", "1h1m", "")),
        ({"load": {"executor": "constant-arrival-rate", "rate": 1, "duration": "61m"}},
         ("small.ceilings.duration", "1h", "1h1m", "")),
        ({"load": {**STAGED, "stages": [{"duration": "30m", "target": 1}, {"duration": "31m", "target": 1}]}},
         ("small.ceilings.duration", "1h", "1h1m", "")),
    ],
)  # fmt: skip
def test_parse_spec_names_the_ceiling_in_the_way(targets: Targets, document: dict[str, Any], facts: tuple[str, ...]):
    """A valid spec over what this server or its target allows is refused with limit, value, need and unit."""
    body = json.dumps({"scenario": "provision", "target": "small", **document}).encode()
    with pytest.raises(RunRefused) as caught:
        parse_spec(body, profiles=targets, max_devices=100, seed=0, now=0)
    refused = caught.value
    assert refused.reason == "over-quota"
    assert (refused.limit, refused.value, refused.need, refused.unit) == facts
    assert facts[0] in str(refused)
    setting, profile = "a setting of this server", "target profile small"
    assert refused.source == (setting if facts[0] == "MAX_DEVICES" else profile)


def test_parse_spec_takes_a_load_of_unknown_length_under_a_ceiling(targets: Targets):
    """There is nothing to compare yet: the estimate compares, and the run ends at the ceiling."""
    profile = {"dps": [DPS], "hubs": ["a.azure-devices.net"], "ceilings": {"duration": "1m"}}
    allowed = ("*.azure-devices.net", "global.azure-devices-provisioning.net")
    short = parse_targets(json.dumps({"short": profile}), allowed_hosts=allowed)
    body = b'{"scenario": "cert-throttle", "target": "short", "devices": {"count": 5}}'
    assert parse_spec(body, profiles=short, max_devices=100, seed=0, now=0)


def test_parse_spec_takes_what_is_just_under_the_ceilings(targets: Targets):
    """What equals a ceiling is under it."""
    document = {"scenario": "provision", "target": "small", "devices": {"count": 50}, "load": {"rampUp": "1h"}}
    assert parse_spec(json.dumps(document).encode(), profiles=targets, max_devices=50, seed=0, now=0)


SAS_KEY = base64.b64encode(bytes(range(64))).decode()
CONNECTION = f"HostName=contoso.azure-devices.net;SharedAccessKeyName=owner;SharedAccessKey={SAS_KEY}"


@pytest.mark.parametrize("secret", [SAS_KEY, CONNECTION, "-----BEGIN PRIVATE KEY-----\nMIGH"])
@pytest.mark.parametrize(
    ("place", "path"),
    [
        (lambda secret: {"sasKey": secret}, "/sasKey"),
        (lambda secret: {"connectionString": secret}, "/connectionString"),
        (lambda secret: {"devices": {"groupKey": {"primary": secret}}}, "/devices/groupKey"),
        (lambda secret: {"name": secret}, "/name"),
        (lambda secret: {"description": f"as agreed: {secret}"}, "/description"),
        (lambda secret: {"labels": {"key": secret}}, "/labels"),
        (lambda secret: {"target": secret}, "/target"),
        (lambda secret: {"target": {"secret": secret}}, "/target"),
        (lambda secret: {"randomSeed": secret}, "/randomSeed"),
        (lambda secret: {"devices": {"prefix": secret}}, "/devices/prefix"),
        (lambda secret: {"devices": {"count": secret}}, "/devices/count"),
        (lambda secret: {"baseline": secret}, "/baseline"),
        (lambda secret: {"load": {"duration": secret}}, "/load/duration"),
        (lambda secret: {"thresholds": [{"metric": secret, "expr": secret}]}, "/thresholds/0/"),
    ],
)
def test_secret_in_a_spec_is_refused_and_not_repeated(
    targets: Targets, place: Callable[[str], dict[str, Any]], path: str, secret: str
):
    """Wherever somebody puts it, known field or not: the answer names the place only."""
    body = json.dumps({"scenario": "cert-renewal", **place(secret)}).encode()
    with pytest.raises(SpecError) as caught:
        parse_spec(body, profiles=targets, max_devices=10, seed=0, now=0)
    assert any(problem.path.startswith(path) for problem in caught.value.problems)
    told = repr((str(caught.value), caught.value.problems))
    assert not any(part in told for part in (secret, secret[:40], SAS_KEY[:20], json.dumps(secret)[1:30]))
