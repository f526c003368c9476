"""How a run compares with another."""

from collections.abc import Mapping
from typing import Final

from engine.measure.operation import Operation
from engine.plan.document import Json
from engine.plan.spec.scenario import Scenario
from engine.run.openapi.numbers import BY_OPERATION, COUNTS, REFUSED, VERDICT
from engine.run.openapi.running import ID
from engine.run.openapi.shape import (
    ANYTHING,
    COUNT,
    FLAG,
    MOMENT,
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

_CHANGE: Final = record(
    {"run": or_null(NUMBER), "to": or_null(NUMBER), "change": or_null(NUMBER)},
    description="A number of both sides, and by which share the run's is more.",
)

SCHEMAS: Final[Mapping[str, Json]] = {
    "Side": record(
        {
            "runId": RUN_ID,
            "name": TEXT,
            "scenario": word(Scenario),
            "target": TEXT,
            "verdict": VERDICT,
            "partial": FLAG,
            "devices": COUNT,
            "loadS": NUMBER,
            "createdAt": MOMENT,
        }
    ),
    "Changes": record(
        {
            **dict.fromkeys((*COUNTS, "ratePerSecond", "failRate"), _CHANGE),
            "latencyMs": record(dict.fromkeys(("intended", "actual"), by_name(_CHANGE))),
            "parts": by_name(by_name(_CHANGE)),
            "uncertain": told(TEXTS, "Percentiles of too few samples."),
            "doubts": TEXTS,
            "notes": TEXTS,
        }
    ),
    "Comparison": record(
        {
            "schemaVersion": {"const": 1},
            "partial": FLAG,
            "mainOperation": word(Operation),
            "run": ref("Side"),
            "to": ref("Side"),
            "notes": told(TEXTS, "What to know before believing any number."),
            "specs": list_of(record({"path": TEXT}, optional={"run": ANYTHING, "to": ANYTHING})),
            "operations": {**by_name(ref("Changes")), **BY_OPERATION},
        },
        description="Two runs beside each other.",
    ),
}

CALLS: Final[Mapping[str, Json]] = {
    "/runs/{id}/compare": {
        "parameters": [ID],
        "get": {
            "operationId": "get_compare",
            "tags": ["results"],
            "summary": "A run beside another",
            "parameters": [
                query(
                    "to",
                    {"type": "string", "pattern": "^(name:)?[a-z0-9-]+$"},
                    "A run's id, or name:<name> for the last of that name that passed; the run's baseline if left out.",
                )
            ],
            "responses": {
                "200": says("Partial while one of them goes on.", ref("Comparison"), headers=["Retry-After"]),
                **REFUSED,
            },
        },
    },
}
