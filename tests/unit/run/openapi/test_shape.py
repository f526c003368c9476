"""The words of the OpenAPI document."""

import jsonschema
import pytest

from engine.measure.operation import Phase
from engine.run.openapi import shape


def allows(schema: shape.Json, value: object) -> bool:
    """Whether a value is valid."""
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (shape.COUNT, 1, -1),
        (shape.told(shape.TEXT, "A text."), "a", 1),
        (shape.word(Phase), "ramp", "break"),
        (shape.list_of(shape.TEXT), ["a"], "a"),
        (shape.by_name(shape.COUNT), {"a": 1}, {"a": "1"}),
        (shape.record({"a": shape.TEXT}, optional={"b": shape.COUNT}), {"a": "1"}, {"b": 1}),
        ({"$ref": "#/$defs/a", "$defs": {"a": shape.FLAG}}, True, 1),
    ],
)
def test_or_null_allows_null_besides(schema: shape.Json, good: object, bad: object) -> None:
    """Whatever kind of schema it is put around: what was allowed stays so, and what was not does, too."""
    assert allows(schema, good)
    assert not allows(schema, None)
    definitions = {name: schema[name] for name in ("$defs",) if name in schema}
    wider = {**shape.or_null(schema), **definitions}
    assert allows(wider, good)
    assert allows(wider, None)
    assert not allows(wider, bad)


def test_record_has_its_description_if_there_is_one() -> None:
    """And an answer its headers; an empty word says nothing."""
    assert "description" not in shape.record({})
    assert shape.record({}, description="A thing.")["description"] == "A thing."
    assert shape.says_nothing("Gone.") == {"description": "Gone."}
    assert set(shape.says("A.", shape.TEXT, headers=["Location"], example="a")["headers"]) == {"Location"}
