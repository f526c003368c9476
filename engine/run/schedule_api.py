"""Schedules over HTTP: put, get, list, delete. A spec is refused here as it would be at POST /api/runs."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.errors import HarnessError, NotFound, Problem, SpecError
from engine.plan.document import Json, parse_document, take
from engine.plan.spec.parse import LIMIT_BYTES
from engine.report.units import instant
from engine.run import api, schedules
from engine.run.answers import Answer, Request, as_json
from engine.run.means import Means
from engine.run.schedule_form import read_form
from engine.run.schedules import Firing, Schedule

SHOWN = 5
_NAME = re.compile(r"[a-z0-9-]{1,40}")


def put_schedule(request: Request, means: Means) -> Answer:
    """PUT /api/schedules/{name}: the schedule is this from now on; harmless when repeated."""
    name, now = request.name, means.clock.wall()
    if not _NAME.fullmatch(name):
        raise SpecError([Problem("", f"the name in the path is {name[:80]!r}", "[a-z0-9-]{1,40}")])
    given = parse_document(request.body, limit_bytes=LIMIT_BYTES)
    held = schedules.find(means.store, name)
    wish, problems = read_form(given, now=now, kept=None if held is None else held.wish.at)
    foreseen, refused = _foreseen(given.get("spec"), means)
    match refused:
        case SpecError():
            problems += [replace(problem, path=f"/spec{problem.path}") for problem in refused.problems]
        case HarnessError() if wish is not None:
            raise refused
    if wish is None or problems:
        raise SpecError(problems)
    kept, is_new = schedules.put(means.store, name, wish, _lasting(foreseen["spec"], wish.spec), now=now)
    body = {**_shown(kept, now), "estimate": foreseen["estimate"]}
    return as_json(201 if is_new else 200, body, headers={"Location": _link(name)})


def get_schedule(request: Request, means: Means) -> Answer:
    """GET /api/schedules/{name}: what is asked for, the next five firings, and what became of the last ones."""
    return as_json(200, _shown(_find(request, means), means.clock.wall()))


def get_schedules(_request: Request, means: Means) -> Answer:
    """GET /api/schedules: all of them, by name."""
    names, now = schedules.names(means.store), means.clock.wall()
    found = [_shown(held, now) for name in names if (held := schedules.find(means.store, name)) is not None]
    return as_json(200, {"schedules": found})


def delete_schedule(request: Request, means: Means) -> Answer:
    """DELETE /api/schedules/{name}: it starts nothing any more; its runs go on and stay."""
    schedules.delete(means.store, _find(request, means).name)
    return Answer(204, b"")


def _find(request: Request, means: Means) -> Schedule:
    found = schedules.find(means.store, request.name) if _NAME.fullmatch(request.name) else None
    if found is None:
        raise NotFound(f"schedule {request.name[:80]}", "there is none of that name")
    return found


def _foreseen(spec: object, means: Means) -> tuple[Json, HarnessError | None]:
    """What a dry run of the spec answers, or why it is refused; of what is no object, nothing."""
    if not isinstance(spec, dict):
        return {}, None
    try:
        dry = api.post_run(Request(body=json.dumps(spec).encode(), query={"dryRun": "true"}), means)
    except HarnessError as refused:
        return {}, refused
    return json.loads(dry.body), None


def _lasting(echo: Json, posted: Mapping[str, Any]) -> Json:
    """The spec with its defaults, less what every firing chooses anew: put again, it is the same schedule."""
    chosen = [name for name in ("randomSeed", "name") if take(posted, f"/{name}") is None]
    return {name: value for name, value in echo.items() if name not in chosen}


def _shown(held: Schedule, now: float) -> Json:
    wish = held.wish
    lately = [_fired(held, firing) for firing in held.lately]
    return {
        "name": held.name,
        "spec": dict(held.echo),
        **({"cron": wish.cron} if wish.at is None else {"at": _local(held, wish.at)}),
        "timeZone": wish.time_zone,
        "overlap": wish.overlap,
        "enabled": wish.enabled,
        "created": instant(held.created),
        "changed": instant(held.changed),
        "next": [_local(held, at) for at in held.next(SHOWN, now=now)],
        "last": lately[0] if lately else None,
        "lately": lately,
        "links": {"self": _link(held.name)},
    }


def _fired(held: Schedule, firing: Firing) -> Json:
    run = {"runId": firing.run_id} if firing.run_id else {}
    why = {"why": firing.why} if firing.why else {}
    return {"firing": _local(held, firing.at), "became": firing.became, **run, **why}


def _local(held: Schedule, at: float) -> str:
    """A moment as the clocks of the schedule's zone show it, RFC 3339."""
    return datetime.fromtimestamp(at, held.wish.zone).isoformat()


def _link(name: str) -> str:
    return f"/api/schedules/{name}"
