"""Every bound of every field: the last value taken, and the first refused."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.plan.spec.runspec import RunSpec

type Parse = Callable[[dict[str, Any]], RunSpec]
type Problems = Callable[[dict[str, Any]], dict[str, str]]

RENEWAL = {"scenario": "cert-renewal"}
LIFECYCLE = {"scenario": "cert-lifecycle"}
CONSTANT = {"scenario": "cert-renewal", "load": {"executor": "constant-arrival-rate", "rate": 1}}
RAMPING = {
    "scenario": "cert-renewal",
    "load": {"executor": "ramping-arrival-rate", "stages": [{"duration": "1m", "target": 1}]},
}
SEARCH = {"scenario": "cert-throttle"}
REGISTRY = {"scenario": "adr-get-patch", "target": "staging"}
CASES = {"scenario": "conformance"}
JOB = {"scenario": "cert-renewal", "execution": {"runner": "job"}}
LATENCY = {"metric": "hub.connect", "expr": "p(95)<=250"}

BOUNDS: list[tuple[dict[str, Any], str, list[Any], list[Any]]] = [
    (RENEWAL, "/specVersion", [1], [0, 2, "1", None]),
    (RENEWAL, "/name", ["a", "a" * 63, "0-9"], ["", "a" * 64, "A", "a b", 1]),
    (RENEWAL, "/description", ["", "ü\n" * 500], ["a" * 1001, "\ud800", 1]),
    (RENEWAL, "/labels", [{}, {"a.b-1": "x" * 128}], [{"A": ""}, {"a": "x" * 129}, {"a": 1}, [], {"": ""},
                                                   {str(n): "" for n in range(21)}, {"a": "\udfff"}]),
    (RENEWAL, "/scenario", ["cert-renewal"], ["", "Cert-Renewal", None, 1, ["cert-renewal"]]),
    (RENEWAL, "/target", ["local", "staging"], ["", "nobody", 1, "x" * 129]),
    (RENEWAL, "/randomSeed", [0, 2**53 - 1, None], [-1, 2**53, 1.5, "1", True]),
    (RENEWAL, "/devices/count", [1, 10], [0, 10_000_001, True, "10", 1.0, None]),
    (RENEWAL, "/devices/prefix", ["a", "a" * 100, "a.b_c:d-"], ["", "a" * 101, "A", "a/b", "a b", None]),
    (RENEWAL, "/devices/startIndex", [0, 10**12, None], [-1, 10**12 + 1, "0"]),
    (RENEWAL, "/devices/source", ["create", "reuse-or-create", "stored-only"], ["reuse", None]),
    (RENEWAL, "/devices/onInvalid", ["reprovision", "skip", "fail"], ["retry"]),
    (RENEWAL, "/certificate/keyType", ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072"], ["rsa-1024", "EC-P256"]),
    (RENEWAL, "/certificate/reuseKey", [True, False], [1, "true", None]),
    (RENEWAL, "/certificate/path", ["hub", "dps"], ["adr"]),
    (RENEWAL, "/certificate/onPending", ["wait", "ask", "replace", "replace-any"], ["no"]),
    (RENEWAL, "/certificate/verify", ["none", "chain", "reconnect"], [None]),
    (RENEWAL, "/load/executor", ["per-device-pacing", "max-rate"], ["constant-vus", None, 1]),
    (RENEWAL, "/load/duration", ["1s", "7d"], ["999ms", "7d1ms", 300, "300", None]),
    (RENEWAL, "/load/iterations", [1, 10**9, None], [0, 10**9 + 1, 1.0]),
    (RENEWAL, "/load/rampUp", ["0s", "300s", None], ["301s", -1, "8d"]),
    ({"scenario": "provision"}, "/load/rampUp", ["0s", "7d"], ["169h"]),
    (RENEWAL, "/load/pacing/interval", ["100ms", "24h"], ["99ms", "24h1s", 90]),
    (RENEWAL, "/load/pacing/jitter", [0, 0.5, 1], [-0.1, 1.1, "0", None]),
    (RENEWAL, "/load/pacing/ofValidity", [0.05, 0.99, None], [0.04, 1]),
    (RENEWAL, "/load/pacing", [{"ofValidity": 0.5, "timeCompression": 100_000}],
     [{"ofValidity": 0.5, "timeCompression": 0.5}, {"ofValidity": 0.5, "timeCompression": 100_001}, None, []]),
    (CONSTANT, "/load/rate", [0.001, 100_000], [0, -1, 100_001, "1"]),
    (CONSTANT, "/load/timeUnit", ["1s", "1m", "1h"], ["60s", "1d", 1]),
    (RAMPING, "/load/startRate", [0, 100_000], [-1, 100_001]),
    (RAMPING, "/load/stages/0/target", [0.5, 100_000], [-1, 100_001, None]),
    (RAMPING, "/load/stages/0/duration", ["1ms", "7d"], ["8d", 1, None]),
    (RAMPING, "/load/stages", [[{"duration": "1s", "target": 1}] * 50], [[{"duration": "1s", "target": 1}] * 51, {}]),
    (SEARCH, "/load/search/start", [1, 100_000], [0, 100_001]),
    (SEARCH, "/load/search/step", [1.05, 10], [1.04, 11]),
    (SEARCH, "/load/search/hold", ["10s", "1h"], ["9s", "61m"]),
    (SEARCH, "/load/search/stopWhen", [{"metric": "cert.issued", "expr": "fail_rate>0.1"}], [{"metric": 1}, 1]),
    (RENEWAL, "/load/maxInFlight", [1, 10, None], [0, 11, "1"]),
    (RENEWAL, "/load/gracefulStop", ["0s", "10m"], ["601s"]),
    (RENEWAL, "/connection/transport", ["mqtt", "mqtt-ws"], ["amqp"]),
    (RENEWAL, "/connection/keepAlive", ["10s", "1177s"], ["9s", "1178s"]),
    (RENEWAL, "/connection/cleanSession", [True, False], [0]),
    (RENEWAL, "/connection/hold", ["0s", "24h"], ["25h", "Run", None]),
    ({"scenario": "telemetry"}, "/connection/hold", ["0s", "run"], ["25h"]),
    (LIFECYCLE, "/telemetry/size", [1, 262_144], [0, 262_145]),
    (LIFECYCLE, "/telemetry/messages", [1, 1_000], [0, 1_001]),
    (LIFECYCLE, "/telemetry/interval", ["0s", "1h"], ["2h"]),
    (REGISTRY, "/weights/get", [0, 100], [-1, 101]),
    (REGISTRY, "/weights/patch", [0, 100], [101, 1.0]),
    (CASES, "/cases", [[], ["001", "025b"]], [["013"], ["025"], [1], "001", ["001"] * 27]),
    (RENEWAL, "/timeouts/register", ["1s", "12h"], ["999ms", "12h1s"]),
    (RENEWAL, "/timeouts/connect", ["1s", "12h"], ["0s"]),
    (RENEWAL, "/timeouts/certificate", ["1s", "12h"], [300]),
    (RENEWAL, "/timeouts/publish", ["1s", "12h"], [""]),
    (REGISTRY, "/timeouts/http", ["1s", "12h"], ["13h"]),
    (RENEWAL, "/retries/register", [1, 20], [0, 21]),
    (RENEWAL, "/retries/connect", [1, 20], [0]),
    (RENEWAL, "/retries/renew", [1, 20], [21]),
    (RENEWAL, "/retries/batch", [1, 20], [None]),
    (RENEWAL, "/retries/backoff/base", ["1ms", "60s"], ["0s", "2h"]),
    (RENEWAL, "/retries/backoff/max", ["2s", "1h"], ["61m", "0s"]),
    (RENEWAL, "/retries/backoff/jitter", [0, 1], [2]),
    (RENEWAL, "/retries/honorRetryAfter", [True, False], ["no"]),
    (RENEWAL, "/execution/runner", ["auto", "activity", "job"], ["function"]),
    (RENEWAL, "/execution/batchSize", [1, 10_000], [0, 10_001]),
    (RENEWAL, "/execution/maxParallelBatches", [1, 1_000], [0, 1_001]),
    (JOB, "/execution/cpu", [0.25, 4], [0.2, 4.1]),
    (RENEWAL, "/execution/startBarrier", [True, False], [None]),
    (RENEWAL, "/thresholds", [[], [LATENCY] * 50], [[LATENCY] * 51, {}, [1]]),
    (RENEWAL, "/thresholds", [[{**LATENCY, "window": "10s", "delay": "1h", "abortOnFail": True}],
                              [{**LATENCY, "window": None}]],
     [[{**LATENCY, "window": "9s"}], [{**LATENCY, "window": "2h"}], [{**LATENCY, "delay": "2h"}],
      [{**LATENCY, "abortOnFail": 1}], [{"metric": "hub.connect"}], [{"expr": "count==0"}], [{**LATENCY, "name": ""}]]),
    (RENEWAL, "/baseline", [None, "run-1", "name:nightly"], ["", "name:", "A", 1]),
    (RENEWAL, "/autoStop", [None, {}, {"errorPercentage": 1, "timeWindow": "10s"},
                            {"errorPercentage": 100, "timeWindow": "10m"}],
     [{"errorPercentage": 0}, {"errorPercentage": 101}, {"timeWindow": "9s"}, {"timeWindow": "11m"}, False]),
    (RENEWAL, "/limits/maxDuration", ["1s", "30d"], ["0s", "31d"]),
    (RENEWAL, "/limits/maxCostUsd", [None, 0.01, 1_000_000], [0, -1, 1_000_001]),
    (RENEWAL, "/results/percentiles", [[50], [99.9, 100], [1] * 10], [[], [0], [100.1], [1] * 11, ["50"], 50]),
    (RENEWAL, "/results/interval", ["5s", "5m"], ["4s", "6m"]),
    (RENEWAL, "/results/failureSamples", [0, 20], [-1, 21]),
    (RENEWAL, "/cleanup", ["keep", "delete", "delete-on-pass"], ["no", None]),
]  # fmt: skip


def put(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of the document with value at a pointer."""
    name, _, rest = path[1:].partition("/")
    if not rest:
        return {**document, name: value}
    if rest[0].isdigit():
        index, _, inner = rest.partition("/")
        entries = list(document[name])
        entries[int(index)] = put(entries[int(index)], f"/{inner}", value)
        return {**document, name: entries}
    return {**document, name: put(document.get(name, {}), f"/{rest}", value)}


