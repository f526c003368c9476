"""What a run has measured: its summary, its series over time, its report."""

from collections.abc import Mapping
from typing import Final

from engine.errors import Blame, Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.verdict import Verdict
from engine.plan.document import Json
from engine.plan.spec.scenario import Scenario
from engine.run.openapi.refusals import refusals
from engine.run.openapi.running import ID, TALLIED
from engine.run.openapi.shape import (
    ANYTHING,
    COUNT,
    FLAG,
    JSON,
    LABELS,
    MOMENT,
    NUMBER,
    RUN_ID,
    SHARE,
    TEXT,
    TEXTS,
    by_name,
    list_of,
    or_null,
    query,
    record,
    ref,
    says,
    says_text,
    told,
    word,
)
from engine.run.state import Stage

_INTEGERS: Final = by_name(COUNT)
VERDICT: Final = or_null(told(word(Verdict), "null until the run has ended."))
_LATENCIES: Final = record({"intended": ref("Latency"), "actual": ref("Latency")})
_SERIES: Final = list_of(or_null(NUMBER))
_NUMBERS: Final[Mapping[str, Json]] = {
    **TALLIED,
    "retries": COUNT,
    "unmatched": COUNT,
    "failRate": or_null(SHARE),
    "ratePerSecond": or_null(NUMBER),
    "latencyMs": _LATENCIES,
    "failedAfterMs": ref("Latency"),
    "parts": by_name(ref("Latency")),
    "outcomes": {**_INTEGERS, "propertyNames": word(Outcome)},
    "codes": by_name(_INTEGERS),
    "drops": _INTEGERS,
}
BY_OPERATION: Final[Json] = {"propertyNames": word(Operation)}
COUNTS: Final = ("due", "ok", "failed", "late", "lost", "dropped")

