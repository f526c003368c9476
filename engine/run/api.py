"""The HTTP API as plain values: a request in, an answer out, and what else is to happen.

Nothing here knows Functions or Durable Functions: an answer that starts or cancels an orchestration says so, and
whoever serves HTTP carries it out before the answer goes out. Bad input changes nothing: a spec is parsed, planned
and estimated whole before the first thing is written.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import (
    HarnessError,
    IllegalMove,
    NotBuilt,
    NotFound,
    Problem,
    RunRefused,
    SpecError,
    SpecTooLarge,
    StoreUnavailable,
)
from engine.plan.batches import plan_run
from engine.plan.estimate import estimate
from engine.plan.spec.built import not_built
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.report.units import instant
from engine.run import live, results, state
from engine.run.activities import allot, target_of
from engine.run.files import read_spec, write_spec
from engine.run.means import Means
from engine.run.submission import digest, new_state

LIST_LIMIT = 50
RETRY_AFTER_S = 2
_RUN_ID = re.compile(r"[a-z0-9-]{4,64}")
_FILTERS = ("name", "state", "verdict", "since", "label")


@dataclass(frozen=True, slots=True)
class Request:
    """What came in; header names in lower case."""

    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out. start is the orchestration to start (its instance id and order), cancel the one to tell."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    start: tuple[str, Mapping[str, Any]] | None = None
    cancel: str | None = None


type Handler = Callable[[Request, Means], Answer]


def answer(handler: Handler, request: Request, means: Means) -> Answer:
    """What the handler answers, or the answer that its error becomes."""
    try:
        return handler(request, means)
    except HarnessError as error:
        return _refusal(error)


def post_run(request: Request, means: Means) -> Answer:
    """POST /api/runs: the run is accepted and will be started; with dryRun=true nothing is."""
    run_id = _run_id(request, means)
    known = _known(run_id, means)
    spec = _accepted(request.body, means, like=known)
    if known is None:
        target = target_of(spec, means)
        plan_run(spec, run_id=run_id, ranges=[(0, spec.devices.count)], target=target)
    foreseen = estimate(spec, target_of(spec, means))
    body: dict[str, Any] = {"spec": spec.echo(), "estimate": foreseen.to_json()}
    if request.query.get("dryRun", "").lower() == "true":
        return _json(200, body)
    allot(run_id, spec, means)
    write_spec(means.store, run_id, spec)
    found, opened = state.open_run(means.store, new_state(run_id, spec, now=means.clock.wall()))
    body = {"runId": run_id, "state": found.stage, **body, "links": live.links(run_id)}
    headers = {"Location": f"/api/runs/{run_id}", "Retry-After": str(RETRY_AFTER_S)}
    starts = (found.instance_id, order_of(found)) if found.stage is state.Stage.ACCEPTED else None
    return _json(202 if opened else 200, body, headers=headers, start=starts)


def order_of(found: state.RunState) -> dict[str, Any]:
    """What the orchestration of a run is started with."""
    return {"runId": found.run_id, "attempt": found.attempt}


def get_runs(request: Request, means: Means) -> Answer:
    """GET /api/runs: newest first, filtered; `next` is the run to list from the next time."""
    wanted = {name: request.query[name] for name in _FILTERS if name in request.query}
    after = request.query.get("next")
    shown: list[dict[str, Any]] = []
    following = None
    for found in state.list_runs(means.store):
        if after is not None:
            after = None if found.run_id == after else after
            if after is not None:
                continue
        if not _matches(found, wanted):
            continue
        if len(shown) == LIST_LIMIT:
            following = found.run_id
            break
        shown.append(_listed(found))
    return _json(200, {"runs": shown, "next": following})


def get_run(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}: how it is doing."""
    found = _state(request, means)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if found.is_live else {}
    return _json(200, live.look(request.run_id, found, means), headers=headers)


def post_cancel(request: Request, means: Means) -> Answer:
    """POST /api/runs/{id}/cancel: the run drains; harmless when repeated."""
    found = _state(request, means)
    if found.is_live and found.stage is not state.Stage.MERGING:
        found = state.ask_cancel(means.store, request.run_id, now=means.clock.wall())
    elif found.cancel_requested_at is None:
        raise IllegalMove(found.stage, state.Event.CANCEL_ASKED)
    body = {"runId": found.run_id, "state": found.stage, "links": live.links(found.run_id)}
    return _json(202, body, cancel=found.instance_id if found.is_live else None)


def get_results(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}/results: summary.json, partial while the run goes on."""
    return _document(request, means, results.SUMMARY, "application/json")


def get_timeline(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}/timeline: timeline.csv, partial while the run goes on."""
    return _document(request, means, results.TIMELINE, "text/csv")


