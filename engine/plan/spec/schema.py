"""The JSON schema of a run spec, as `POST /api/runs` takes it: generated from the models that judge it.

Whatever `parse_spec` accepts is valid by the schema. The reverse does not hold: rules between fields, the server's
ceilings and what a threshold may say are for `parse_spec` to judge, and for a dry run to tell.
Source: JSON Schema 2020-12, the dialect of OpenAPI 3.1 (section "Schema Object").
"""

import re
import types
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final, Union, assert_never, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.plan.document import Json
from engine.plan.field import DURATION_PATTERN, RUN, Choice, Duration, Flag, Number, Text, Whole, Words, format_duration
from engine.plan.spec.judgement import LONGEST_PHRASE, Phrase
from engine.plan.spec.parse import CHOSEN_WHEN_NULL, FILLED_IN
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.uses import of_executors, of_scenarios, of_values

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

type Rule = Whole | Number | Duration | Text | Choice[StrEnum] | Flag | Words | Phrase

_RULES: Final = (Whole, Number, Duration, Text, Choice, Flag, Words, Phrase)
_WRITTEN_LARGE: Final = frozenset({"cpu", "http", "usd"})


@cache
def spec_schema() -> Json:
    """The JSON schema of a `RunSpec` document; it is shared, and not to be changed.

    Extensions for a form: `x-scenarios` and `x-executors` hold what each word takes for granted (by JSON pointer) and
    which fields it does not use, at any depth below the pointers given; `x-unusedWhen` which fields do not go with a
    value of another. A duration carries its bounds as `x-bounds`.
    """
    return {
        "$schema": DIALECT,
        "title": "Run spec",
        **_section(RunSpec, ""),
        "examples": [{"scenario": "cert-renewal"}],
        "x-scenarios": of_scenarios(),
        "x-executors": of_executors(),
        "x-unusedWhen": of_values(),
    }


def _section(model: type[BaseModel], at: str) -> Json:
    """The schema of an object; at is its JSON pointer, with "*" for a place in a list."""
    defaults = model.model_construct().model_dump(mode="json", by_alias=True)
    required = [alias for alias, field in _fields(model) if field.is_required() and f"{at}/{alias}" not in FILLED_IN]
    return {
        "description": _first_line(model.__doc__ or ""),
        "type": "object",
        "properties": {alias: _property(field, f"{at}/{alias}", defaults) for alias, field in _fields(model)},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _property(field: FieldInfo, at: str, defaults: Mapping[str, Any]) -> Json:
    name = at.rpartition("/")[2]
    found = {"title": _title(name), **_value(field.annotation, field.metadata, at)}
    is_chosen = at in CHOSEN_WHEN_NULL
    if is_chosen:
        found["type"] = [found["type"], "null"]
    found["description"] = " ".join([field.description or "", *_bounds_in_words(found)])
    if found["type"] != "object" and (is_chosen or name in defaults):
        found["default"] = None if is_chosen else defaults[name]
    return found


def _value(annotation: Any, metadata: list[Any], at: str) -> Json:
    """The schema of what a field holds, from its type and what the type is annotated with."""
    for rule in metadata:
        if isinstance(rule, _RULES):
            return _rule(rule)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _section(annotation, at)
    if get_origin(annotation) in (Union, types.UnionType):
        inner = next(one for one in get_args(annotation) if one is not type(None))
        found = _annotated(inner, at)
        return {**found, "type": [found["type"], "null"]}
    assert get_origin(annotation) is tuple, f"no schema is known for {at}: {annotation}"
    sizes = {"minItems": "min_length", "maxItems": "max_length"}
    bounds = {name: getattr(rule, size) for name, size in sizes.items() for rule in metadata if hasattr(rule, size)}
    return {"type": "array", "items": _annotated(get_args(annotation)[0], f"{at}/*"), **bounds}


def _annotated(annotation: Any, at: str) -> Json:
    """The schema of what is within a union or a list."""
    if hasattr(annotation, "__metadata__"):
        return _value(annotation.__origin__, list(annotation.__metadata__), at)
    return _value(annotation, [], at)


def _rule(rule: Rule) -> Json:
    match rule:
        case Whole(low, high):
            return {"type": "integer", "minimum": low, "maximum": high}
        case Number(low, high, above):
            return {"type": "number", "exclusiveMinimum" if above else "minimum": low, "maximum": high}
        case Duration(low_s, high_s, or_run):
            pattern = f"^(?:{RUN}|{DURATION_PATTERN})$" if or_run else f"^{DURATION_PATTERN}$"
            bounds = [format_duration(low_s), format_duration(high_s)]
            return {"type": "string", "minLength": 2, "pattern": pattern, "x-bounds": bounds}
        case Text(pattern):
            return {"type": "string", "pattern": f"^(?:{pattern})$"}
        case Choice(kind):
            return {"type": "string", "enum": [member.value for member in kind]}
        case Flag():
            return {"type": "boolean"}
        case Words(most, key, value):
            texts = {"type": "string", "pattern": f"^{value}$"}
            names = {"pattern": f"^{key}$"}
            return {"type": "object", "maxProperties": most, "propertyNames": names, "additionalProperties": texts}
        case Phrase(_, allowed, examples):
            return {"type": "string", "maxLength": LONGEST_PHRASE, "x-allowed": allowed, "examples": list(examples)}
        case _:
            assert_never(rule)


def _bounds_in_words(found: Json) -> Iterator[str]:
    """What of a value's bounds the schema's own words cannot say."""
    if "x-bounds" in found:
        least, most = found["x-bounds"]
        or_run = f', or "{RUN}" for as long as the run lasts' if RUN in found["pattern"] else ""
        yield f'From "{least}" to "{most}"{or_run}.'
    if "x-allowed" in found:
        yield f"Written as {found['x-allowed']}."


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(str(field.alias), field) for field in model.model_fields.values()]


def _title(name: str) -> str:
    """A name in camelCase as words."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)]
    text = " ".join(word.upper() if word in _WRITTEN_LARGE else word for word in words)
    return text[:1].upper() + text[1:]


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
