"""The OpenAPI document of the HTTP API, and the call that answers with it.

Source: OpenAPI 3.1.0; Azure Functions, "Work with access keys" (header and query of a function key).
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final

from engine.plan.document import Json
from engine.plan.spec.schema import DIALECT, spec_schema
from engine.run.access import Guard
from engine.run.answers import Answer, Request
from engine.run.means import Means
from engine.run.openapi import comparison, numbers, refusals, running, schedules, server, starting
from engine.run.openapi.shape import told
from engine.run.results import VERSION

PIECES: Final = (starting, running, numbers, comparison, schedules, server)
FRESH_S: Final = 300
"""How long whoever asked may go by the answer: the document changes with the app only."""

_HEADERS: Final[Mapping[str, Json]] = {
    "Location": {"description": "Where what was made is found.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer"}},
}
_SCHEMES: Final[Mapping[str, Json]] = {
    "functionKey": told({"type": "apiKey", "in": "header", "name": "x-functions-key"}, "A function key of the app."),
    "functionKeyInQuery": told({"type": "apiKey", "in": "query", "name": "code"}, "The same key, for a link."),
    "entra": told({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}, "A token of Entra ID for the app."),
}
_NEEDED: Final[Mapping[Guard, list[str]]] = {
    Guard.NONE: [],
    Guard.KEY: ["functionKey", "functionKeyInQuery"],
    Guard.ENTRA: ["entra"],
}
"""What each guard wants, one of them; on one's own machine nothing."""

_TAGS: Final[Mapping[str, str]] = {
    "runs": "One load test each: started, watched, ended, resumed, deleted.",
    "results": "What a run has measured, and what that means.",
    "schedules": "Runs that start by the clock.",
    "server": "What this server is.",
}


def get_openapi(_request: Request, means: Means) -> Answer:
    """GET /api/openapi.json: the API's description, for this server's way of letting callers in."""
    return Answer(200, _written(means.access.guard), headers={"Cache-Control": f"private, max-age={FRESH_S}"})


def openapi(guard: Guard) -> Json:
    """The document of a server that is guarded so."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "certfleet",
            "version": VERSION,
            "summary": "Scale tests for certificate-based IoT fleets on Azure.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/api"}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "security": [{scheme: []} for scheme in _NEEDED[guard]],
        "paths": _paths(),
        "components": {
            "schemas": {"RunSpec": spec_schema(), **_schemas()},
            "headers": dict(_HEADERS),
            "securitySchemes": dict(_SCHEMES),
        },
    }


def _paths() -> Json:
    """The calls of all pieces; a path may have methods from several."""
    paths: dict[str, Json] = {}
    for piece in PIECES:
        for path, calls in piece.CALLS.items():
            paths.setdefault(path, {}).update(calls)
    return paths


def _schemas() -> Json:
    return {name: schema for piece in (refusals, *PIECES) for name, schema in piece.SCHEMAS.items()}


@cache
def _written(guard: Guard) -> bytes:
    return json.dumps(openapi(guard), separators=(",", ":")).encode()
