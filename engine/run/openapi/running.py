"""Runs that there are: listed, looked at, ended before their time, taken up again, gone."""

from collections.abc import Mapping
from typing import Final

from engine.errors import Blame, Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.verdict import Verdict
from engine.plan.document import Json
from engine.plan.spec.scenario import Scenario
from engine.run.openapi.refusals import refusals
from engine.run.openapi.shape import (
    ANYTHING,
    COUNT,
    FLAG,
    LABELS,
    MOMENT,
    NUMBER,
    RUN_ID,
    SHARE,
    TEXT,
    TEXTS,
    by_name,
    in_path,
    list_of,
    or_null,
    query,
    record,
    ref,
    says,
    says_nothing,
    told,
    word,
)
from engine.run.state import Stage

ID: Final = in_path("id", RUN_ID, "The run's id.")

_BATCHES: Final = record(
    {"planned": COUNT},
    optional={
        "waiting": told(COUNT, "Batches that have said nothing yet."),
        "running": COUNT,
        "stalled": told(list_of(COUNT), "Batches that have begun and are silent, by number."),
        "wave": COUNT,
        "waves": COUNT,
    },
)
_FAILURE: Final = record(
    {"operation": word(Operation), "outcome": word(Outcome), "code": TEXT, "blame": word(Blame), "count": COUNT}
)
_COUNTED: Final = ("due", "started", "ok", "failed", "late", "lost", "cancelled", "dropped", "inFlight", "overdue")
_TELLS: Final = {"runId": RUN_ID, "links": ref("Links")}

TALLIED: Final[Mapping[str, Json]] = dict.fromkeys(_COUNTED, COUNT)
"""What is counted of every operation."""

SCHEMAS: Final[Mapping[str, Json]] = {
    "Listed": record(
        {
            "runId": RUN_ID,
            "name": TEXT,
            "scenario": word(Scenario),
            "target": TEXT,
            "labels": LABELS,
            "state": word(Stage),
            "verdict": or_null(told(word(Verdict), "null until the run has ended.")),
            "created": MOMENT,
            "startedBy": told(TEXT, "Who asked for the run, as far as that is known."),
            "links": ref("Links"),
        }
    ),
    "CleaningUp": record(
        {
            "number": told(COUNT, "The run's how manieth clean-up it is."),
            "isOver": FLAG,
            "endedAt": or_null(MOMENT),
            "deleted": told(COUNT, "Devices that have left nothing that a clean-up takes away."),
            "left": told(COUNT, "Devices that may have."),
            "notes": told(TEXTS, "What else is left, and why."),
        },
        optional={"operations": told(by_name(ANYTHING), "What the clean-up measured, once it is over.")},
    ),
    "LiveOperation": record(
        {
            **TALLIED,
            "retries": COUNT,
            "phase": told({"type": "string", "enum": ["load", "prepare"]}, "What the numbers are of."),
            "ratePerSecond": or_null(NUMBER),
            **{name: or_null(told(NUMBER, "Milliseconds, from when it was due.")) for name in ("p50", "p95", "p99")},
        }
    ),
    "Run": record(
        {
            "runId": RUN_ID,
            "name": TEXT,
            "scenario": word(Scenario),
            "target": TEXT,
            "labels": LABELS,
            "state": word(Stage),
            "verdict": or_null(told(word(Verdict), "null until the run has ended.")),
            "reasons": told(TEXTS, "Why the verdict is what it is."),
            "warnings": TEXTS,
            "attempt": {"type": "integer", "minimum": 1},
            "created": MOMENT,
            "startedBy": TEXT,
            "baseline": or_null(RUN_ID),
            "cancelRequestedAt": or_null(MOMENT),
            "cleanup": or_null(ref("CleaningUp")),
            "phase": or_null(word(Phase)),
            "progress": told(SHARE, "The share of the load that is done."),
            "batches": _BATCHES,
            "links": ref("Links"),
        },
        optional={
            "etaSeconds": or_null(told(NUMBER, "Seconds to go; null where nobody can tell.")),
            "elapsedSeconds": told(NUMBER, "Seconds of load so far."),
            "devices": record({"total": COUNT}) | {"additionalProperties": COUNT},
            "operations": {**by_name(ref("LiveOperation")), "propertyNames": word(Operation)},
            "verdictSoFar": told(word(Verdict), "What the verdict would be now."),
            "broken": told(TEXTS, "Thresholds that do not hold now."),
            "throttledShare": told(SHARE, "Of the main operation."),
            "failures": told(list_of(_FAILURE), "The most frequent first."),
            "generator": told(by_name(NUMBER), "The latest health of the workers, the worst of each."),
            "storeFailures": COUNT,
        },
        description="How a run is doing. Fields that are not required come with its plan.",
    ),
}

