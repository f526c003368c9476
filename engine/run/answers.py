"""A request in, an answer out, and what else is to happen: HTTP as plain values, and errors as statuses."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from engine.errors import HarnessError, RunRefused, SettingsError, SpecError
from engine.run.means import Means

RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class Request:
    """What came in; header names in lower case. run_id and name are from the path, "" where it has none.

    principal is who asks, as far as that is known (see `access.admit`).
    """

    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""
    name: str = ""
    principal: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out. start is the instance to start of an orchestrator (its id and order), cancel the one to tell.

    purge are instances that have ended, of which nothing is to be left.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    start: tuple[str, Mapping[str, Any]] | None = None
    orchestrator: str = "run"
    cancel: str | None = None
    purge: tuple[str, ...] = ()


type Handler = Callable[[Request, Means], Answer]


def answer(handler: Handler, request: Request, means: Means) -> Answer:
    """What the handler answers, or the answer that its error becomes."""
    try:
        return handler(request, means)
    except HarnessError as error:
        return refusal(error)


def as_json(
    status: int,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    start: tuple[str, Mapping[str, Any]] | None = None,
    cancel: str | None = None,
) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json.dumps(body).encode(), headers or {}, start=start, cancel=cancel)


STATUSES: Mapping[str, int] = {
    "spec-invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "illegal-move": 409,
    "overlap": 409,
    "key-reused": 409,
    "in-use": 409,
    "too-large": 413,
    "over-quota": 422,
    "over-budget": 422,
    "blocked": 422,
    "too-many-runs": 429,
    "store-unavailable": 503,
    "launch": 503,
}
"""By code; every other error is ours: 500."""

TRY_LATER = frozenset({429, 503})


def refusal(error: HarnessError) -> Answer:
    """The one place where errors become statuses."""
    code, message = error.code, str(error)
    errors: list[dict[str, str]] = []
    more: dict[str, Any] = {}
    match error:
        case SpecError():
            errors = [{"path": p.path, "message": p.message, "allowed": p.allowed} for p in error.problems]
        case SettingsError():
            # Names only: a setting's text may hold a secret, and whoever asks may not be who runs this server.
            errors = [{"path": name, "message": "missing or wrong, see the log"} for name in error.problems]
            message = f"the server's settings are missing or wrong: {', '.join(error.problems)}"
        case RunRefused():
            code = error.reason
            limit = {
                "name": error.limit,
                "value": error.value,
                "need": error.need,
                "unit": error.unit,
                "source": error.source,
            }
            more = {"limit": limit} if error.limit else {}
    status = STATUSES.get(code, 500)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in TRY_LATER else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": "Bearer"}  # RFC 9110, section 11.6.1: a 401 says how to do it right
    return as_json(status, {"code": code, "message": message, "errors": errors, **more}, headers=headers)
