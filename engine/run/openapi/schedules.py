"""Schedules: runs that start by the clock."""

from collections.abc import Mapping
from typing import Any, Final

from engine.plan.document import Json
from engine.run.firings import EXAMPLE
from engine.run.openapi.refusals import refusals
from engine.run.openapi.shape import (
    FLAG,
    JSON,
    MOMENT,
    RUN_ID,
    TEXT,
    in_path,
    list_of,
    or_null,
    record,
    ref,
    says,
    says_nothing,
    told,
    word,
)
from engine.run.schedules import Became, Overlap

_NAME: Final = {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"}
_IN_PATH: Final = in_path("name", _NAME, "The schedule's name: its runs are called so, and their ids begin so.")
_CRON: Final = told(TEXT, f"NCRONTAB of six fields, seconds first, such as {EXAMPLE}.")
_OVERLAP: Final = {**word(Overlap), "description": "What a firing does while the last run goes on."}
_ZONE: Final = told(TEXT, "A name of the tz database.")

_EXAMPLE: Final[Mapping[str, Any]] = {
    "spec": {"scenario": "cert-renewal", "devices": {"count": 20}},
    "cron": "0 30 2 * * *",
    "timeZone": "Europe/Berlin",
}

_SHOWN: Final[Mapping[str, Json]] = {
    "name": _NAME,
    "spec": told(ref("RunSpec"), "With the defaults that every firing has; what each chooses anew is left out."),
    "timeZone": _ZONE,
    "overlap": _OVERLAP,
    "enabled": FLAG,
    "created": MOMENT,
    "changed": MOMENT,
    "next": told(list_of(MOMENT), "The next five firings, as clocks in the zone show them."),
    "last": or_null(ref("Firing")),
    "lately": told(list_of(ref("Firing")), "The last firings, newest first."),
    "links": record({"self": {"type": "string", "format": "uri-reference"}}),
}
_WHEN: Final[Mapping[str, Json]] = {"cron": _CRON, "at": told(MOMENT, "Once, instead of cron.")}

SCHEMAS: Final[Mapping[str, Json]] = {
    "ScheduleForm": {
        **record(
            {"spec": ref("RunSpec")},
            optional={
                **{name: or_null(schema) for name, schema in _WHEN.items()},
                "timeZone": {**_ZONE, "default": "UTC"},
                "overlap": {**_OVERLAP, "default": Overlap.SKIP.value},
                "enabled": {**FLAG, "default": True},
            },
            description="What is to be started, and when: either cron or at says so.",
        ),
        "additionalProperties": False,
    },
    "Firing": record(
        {"firing": told(MOMENT, "When it was due."), "became": word(Became)},
        optional={"runId": RUN_ID, "why": told(TEXT, "Why no run was started.")},
    ),
    "Schedule": record(_SHOWN, optional=_WHEN),
    "SchedulePut": record({**_SHOWN, "estimate": ref("Estimate")}, optional=_WHEN),
}

CALLS: Final[Mapping[str, Json]] = {
    "/schedules": {
        "get": {
            "operationId": "get_schedules",
            "tags": ["schedules"],
            "summary": "All schedules, by name",
            "responses": {"200": says("All.", record({"schedules": list_of(ref("Schedule"))})), **refusals()},
        }
    },
    "/schedules/{name}": {
        "parameters": [_IN_PATH],
        "put": {
            "operationId": "put_schedule",
            "tags": ["schedules"],
            "summary": "Say what is to be started, and when",
            "description": "The spec is refused as it would be at POST /runs. Harmless when repeated.",
            "requestBody": {
                "required": True,
                "description": "At most 64 KB.",
                "content": {JSON: {"schema": ref("ScheduleForm"), "example": dict(_EXAMPLE)}},
            },
            "responses": {
                "200": says("The schedule has changed.", ref("SchedulePut"), headers=["Location"]),
                "201": says("The schedule is new.", ref("SchedulePut"), headers=["Location"]),
                **refusals("spec-invalid", "too-large", "over-quota", "over-budget", "blocked"),
            },
        },
        "get": {
            "operationId": "get_schedule",
            "tags": ["schedules"],
            "summary": "A schedule, its next firings, and what became of the last",
            "responses": {"200": says("The schedule.", ref("Schedule")), **refusals("not-found")},
        },
        "delete": {
            "operationId": "delete_schedule",
            "tags": ["schedules"],
            "summary": "Start nothing by this schedule any more",
            "description": "Its runs go on, and stay.",
            "responses": {"204": says_nothing("It is gone."), **refusals("not-found")},
        },
    },
}
