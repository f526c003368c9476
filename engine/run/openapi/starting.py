"""Starting a run, or asking what it would be: POST /runs."""

from collections.abc import Mapping
from typing import Any, Final

from engine.measure.operation import Operation
from engine.plan.document import Json
from engine.plan.spec.execution import Runner
from engine.run.openapi.refusals import refusals
from engine.run.openapi.shape import (
    COUNT,
    FLAG,
    JSON,
    NUMBER,
    RUN_ID,
    TEXT,
    TEXTS,
    by_name,
    list_of,
    or_null,
    query,
    record,
    ref,
    says,
    told,
    word,
)
from engine.run.state import Stage

BODIES: Final[Mapping[str, Any]] = {
    "smallest": {"summary": "Ten devices renew for five minutes", "value": {"scenario": "cert-renewal"}},
    "judged": {
        "summary": "A thousand renewals a minute, judged while they run",
        "value": {
            "scenario": "cert-renewal",
            "name": "nightly-renewal",
            "labels": {"team": "iot"},
            "devices": {"count": 2000},
            "load": {"executor": "constant-arrival-rate", "rate": 1000, "timeUnit": "1m", "duration": "10m"},
            "thresholds": [
                {"metric": "cert.issued", "expr": "p(95)<=2000"},
                {"metric": "cert.issued", "expr": "fail_rate<0.01", "window": "1m", "abortOnFail": True},
            ],
        },
    },
    "search": {
        "summary": "How many certificates a minute does the service issue?",
        "value": {"scenario": "cert-throttle", "load": {"search": {"start": 20, "step": 2}}},
    },
}
"""Bodies that a server with the embedded target accepts."""

LINKS: Final = ("self", "cancel", "resume", "results", "report", "intervals", "compare")

SCHEMAS: Final[Mapping[str, Json]] = {
    "Need": record(
        {
            "limit": told(TEXT, "The limit's name, such as dps.registrations."),
            "value": or_null(told(NUMBER, "What it is; null where nobody knows.")),
            "unit": TEXT,
            "need": or_null(told(NUMBER, "What the run needs of it; null where the answers decide.")),
            "source": told(TEXT, "Who says so."),
            "adjustable": told(FLAG, "Whether the service's owner can have it raised."),
            "effect": told(TEXT, "What comes of it, in words."),
        }
    ),
    "Estimate": record(
        {
            "binding": told(ref("Need"), "The limit that the run comes closest to, or is furthest over."),
            "limits": told(list_of(ref("Need")), "The others, tightest first."),
            "warnings": TEXTS,
            "batches": COUNT,
            "waves": told(COUNT, "Groups of batches that run one after the other."),
            "runner": word(Runner),
            "cores": NUMBER,
            "outboundAddresses": COUNT,
            "inFlight": told(COUNT, "How many devices are connected at once."),
            "duration": told(TEXT, "How long it takes, such as 5m30s."),
            "operations": {
                **by_name(COUNT),
                "propertyNames": word(Operation),
                "description": "How often each operation is done.",
            },
            "cost": record({"computeUsd": NUMBER, "targetSide": told(TEXT, "What the tested services charge for.")}),
        },
        description="What a run comes to, before it starts.",
    ),
    "Links": record(
        {name: {"type": "string", "format": "uri-reference"} for name in LINKS},
        description="Where the rest of a run is found.",
    ),
    "Foreseen": record({"spec": ref("RunSpec"), "estimate": ref("Estimate")}),
    "Accepted": record(
        {
            "runId": RUN_ID,
            "state": word(Stage),
            "spec": told(ref("RunSpec"), "With every default filled in; posted again it asks for the same."),
            "estimate": ref("Estimate"),
            "baseline": or_null(told(RUN_ID, "The run that this one is compared with.")),
            "links": ref("Links"),
        }
    ),
}

_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Becomes the run's id. The same key with the same spec is the same run, however often it is sent.",
    "schema": RUN_ID,
    "example": "nightly-2026-11-23",
}

CALLS: Final[Mapping[str, Json]] = {
    "/runs": {
        "post": {
            "operationId": "post_run",
            "tags": ["runs"],
            "summary": "Start a run, or with dryRun=true say what it would be",
            "description": "A dry run starts nothing and allots nothing. Both refuse the same.",
            "parameters": [
                query("dryRun", {"type": "string", "enum": ["true", "false"], "default": "false"}, "Start nothing."),
                _IDEMPOTENCY_KEY,
            ],
            "requestBody": {
                "required": True,
                "description": "At most 64 KB.",
                "content": {JSON: {"schema": ref("RunSpec"), "examples": BODIES}},
            },
            "responses": {
                "200": says(
                    "A dry run; or the run that the idempotency key has started before.",
                    {"anyOf": [ref("Accepted"), ref("Foreseen")]},
                    headers=["Location", "Retry-After"],
                ),
                "202": says("The run is accepted.", ref("Accepted"), headers=["Location", "Retry-After"]),
                **refusals(
                    "spec-invalid",
                    "overlap",
                    "key-reused",
                    "too-large",
                    "over-quota",
                    "over-budget",
                    "blocked",
                    "too-many-runs",
                    "launch",
                ),
            },
        }
    }
}
