"""The HTTP API as plain values: a request in, an answer out, and what else is to happen.

Nothing here knows Functions or Durable Functions: an answer that starts or cancels an orchestration says so, and
whoever serves HTTP carries it out before the answer goes out. Bad input changes nothing: a spec is parsed, planned
and estimated whole before the first thing is written.
"""

import re
from collections.abc import Mapping
from itertools import dropwhile, islice
from typing import Any, Final

from engine.errors import (
    IllegalMove,
    NotFound,
    Problem,
    RunRefused,
    SpecError,
)
from engine.plan.estimate import estimate
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runner import settled
from engine.report.page import policy_of
from engine.report.units import instant
from engine.run import live, results, state
from engine.run.answers import RETRY_AFTER_S, Answer, Request, as_json
from engine.run.baseline import choose
from engine.run.files import Submission, find_submission, write_submission
from engine.run.forms import Form
from engine.run.forms import choose as choose_form
from engine.run.means import Means, target_of
from engine.run.search import parse_filter
from engine.run.submission import digest, hold, new_state, reserve

LIST_LIMIT = 50
HTML: Final = "text/html"
NOTHING_RUNS: Final = "default-src 'none'; frame-ancestors 'none'"
"""The policy of an answer that is no page, should a browser show it as one."""

_RUN_ID = re.compile(r"[a-z0-9-]{4,64}")


def post_run(request: Request, means: Means) -> Answer:
    """POST /api/runs: the run is accepted and will be started; with dryRun=true nothing is."""
    run_id = _run_id(request, means)
    asked = _asked(run_id, request.body, means, like=find_submission(means.store, run_id))
    foreseen = _foreseen(asked, means)
    found, is_new = _opened(run_id, means), False
    baseline = choose(means.store, asked.spec) if found is None else found.baseline
    if request.query.get("dryRun", "").lower() == "true":
        return as_json(200, foreseen)
    if found is None:
        asked, found, is_new = _open(run_id, asked, request, means, baseline=baseline)
    starts = None
    if found.stage is state.Stage.ACCEPTED:
        hold(run_id, asked.spec, means)
        starts = (found.instance_id, order_of(found))
    body = {
        "runId": run_id,
        "state": found.stage,
        **foreseen,
        "spec": asked.spec.echo(),
        "baseline": found.baseline,
        "links": live.links(run_id),
    }
    headers = {"Location": f"/api/runs/{run_id}", "Retry-After": str(RETRY_AFTER_S)}
    return as_json(202 if is_new else 200, body, headers=headers, start=starts)


def order_of(found: state.RunState) -> dict[str, Any]:
    """What the orchestration of a run is started with."""
    return {"runId": found.run_id, "attempt": found.attempt}


def get_runs(request: Request, means: Means) -> Answer:
    """GET /api/runs: newest first, filtered; `next` is the run to list from the next time."""
    wanted = parse_filter(request.query)
    start = request.query.get("next")
    listed = state.list_runs(means.store)
    if start is not None:
        read_run(start, means)
        listed = dropwhile(lambda found: found.run_id != start, listed)
    page = list(islice((found for found in listed if wanted.matches(found)), LIST_LIMIT + 1))
    following = page[LIST_LIMIT].run_id if len(page) > LIST_LIMIT else None
    return as_json(200, {"runs": [_listed(found) for found in page[:LIST_LIMIT]], "next": following})


def get_run(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}: how it is doing."""
    found = read_run(request.run_id, means)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if found.is_live else {}
    return as_json(200, live.look(request.run_id, found, means), headers=headers)


def post_cancel(request: Request, means: Means) -> Answer:
    """POST /api/runs/{id}/cancel: the run drains; harmless when repeated."""
    found = read_run(request.run_id, means)
    if found.is_live and found.stage is not state.Stage.MERGING:
        found = state.ask_cancel(means.store, request.run_id, now=means.clock.wall())
    elif found.cancel_requested_at is None:
        raise IllegalMove(found.stage, state.Event.CANCEL_ASKED)
    body = {"runId": found.run_id, "state": found.stage, "links": live.links(found.run_id)}
    return as_json(202, body, cancel=found.instance_id if found.is_live else None)


def get_results(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}/results: summary.json, partial while the run goes on."""
    return _document(request, means, {"json": Form(results.SUMMARY, "application/json")})


