"""The JSON schema of a spec: it lets through whatever is accepted, and says of each field what it may hold."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import SpecError
from engine.plan.field import parse_duration
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor, Scenario
from engine.plan.spec.schema import spec_schema
from unit.plan.spec.fields import LEAVES, Json, home_of, is_under, smallest, with_value, without

type Parse = Callable[[Mapping[str, Any]], RunSpec]
type Problems = Callable[[Mapping[str, Any]], dict[str, str]]

SPECS = sorted((Path(__file__).parents[3] / "data" / "specs").glob("*.json"))
VALIDATOR = jsonschema.Draft202012Validator(spec_schema())
IN_MEMORY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def from_pattern(pattern: str) -> st.SearchStrategy[str]:
    """Texts of a pattern; those of any characters are short, and hold none that UTF-8 cannot."""
    if "\\ud800" in pattern:
        return st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
    return st.from_regex(pattern, fullmatch=True)


def values(schema: Json) -> st.SearchStrategy[Any]:
    """Values that a field's schema allows, and some that it does not."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([*(_of_kind(kind, schema) for kind in kinds), st.sampled_from([None, True, 0, "", "1s", [], {}])])


def _of_kind(kind: str, schema: Json) -> st.SearchStrategy[Any]:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            return st.floats(low, schema["maximum"], exclude_min="exclusiveMinimum" in schema)
        case "string" if "enum" in schema:
            return st.sampled_from(schema["enum"])
        case "string" if "x-bounds" in schema:
            low, high = (parse_duration(bound) or 0 for bound in schema["x-bounds"])
            return st.integers(round(low * 1000), round(high * 1000)).map(lambda ms: f"{ms}ms")
        case "string" if "examples" in schema:
            return st.sampled_from(schema["examples"])
        case "string":
            return from_pattern(schema["pattern"])
        case "array":
            return st.lists(objects(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
        case _:
            return objects(schema)


def objects(schema: Json) -> st.SearchStrategy[Any]:
    """Objects with some of the fields that their schema names."""
    if "properties" not in schema:
        return st.just({"team": "iot"}) if schema["type"] == "object" else values(schema)
    needed = schema.get("required", [])
    fields = {name: values(inner) for name, inner in schema["properties"].items()}
    inner = {name: fields.pop(name) for name in needed}
    return st.fixed_dictionaries(inner, optional=fields)


@st.composite
def specs(draw: st.DrawFn) -> Json:
    """The smallest spec of a scenario and an executor, and a few fields more, of which some may be wrong."""
    document = smallest(draw(st.sampled_from(Scenario)), draw(st.sampled_from(Executor)))
    for path in draw(st.lists(st.sampled_from(sorted(LEAVES)), max_size=4, unique=True)):
        document = with_value(document, path, draw(values(LEAVES[path])))
    return document


def test_spec_schema_is_a_schema() -> None:
    """It is valid by its own dialect, and JSON."""
    jsonschema.Draft202012Validator.check_schema(spec_schema())
    assert json.loads(json.dumps(spec_schema())) == spec_schema()


def test_spec_schema_describes_every_field() -> None:
    """Every field, at any depth, has a title and one line that ends like a sentence."""

    def described(schema: Json) -> Iterator[Json]:
        for inner in schema.get("properties", {}).values():
            yield inner
            yield from described(inner)
            yield from described(inner.get("items", {}))

    found = list(described(spec_schema()))
    assert len(found) > 80
    for schema in found:
        assert schema["title"]
        assert schema["description"].endswith("."), schema
        assert "\n" not in schema["description"]
        assert not re.search("[a-z]_[a-z]", schema["description"]), "a name of the code's"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_samples_are_valid_and_so_are_their_echoes(parse: Parse, path: Path) -> None:
    """Every spec that the tests keep, as it was written and as it is shown."""
    document = json.loads(path.read_text())
    VALIDATOR.validate(document)
    VALIDATOR.validate(parse(document).echo())


@IN_MEMORY
@given(document=specs())
def test_whatever_is_accepted_is_valid(parse: Parse, document: Json) -> None:
    """No spec that can be run is refused by the schema, nor is what the server makes of it."""
    try:
        spec = parse(document)
    except SpecError:
        return
    VALIDATOR.validate(document)
    VALIDATOR.validate(spec.echo())


@IN_MEMORY
@given(path=st.sampled_from(sorted(LEAVES)), data=st.data())
def test_field_that_is_not_valid_is_refused(problems: Problems, path: str, data: st.DataObject) -> None:
    """Of a single field with a value that the schema refuses, the field or one within it is what is wrong."""
    value = data.draw(values(LEAVES[path]))
    document = with_value(home_of(path), path, value)
    if VALIDATOR.is_valid(document):
        return
    assert any(is_under(wrong, [path]) for wrong in problems(document)), document


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_field_is_refused_beyond_its_bounds(problems: Problems, path: str) -> None:
    """The schema's bounds are the ones that count: the next number or duration outside is refused, by the schema also
    where it can."""
    schema = LEAVES[path]
    beyond: list[Any] = []
    if "maximum" in schema:
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        beyond = [schema["maximum"] + 1, low - 1, *([low] if "exclusiveMinimum" in schema else [])]
    if "x-bounds" in schema:
        low_ms, high_ms = (round(1000 * (parse_duration(bound) or 0)) for bound in schema["x-bounds"])
        beyond = [f"{high_ms + 1}ms", *([f"{low_ms - 1}ms"] if low_ms else [])]
    for value in beyond:
        document = with_value(home_of(path), path, value)
        assert path in problems(document), value
        assert "x-bounds" in schema or not VALIDATOR.is_valid(document), value


def test_unknown_fields_are_not_valid() -> None:
    """Neither at the top nor in a section, nor in an entry of a list."""
    for extra in ({"colour": 1}, {"devices": {"colour": 1}}, {"thresholds": [{"metric": "iteration", "colour": 1}]}):
        assert not VALIDATOR.is_valid({"scenario": "cert-renewal", **extra})


def test_only_what_nobody_fills_in_is_required(problems: Problems) -> None:
    """A scenario for the whole, and what an entry of a list must say for itself."""
    schema = spec_schema()
    assert schema["required"] == ["scenario"] == [path.removeprefix("/") for path in problems({})]
    properties = schema["properties"]
    assert properties["thresholds"]["items"]["required"] == ["metric", "expr"]
    assert properties["load"]["properties"]["stages"]["items"]["required"] == ["duration", "target"]
    assert not [name for name, inner in properties.items() if "required" in inner]


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_null_is_allowed_where_the_schema_says_so(problems: Problems, path: str) -> None:
    """And only there: null in a field is as good as leaving it out, or it is refused."""
    home = with_value(home_of(path), path, None)
    left_out = problems(without(home, path))
    assert (problems(home) == left_out) is ("null" in LEAVES[path]["type"])


def test_null_section_is_allowed_where_the_schema_says_so(problems: Problems) -> None:
    """Only the run's own brakes can be taken away whole."""
    for name, schema in spec_schema()["properties"].items():
        if "properties" in schema:
            found = problems({"scenario": "cert-renewal", name: None})
            assert (not found) is ("null" in schema["type"]) is (name == "autoStop")
