"""What the server is: its target profiles, its page, its description."""

from collections.abc import Mapping
from typing import Final

from engine.plan.document import Json
from engine.plan.limits import LIMITS
from engine.plan.target import Attestation, DpsTransport, Tls
from engine.run.openapi.refusals import refusals
from engine.run.openapi.shape import (
    ANYTHING,
    JSON,
    NUMBER,
    TEXT,
    TEXTS,
    by_name,
    list_of,
    or_null,
    record,
    ref,
    says,
    says_text,
    told,
    word,
)

_PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65535}

SCHEMAS: Final[Mapping[str, Json]] = {
    "Target": record(
        {
            "name": TEXT,
            "dps": list_of(
                record(
                    {"host": TEXT, "idScope": TEXT, "transport": word(DpsTransport), "attestation": word(Attestation)},
                    optional={"serviceHost": TEXT},
                )
            ),
            "hubs": told(TEXTS, "The hosts of its hubs."),
            "port": _PORT,
            "webPort": _PORT,
            "tls": told(word(Tls), "The latest that devices offer."),
            "quotas": {
                **by_name(NUMBER),
                "propertyNames": {"enum": sorted(LIMITS)},
                "description": "Limits of its services that differ from what is known of all.",
            },
            "ceilings": record(
                {
                    "devices": or_null({"type": "integer"}),
                    "ratePerSecond": or_null(NUMBER),
                    "duration": or_null(TEXT),
                    "costUsd": or_null(NUMBER),
                },
                description="What no run may exceed; null is no ceiling.",
            ),
        },
        optional={
            "http": record({"url": TEXT}, description="What http-probe asks for."),
            "faults": told(by_name(ANYTHING), "How the emulator misbehaves; of the profile local alone."),
        },
        description="A profile without its secrets.",
    )
}

CALLS: Final[Mapping[str, Json]] = {
    "/targets": {
        "get": {
            "operationId": "get_targets",
            "tags": ["server"],
            "summary": "The target profiles, without secrets",
            "responses": {
                "200": says(
                    "All, and the name of the one that a spec means when it names none.",
                    record({"targets": list_of(ref("Target")), "default": TEXT}),
                ),
                **refusals(),
            },
        }
    },
    "/ui": {
        "get": {
            "operationId": "get_ui",
            "tags": ["server"],
            "summary": "The live page",
            "responses": {"200": says_text("A page that calls this API.", html="The page."), **refusals()},
        }
    },
    "/openapi.json": {
        "get": {
            "operationId": "get_openapi",
            "tags": ["server"],
            "summary": "This document",
            "responses": {
                "200": {"description": "It.", "content": {JSON: {"schema": {"type": "object"}}}},
                **refusals(),
            },
        }
    },
}