SCHEMAS: Final[Mapping[str, Json]] = {
    "Latency": {
        "description": "Percentiles by name (p50, p99.9), avg, min and max in milliseconds, null where there are none.",
        **record({"count": COUNT}),
        "additionalProperties": or_null(NUMBER),
    },
    "Numbers": record(_NUMBERS),
    "OperationNumbers": record(
        {
            "phases": told(list_of(word(Phase)), "What the numbers are of."),
            **_NUMBERS,
            "byPhase": by_name(ref("Numbers")),
            "byHub": by_name(ref("Numbers")),
        }
    ),
    "ThresholdJudged": record(
        {
            "metric": TEXT,
            "expr": TEXT,
            "windowS": or_null(NUMBER),
            "delayS": NUMBER,
            "abortOnFail": FLAG,
            "ok": or_null(told(FLAG, "null where it could not be judged.")),
            "value": or_null(NUMBER),
            "baseline": or_null(NUMBER),
            "limit": or_null(NUMBER),
            "worstWindowS": or_null(told(list_of(NUMBER), "From and to, run time.")),
            "text": TEXT,
        }
    ),
    "Summary": record(
        {
            "schemaVersion": {"const": 1},
            "runId": RUN_ID,
            "name": TEXT,
            "labels": LABELS,
            "scenario": word(Scenario),
            "target": TEXT,
            "state": word(Stage),
            "partial": told(FLAG, "Whether the run goes on, so that all this is so far."),
            "verdict": VERDICT,
            "exitCode": or_null({"type": "integer"}),
            "reasons": list_of(record({"verdict": word(Verdict), "text": TEXT})),
            "warnings": TEXTS,
            "thresholds": list_of(ref("ThresholdJudged")),
            "mainOperation": word(Operation),
            "operations": {**by_name(ref("OperationNumbers")), **BY_OPERATION},
            "failures": list_of(
                record(
                    {
                        "operation": word(Operation),
                        "outcome": word(Outcome),
                        "code": TEXT,
                        "blame": word(Blame),
                        "count": COUNT,
                        "firstSeenS": NUMBER,
                        "lastSeenS": NUMBER,
                        "samples": list_of(record({"atS": NUMBER, "device": TEXT, "detail": TEXT})),
                    }
                )
            ),
            "conservation": record({"holds": FLAG, "mismatches": TEXTS}),
            "batches": list_of(
                record(
                    {
                        "name": TEXT,
                        "status": TEXT,
                        "holder": TEXT,
                        "token": COUNT,
                        "devices": COUNT,
                        "health": or_null(by_name(NUMBER)),
                        "operations": by_name(record(TALLIED)),
                    }
                )
            ),
            "generator": record(
                {
                    "fit": told(FLAG, "Whether the workers were fit to be believed."),
                    "judged": COUNT,
                    "over": COUNT,
                    "worst": by_name(NUMBER),
                    "limits": by_name(NUMBER),
                    "reasons": TEXTS,
                }
            ),
            "emulator": list_of(
                record({"what": TEXT, "devices": or_null({"type": "integer"}), "emulator": COUNT, "note": TEXT})
            ),
            "telemetry": or_null(told(_INTEGERS, "Signals sent, retried and dropped; null where none were wanted.")),
            "devices": COUNT,
            "hubs": TEXTS,
            "attempts": COUNT,
            "startedBy": TEXT,
            "createdAt": MOMENT,
            "startedAt": or_null(MOMENT),
            "endedAt": or_null(MOMENT),
            "durationsS": {**by_name(NUMBER), "propertyNames": word(Phase)},
            "randomSeed": COUNT,
            "version": TEXT,
            "spec": ref("RunSpec"),
        },
        optional={
            "storm": record({"connectedMs": by_name(or_null(NUMBER)), "lostWhileHolding": COUNT}),
            "search": told(by_name(ANYTHING), "What a rate search found: the knee and the curve."),
            "comparison": ref("Comparison"),
        },
        description="What a run has measured, and what that means.",
    ),
    "Series": record(
        {
            **dict.fromkeys((*COUNTS, "inFlight", "ratePerSecond"), _SERIES),
            **dict.fromkeys(("intended", "actual"), told(by_name(_SERIES), "Percentiles in milliseconds.")),
            "outcomes": {**by_name(_SERIES), "propertyNames": word(Outcome)},
        },
        description="One value per entry of t, null where nothing was measured.",
    ),
    "Charts": record(
        {
            "runId": RUN_ID,
            "name": TEXT,
            "scenario": word(Scenario),
            "state": word(Stage),
            "partial": FLAG,
            "verdict": VERDICT,
            "mainOperation": word(Operation),
            "intervalS": NUMBER,
            "t": told(list_of(NUMBER), "Where each interval begins, in seconds of run time; 0 is where the load does."),
            "phases": list_of(record({"phase": word(Phase), "fromS": NUMBER, "toS": NUMBER})),
            "operations": {**by_name(ref("Series")), **BY_OPERATION},
            "parts": {**by_name(by_name(by_name(or_null(NUMBER)))), **BY_OPERATION},
            "health": told(by_name(_SERIES), "The worst of all batches."),
            "heat": record(
                {
                    "columnsS": list_of(NUMBER),
                    "columnS": NUMBER,
                    "leftOut": COUNT,
                    "batches": list_of(
                        record({"name": TEXT, **dict.fromkeys(("p95", "failed", "ended"), _SERIES)}),
                    ),
                },
                description="How each batch did over time; of very many, those that did worst.",
            ),
            "hubs": told(by_name(by_name(ANYTHING)), "Each hub's numbers by operation."),
        },
        description="A run over time, in at most 600 intervals.",
    ),
}


def _format(*words: str, default: str) -> Json:
    return query(
        "format", {"type": "string", "enum": list(words), "default": default}, "Goes before the header Accept."
    )


REFUSED: Final = refusals("spec-invalid", "not-found")

CALLS: Final[Mapping[str, Json]] = {
    "/runs/{id}/results": {
        "parameters": [ID],
        "get": {
            "operationId": "get_results",
            "tags": ["results"],
            "summary": "A run's numbers",
            "responses": {"200": says("Partial while the run goes on.", ref("Summary")), **REFUSED},
        },
    },
    "/runs/{id}/intervals": {
        "parameters": [ID],
        "get": {
            "operationId": "get_intervals",
            "tags": ["results"],
            "summary": "A run's numbers over time",
            "parameters": [_format("csv", "json", default="csv")],
            "responses": {
                "200": {
                    "description": "Partial while the run goes on.",
                    "content": {
                        JSON: {"schema": ref("Charts")},
                        "text/csv": {"schema": told(TEXT, "A row per interval, phase, operation and hub.")},
                    },
                },
                **REFUSED,
            },
        },
    },
    "/runs/{id}/report": {
        "parameters": [ID],
        "get": {
            "operationId": "get_report",
            "tags": ["results"],
            "summary": "A run's report",
            "parameters": [_format("html", "md", default="html")],
            "responses": {
                "200": says_text("Partial while the run goes on.", html="A page that loads nothing.", markdown="Text."),
                **REFUSED,
            },
        },
    },
}
