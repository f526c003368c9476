"""Answers held against what the OpenAPI document says of them."""

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema

from engine.run.access import Guard
from engine.run.answers import Answer
from engine.run.openapi.document import openapi

METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "trace"})


def document() -> dict[str, Any]:
    """The document as whoever asks gets it."""
    found: dict[str, Any] = json.loads(json.dumps(openapi(Guard.NONE)))
    return found


def calls() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each call, by its operationId; parameters of the path are the call's own."""
    found: dict[str, tuple[str, str, dict[str, Any]]] = {}
    for path, item in document()["paths"].items():
        for method in item.keys() & METHODS:
            call = item[method]
            parameters = [*item.get("parameters", []), *call.get("parameters", [])]
            found[call["operationId"]] = (method, path, {**call, "parameters": parameters})
    return found


def closed(value: Any) -> Any:
    """The schemas with every object closed that does not say what else it may hold: what is not described is found."""
    if isinstance(value, list):
        return [closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {name: closed(one) for name, one in value.items()}
    if inner.get("type") == "object" and "properties" in inner:
        inner.setdefault("additionalProperties", False)
    return inner


_CLOSED = closed(document())
_CALLS = calls()


def validator(schema: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
    """What judges by a schema of the document, references and formats included."""
    whole = {**copy.deepcopy(dict(schema)), "components": _CLOSED["components"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(whole, format_checker=checker)


def check(operation: str, found: Answer) -> Any:
    """The JSON of an answer that is as the document describes it: status, headers, content type and body; None where it
    has no JSON."""
    method, path, _ = _CALLS[operation]
    responses = _CLOSED["paths"][path][method]["responses"]
    assert str(found.status) in responses, f"{operation} answers {found.status}: {found.body!r}"
    described = responses[str(found.status)]
    _check_headers(described, found)
    if "content" not in described:
        assert found.body == b""
        return None
    assert found.content_type in described["content"], f"{operation} answers with {found.content_type}"
    if found.content_type != "application/json":
        return None
    body = json.loads(found.body)
    validator(described["content"][found.content_type]["schema"]).validate(body)
    return body


def _check_headers(described: Mapping[str, Any], found: Answer) -> None:
    """Headers that clients go by are described, and of the kind that is said; those of the browser's are not."""
    named = described.get("headers", {})
    assert {"Location", "Retry-After"} & set(found.headers) <= set(named), found.headers
    for name in named:
        schema = _CLOSED["components"]["headers"][name]["schema"]
        if name in found.headers and schema["type"] == "integer":
            assert re.fullmatch("[0-9]+", found.headers[name])