def get_report(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}/report: the report in Markdown, partial while the run goes on."""
    return _document(request, means, results.REPORT, "text/markdown")


def get_targets(_request: Request, means: Means) -> Answer:
    """GET /api/targets: profiles without their secrets."""
    shown = [target.public() for target in means.targets.by_name.values()]
    return _json(200, {"targets": shown, "default": means.targets.default})


def _run_id(request: Request, means: Means) -> str:
    """The Idempotency-Key, or a new id. Raises SpecError for a key that cannot be a run id."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return means.new_run_id()
    if not _RUN_ID.fullmatch(key):
        raise SpecError([Problem("", f"the header Idempotency-Key is {key[:80]!r}", "[a-z0-9-]{4,64}")])
    return key


def _known(run_id: str, means: Means) -> tuple[RunSpec, state.RunState] | None:
    """The run of this id, if it was seen before."""
    try:
        return read_spec(means.store, run_id), state.read_state(means.store, run_id)
    except NotFound:
        return None


def _accepted(body: bytes, means: Means, like: tuple[RunSpec, state.RunState] | None) -> RunSpec:
    """The spec in the body. A key seen before must ask for the same again: what the body leaves open is taken from
    the run it started. Raises SpecError, NotBuilt, RunRefused."""
    seed, now = (means.new_seed(), means.clock.wall()) if like is None else (like[0].random_seed, like[1].created)
    spec = parse_spec(body, profiles=means.targets, max_devices=means.max_devices, seed=seed, now=now)
    if problems := not_built(spec, target_of(spec, means)):
        raise NotBuilt(problems)
    if like is not None and digest(like[0]) != digest(spec):
        raise RunRefused("key-reused", f"run {like[1].run_id} was started with another spec")
    return spec


def _state(request: Request, means: Means) -> state.RunState:
    if not _RUN_ID.fullmatch(request.run_id):
        raise NotFound(request.run_id, "no such run")
    return state.read_state(means.store, request.run_id)


def _matches(found: state.RunState, wanted: Mapping[str, str]) -> bool:
    label, _, value = wanted.get("label", "").partition("=")
    return (
        wanted.get("name", found.name) == found.name
        and wanted.get("state", found.stage) == found.stage
        and wanted.get("verdict", found.verdict or "") == (found.verdict or "")
        and (not label or found.labels.get(label) == value)
        and _iso(found.created) >= wanted.get("since", "")
    )


def _iso(at: float) -> str:
    return instant(at) or ""


def _listed(found: state.RunState) -> dict[str, Any]:
    return {
        "runId": found.run_id,
        "name": found.name,
        "scenario": found.scenario,
        "target": found.target,
        "labels": dict(found.labels),
        "state": found.stage,
        "verdict": found.verdict,
        "created": _iso(found.created),
        "links": live.links(found.run_id),
    }


def _document(request: Request, means: Means, name: str, content_type: str) -> Answer:
    found = _state(request, means)
    return Answer(200, results.document(found, name, means), content_type=content_type)


def _json(
    status: int,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    start: tuple[str, Mapping[str, Any]] | None = None,
    cancel: str | None = None,
) -> Answer:
    return Answer(status, json.dumps(body).encode(), headers or {}, start=start, cancel=cancel)


_STATUS: Mapping[str, int] = {
    "over-quota": 422,
    "over-budget": 422,
    "blocked": 422,
    "overlap": 409,
    "key-reused": 409,
    "in-use": 409,
    "too-many-runs": 429,
}


def _refusal(error: HarnessError) -> Answer:
    """The one place where errors become statuses."""
    message = str(error)
    match error:
        case NotBuilt() | SpecError():
            status = 422 if isinstance(error, NotBuilt) else 400
            errors = [{"path": p.path, "message": p.message, "allowed": p.allowed} for p in error.problems]
            return _json(status, {"code": error.code, "message": message, "errors": errors})
        case SpecTooLarge():
            return _json(413, {"code": error.code, "message": message, "errors": []})
        case RunRefused():
            limit = {"name": error.limit, "value": error.value, "need": error.need, "unit": error.unit}
            body = {"code": error.reason, "message": message, "errors": [], "limit": limit}
            return _json(_STATUS[error.reason], body, headers={"Retry-After": "60"} if error.retryable else {})
        case NotFound():
            return _json(404, {"code": "not-found", "message": message, "errors": []})
        case IllegalMove():
            return _json(409, {"code": error.code, "message": message, "errors": []})
        case StoreUnavailable():
            body = {"code": error.code, "message": message, "errors": []}
            return _json(503, body, headers={"Retry-After": str(RETRY_AFTER_S)})
        case _:
            return _json(500, {"code": error.code, "message": message, "errors": []})
