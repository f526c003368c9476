"""The words that the pieces of the OpenAPI document are written in.

Source: OpenAPI 3.1.0, sections "Operation Object", "Parameter Object", "Response Object" and "Schema Object".
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from engine.plan.document import Json

TEXT: Final[Json] = {"type": "string"}
NUMBER: Final[Json] = {"type": "number"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
SHARE: Final[Json] = {"type": "number", "minimum": 0, "maximum": 1}
FLAG: Final[Json] = {"type": "boolean"}
TEXTS: Final[Json] = {"type": "array", "items": TEXT}
MOMENT: Final[Json] = {"type": "string", "format": "date-time"}
ANYTHING: Final[Json] = {}

RUN_ID: Final[Json] = {"type": "string", "pattern": "^[a-z0-9-]{4,64}$"}
LABELS: Final[Json] = {"type": "object", "additionalProperties": TEXT}

JSON: Final = "application/json"


def record(
    fields: Mapping[str, Json], *, optional: Mapping[str, Json] | None = None, description: str | None = None
) -> Json:
    """An object that has these fields, and may have the optional ones."""
    return {
        **({"description": description} if description else {}),
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": list(fields),
    }


def told(schema: Json, description: str) -> Json:
    """The schema with a description."""
    return {**schema, "description": description}


def or_null(schema: Json) -> Json:
    """The schema, or null."""
    if "$ref" in schema or "type" not in schema or "enum" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def list_of(schema: Json) -> Json:
    """A list of such values."""
    return {"type": "array", "items": schema}


def by_name(schema: Json) -> Json:
    """An object of such values under any names."""
    return {"type": "object", "additionalProperties": schema}


def word(kind: type[StrEnum]) -> Json:
    """One of a closed list."""
    return {"type": "string", "enum": [member.value for member in kind]}


def ref(name: str) -> Json:
    """A schema that has a name of its own."""
    return {"$ref": f"#/components/schemas/{name}"}


def header(name: str) -> Json:
    """A header that has a name of its own."""
    return {"$ref": f"#/components/headers/{name}"}


def query(name: str, schema: Json, description: str) -> Json:
    """A parameter of the query, which may be left out."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def in_path(name: str, schema: Json, description: str) -> Json:
    """A parameter of the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def says(description: str, schema: Json, *, headers: Iterable[str] = (), example: Any = None) -> Json:
    """An answer in JSON."""
    content = {"schema": schema, **({} if example is None else {"example": example})}
    return {**says_nothing(description, headers=headers), "content": {JSON: content}}


def says_text(description: str, **kinds: str) -> Json:
    """An answer that is text: content types by their subtype, each with what it holds in words."""
    content = {f"text/{kind}": {"schema": told(TEXT, held)} for kind, held in kinds.items()}
    return {"description": description, "content": content}


def says_nothing(description: str, *, headers: Iterable[str] = ()) -> Json:
    """An answer without a body."""
    named = {name: header(name) for name in headers}
    return {"description": description, **({"headers": named} if named else {})}