def get_intervals(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}/intervals: timeline.csv, or charts.json for format=json; partial while the run goes on."""
    csv, json = Form(results.TIMELINE, "text/csv"), Form(results.CHARTS, "application/json")
    return _document(request, means, {"csv": csv, "json": json})


def get_report(request: Request, means: Means) -> Answer:
    """GET /api/runs/{id}/report: a page, or Markdown for format=md; partial while the run goes on.

    Its own policy says what may run on the page; a header can say besides that no other page may frame it.
    """
    page, markdown = Form(results.PAGE, HTML), Form(results.REPORT, "text/markdown")
    return _document(request, means, {"html": page, "md": markdown})


def get_targets(_request: Request, means: Means) -> Answer:
    """GET /api/targets: profiles without their secrets."""
    shown = [target.public() for target in means.targets.by_name.values()]
    return as_json(200, {"targets": shown, "default": means.targets.default})


def _run_id(request: Request, means: Means) -> str:
    """The Idempotency-Key, or a new id. Raises SpecError for a key that cannot be a run id."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return means.new_run_id()
    if not _RUN_ID.fullmatch(key):
        raise SpecError([Problem("", f"the header Idempotency-Key is {key[:80]!r}", "[a-z0-9-]{4,64}")])
    return key


def _asked(run_id: str, body: bytes, means: Means, *, like: Submission | None) -> Submission:
    """What the body asks for. A key seen before must ask for the same again: what the body leaves open is taken from
    what was asked then. Raises SpecError, RunRefused."""
    seed, now = (means.new_seed(), means.clock.wall()) if like is None else (like.spec.random_seed, like.created)
    spec = parse_spec(body, profiles=means.targets, max_devices=means.max_devices, seed=seed, now=now)
    if like is not None and digest(like.spec) != digest(spec):
        raise RunRefused("key-reused", f"run {run_id} was started with another spec")
    has_jobs = means.launcher is not None
    runner = settled(spec, has_jobs=has_jobs).execution.runner if like is None else like.runner
    return Submission(spec, now, runner)


def _foreseen(asked: Submission, means: Means) -> dict[str, Any]:
    """The spec and what it comes to. Raises RunRefused."""
    found = estimate(asked.settled, target_of(asked.spec, means))
    return {"spec": asked.spec.echo(), "estimate": found.to_json()}


def _opened(run_id: str, means: Means) -> state.RunState | None:
    try:
        return state.read_state(means.store, run_id)
    except NotFound:
        return None


def _open(
    run_id: str, asked: Submission, request: Request, means: Means, *, baseline: str | None
) -> tuple[Submission, state.RunState, bool]:
    """What was asked first, the run, and whether this request made it.

    Order matters here: names first, because they may be refused; then the spec, whose first writer wins; then the
    state, which is made of it.
    """
    reserve(run_id, asked.spec, means)
    kept = write_submission(means.store, run_id, asked)
    if kept != asked:
        _asked(run_id, request.body, means, like=kept)
    return kept, *state.open_run(means.store, new_state(run_id, kept, request.principal, baseline=baseline))


def read_run(run_id: str, means: Means) -> state.RunState:
    """The run's state. Raises NotFound, also for what cannot be a run id."""
    found = _opened(run_id, means) if _RUN_ID.fullmatch(run_id) else None
    if found is None:
        raise NotFound(f"run {run_id[:80]}", "there is none of that id")
    return found


def _listed(found: state.RunState) -> dict[str, Any]:
    return {
        "runId": found.run_id,
        "name": found.name,
        "scenario": found.scenario,
        "target": found.target,
        "labels": dict(found.labels),
        "state": found.stage,
        "verdict": found.verdict,
        "created": instant(found.created),
        "startedBy": found.started_by,
        "links": live.links(found.run_id),
    }


def _document(request: Request, means: Means, forms: Mapping[str, Form]) -> Answer:
    form = choose_form(request, forms)
    body = results.document(read_run(request.run_id, means), form.document, means)
    policy = policy_of(body) if form.content_type == HTML else NOTHING_RUNS
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    if len(forms) > 1:
        headers["Vary"] = "Accept"
    return Answer(200, body, headers=headers, content_type=form.content_type)
