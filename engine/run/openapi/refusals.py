"""Answers that are errors: one body for all, and by status the codes that a call may refuse with."""

from collections.abc import Mapping
from typing import Final

from engine.plan.document import Json
from engine.run.answers import STATUSES, TRY_LATER
from engine.run.openapi.shape import JSON, TEXT, list_of, record, ref, says_nothing, told

MEANINGS: Final[Mapping[str, str]] = {
    "spec-invalid": "Something asked for is wrong; errors names everything at once.",
    "unauthorized": "Nobody that is known asks.",
    "forbidden": "Who asks may not.",
    "not-found": "There is none of that name, or it has nothing yet.",
    "illegal-move": "The run's state does not allow it.",
    "overlap": "Another run has some of the devices.",
    "key-reused": "The idempotency key was used for another spec.",
    "in-use": "The run is live, is being cleaned up, or is the baseline of a schedule.",
    "too-large": "The body is larger than 64 KB.",
    "over-quota": "More than the server or the profile allows; limit names the bound in the way.",
    "over-budget": "It would last longer or cost more than it may; limit names the bound in the way.",
    "blocked": "The target is not there, or not allowed.",
    "too-many-runs": "Too many runs at once; try again later.",
    "store-unavailable": "The storage does not answer; try again later.",
    "launch": "What carries the run out could not be started; try again later.",
}
"""What each code says, for people."""

FROM_ALL: Final = ("unauthorized", "forbidden", "store-unavailable")
"""What any call may be refused with."""

OURS: Final = 500

SCHEMAS: Final[Mapping[str, Json]] = {
    "Problem": record(
        {
            "path": told(
                TEXT, "The field, as a JSON pointer into the body; empty for the whole, the path or the query."
            ),
            "message": told(TEXT, "What is wrong, in one line."),
        },
        optional={"allowed": told(TEXT, "What would have been right.")},
    ),
    "Limit": record(
        {
            "name": told(TEXT, "The bound in the way."),
            "value": told(TEXT, "What it is."),
            "need": told(TEXT, "What the run needs."),
            "unit": told(TEXT, "The unit of both, empty for durations."),
            "source": told(TEXT, "Who set it."),
        }
    ),
    "Error": record(
        {
            "code": told(TEXT, "Stable for ever."),
            "message": told(TEXT, "One line, for people."),
            "errors": list_of(ref("Problem")),
        },
        optional={"limit": ref("Limit")},
        description="Why a request is refused.",
    ),
}


def refusals(*codes: str) -> dict[str, Json]:
    """The answers of a call that may refuse with these codes, and of what may befall any call, by status."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *FROM_ALL):
        by_status.setdefault(STATUSES[code], []).append(code)
    shown = {str(status): _refusal(status, by_status[status]) for status in sorted(by_status)}
    return {**shown, str(OURS): _answer("The server's settings are wrong, or it has a bug.", ref("Error"))}


def _refusal(status: int, codes: list[str]) -> Json:
    description = " ".join(f"`{code}`: {MEANINGS[code]}" for code in codes)
    schema = {"allOf": [ref("Error"), {"properties": {"code": {"enum": codes}}}]}
    return _answer(description, schema, *(["Retry-After"] if status in TRY_LATER else []))


def _answer(description: str, schema: Json, *headers: str) -> Json:
    return {**says_nothing(description, headers=headers), "content": {JSON: {"schema": schema}}}