@pytest.mark.parametrize(
    ("document", "path", "value"),
    [(document, path, value) for document, path, taken, _ in BOUNDS for value in taken],
)
def test_section_takes_its_bounds(problems: Problems, document: dict[str, Any], path: str, value: object):
    """The outermost values of every field are taken."""
    assert problems(put(document, path, value)) == {}


@pytest.mark.parametrize(
    ("document", "path", "value"),
    [(document, path, value) for document, path, _, refused in BOUNDS for value in refused],
)
def test_section_refuses_what_is_beyond(problems: Problems, document: dict[str, Any], path: str, value: object):
    """One step further, or another type, is one problem or more, all of them at or below the field."""
    found = problems(put(document, path, value))
    assert found
    assert all(place == path or place.startswith(f"{path}/") for place in found)


def test_section_messages_say_what_was_found_and_what_is_allowed(problems: Problems):
    """A message is one plain line in lower case without a full stop."""
    found = problems({
        "scenario": "cert-renewal",
        "devices": {"count": True, "prefix": "A"},
        "load": {"duration": 300},
        "thresholds": [{"metric": "hub.conect", "expr": "p(95)"}],
    })  # fmt: skip
    assert found["/devices/count"] == "expected a whole number, found true"
    assert found["/devices/prefix"] == 'expected a string, found "A"'
    assert found["/load/duration"] == 'expected a duration such as "500ms", "90s" or "1h30m", found 300'
    assert found["/thresholds/0/metric"] == "'hub.conect' is no operation"
    assert found["/thresholds/0/expr"] == "'p(95)' is no expression"