CALLS: Final[Mapping[str, Json]] = {
    "/runs": {
        "get": {
            "operationId": "get_runs",
            "tags": ["runs"],
            "summary": "List runs, newest first",
            "parameters": [
                query("name", TEXT, "Runs of this name."),
                query("label", TEXT, "Runs with this label: its key, or key=value."),
                query("state", word(Stage), "Runs in this state."),
                query("verdict", word(Verdict), "Runs with this verdict."),
                query("since", MOMENT, "Runs since this moment, which is in UTC where it names no zone."),
                query("next", RUN_ID, "Where the list goes on: next of the answer before."),
            ],
            "responses": {
                "200": says(
                    "At most fifty runs, and the one to go on with; null where there are no more.",
                    record({"runs": list_of(ref("Listed")), "next": or_null(RUN_ID)}),
                ),
                **refusals("spec-invalid", "not-found"),
            },
        }
    },
    "/runs/{id}": {
        "parameters": [ID],
        "get": {
            "operationId": "get_run",
            "tags": ["runs"],
            "summary": "Say how a run is doing",
            "responses": {
                "200": says("The run; ask again after Retry-After.", ref("Run"), headers=["Retry-After"]),
                **refusals("not-found"),
            },
        },
        "delete": {
            "operationId": "delete_run",
            "tags": ["runs"],
            "summary": "Leave nothing of a run but what its devices have",
            "responses": {"204": says_nothing("It is gone."), **refusals("not-found", "in-use")},
        },
    },
    "/runs/{id}/devices": {
        "parameters": [ID],
        "delete": {
            "operationId": "delete_devices",
            "tags": ["runs"],
            "summary": "Clean up what a run's devices have left",
            "description": "Harmless when repeated while it goes on.",
            "responses": {
                "202": says("The clean-up is under way.", record({**_TELLS, "cleanup": ref("CleaningUp")})),
                **refusals("not-found", "in-use", "overlap", "launch"),
            },
        },
    },
    "/runs/{id}/cancel": {
        "parameters": [ID],
        "post": {
            "operationId": "post_cancel",
            "tags": ["runs"],
            "summary": "Let a run drain",
            "description": "What is under way may end within gracefulStop. Harmless when repeated.",
            "responses": {
                "202": says("The run drains, or has.", record({**_TELLS, "state": word(Stage)})),
                **refusals("not-found", "illegal-move"),
            },
        },
    },
    "/runs/{id}/resume": {
        "parameters": [ID],
        "post": {
            "operationId": "post_resume",
            "tags": ["runs"],
            "summary": "Let a run go on that has ended before its time",
            "description": "Finished batches are kept, others go on from their checkpoint.",
            "responses": {
                "202": says(
                    "The run's next attempt is accepted.",
                    record({**_TELLS, "state": word(Stage), "attempt": {"type": "integer", "minimum": 1}}),
                    headers=["Location", "Retry-After"],
                ),
                **refusals("not-found", "illegal-move", "overlap", "launch"),
            },
        },
    },
}
