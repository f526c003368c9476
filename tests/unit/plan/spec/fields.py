"""The fields of a spec, as its schema names them, and documents that give some of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.plan.document import take
from engine.plan.spec.scenario import Executor, Scenario
from engine.plan.spec.schema import spec_schema

type Json = dict[str, Any]

GOOD: Mapping[str, Any] = {
    "/name": "a",
    "/target": "staging",
    "/labels": {"team": "iot"},
    "/cases": ["001"],
    "/thresholds": [{"metric": "iteration", "expr": "count>0"}],
    "/baseline": "name:a",
    "/load/stages": [{"duration": "1m", "target": 5}],
    "/load/search/stopWhen/metric": "cert.issued:throttled",
    "/load/search/stopWhen/expr": "share>0.1",
    "/load/rampUp": "2s",
    "/results/percentiles": [50],
    "/retries/backoff/max": "1h",
    "/connection/hold": "1s",
    "/certificate/verify": "chain",
    "/devices/source": "create",
}
"""A legal value of each field whose schema alone does not give one that every rule likes."""

NEEDED: Mapping[Executor, Json] = {
    Executor.CONSTANT_ARRIVAL_RATE: {"rate": 1},
    Executor.RAMPING_ARRIVAL_RATE: {"stages": [{"duration": "1m", "target": 1}]},
}


def leaves(schema: Json, at: str = "") -> Iterator[tuple[str, Json]]:
    """Every field that holds no others, by JSON pointer, with its schema."""
    for name, inner in schema["properties"].items():
        if "properties" in inner:
            yield from leaves(inner, f"{at}/{name}")
        else:
            yield f"{at}/{name}", inner


LEAVES = dict(leaves(spec_schema()))


def with_value(document: Json, path: str, value: Any) -> Json:
    """The document with a value at a JSON pointer of plain names."""
    name, _, rest = path.removeprefix("/").partition("/")
    return {**document, name: with_value(document.get(name, {}), f"/{rest}", value) if rest else value}


def good_value(path: str) -> Any:
    """A legal value of a field that is not null."""
    schema = LEAVES[path]
    if path in GOOD:
        return GOOD[path]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("default") is not None:
        return schema["default"]
    return schema.get("minimum", 1)


def smallest(scenario: Scenario, executor: Executor | None = None) -> Json:
    """As little as a spec of these can say."""
    if executor is None:
        return {"scenario": scenario.value}
    return {"scenario": scenario.value, "load": {"executor": executor.value, **NEEDED.get(executor, {})}}


def is_under(path: str, outer: list[str]) -> bool:
    """Whether the pointer lies at or below one of the others."""
    return any(path == one or path.startswith(f"{one}/") for one in outer)


def unused_by(document: Json, scenario: Scenario, executor: Executor) -> list[str]:
    """What the schema's extensions say a document of these does not use."""
    schema = spec_schema()
    found = [*schema["x-scenarios"][scenario]["unused"], *schema["x-executors"][executor]["unused"]]
    for rule in schema["x-unusedWhen"]:
        value = take(document, rule["field"])
        held = LEAVES[rule["field"]]["default"] if value is None else value
        if held == rule["is"] if "is" in rule else held != rule["isNot"]:
            found += rule["unused"]
    return found


def home_of(path: str) -> Json:
    """A small spec that uses the field, and does not give it unless it needs it."""
    of_validity = {"load": {"pacing": {"ofValidity": 0.5}}} if path == "/load/pacing/timeCompression" else {}
    pairs = [(scenario, executor) for scenario in Scenario for executor in Executor]
    users = (pair for pair in pairs if not is_under(path, unused_by(of_validity, *pair)))
    document = smallest(*next(users))
    return with_value(document, "/load/pacing/ofValidity", 0.5) if of_validity else document


def without(document: Json, path: str) -> Json:
    """The document less what lies at a JSON pointer of plain names."""
    name, _, rest = path.removeprefix("/").partition("/")
    if rest:
        return {**document, name: without(document[name], f"/{rest}")}
    return {key: value for key, value in document.items() if key != name}


def has(document: Json, path: str) -> bool:
    """Whether anything lies at a JSON pointer of plain names, be it null."""
    section, _, name = path.rpartition("/")
    held = take(document, section) if section else document
    return isinstance(held, dict) and name in held