@pytest.mark.parametrize(("rate", "unit", "per_s"), [(120, "1m", 2.0), (3, "1s", 3.0), (36, "1h", 0.01)])
def test_load_rate_is_per_time_unit(parse: Parse, rate: float, unit: str, per_s: float):
    """A rate counts starts in its time unit."""
    load = {"executor": "constant-arrival-rate", "rate": rate, "timeUnit": unit}
    assert parse({"scenario": "cert-renewal", "load": load}).load.rate_per_s == per_s


def test_load_without_a_rate_has_none(parse: Parse):
    """Executors that do not use the rate offer none."""
    assert parse(RENEWAL).load.rate_per_s == 0


def test_threshold_is_parsed_as_it_is_judged(parse: Parse):
    """A threshold in a spec is the one that the verdict judges by."""
    written = {"metric": "cert.issued", "expr": "fail_rate<0.01", "window": "60s", "delay": "30s", "abortOnFail": True}
    (threshold,) = parse({**RENEWAL, "thresholds": [written]}).judged_by()
    assert str(threshold) == "cert.issued fail_rate<0.01"
    assert (threshold.window_s, threshold.delay_s, threshold.abort_on_fail) == (60, 30, True)


def test_threshold_text_has_a_length(problems: Problems):
    """A threshold longer than a line is refused before anybody parses it."""
    found = problems({**RENEWAL, "thresholds": [{"metric": "x" * 201, "expr": "count==0"}]})
    assert found.keys() == {"/thresholds/0/metric"}
    assert found["/thresholds/0/metric"].startswith("expected a string, found ")
