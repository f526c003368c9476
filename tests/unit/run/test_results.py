"""A run's documents: partial while it goes on, final after."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doubles.means import contents, deliver, local_targets, make_means, plan
from engine.measure.signal import Delivery
from engine.measure.timeline import Timeline
from engine.plan.target import parse_targets
from engine.run import api, results, start, state
from engine.run.answers import Handler, Request, answer
from engine.run.closing import close_run, give_up
from engine.run.means import Means

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 4}, "execution": {"batchSize": 2}}
ORDER = {"runId": "run-a", "attempt": 1}


def summary(means: Means) -> dict[str, Any]:
    """GET /api/runs/run-a/results."""
    found = answer(api.get_results, Request(run_id="run-a"), means)
    assert found.status == 200
    body: dict[str, Any] = json.loads(found.body)
    return body


def test_documents_are_partial_while_the_run_goes_on() -> None:
    """They are marked so, hold what is there, and are not kept."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    assert summary(means)["partial"] is True
    assert summary(means)["operations"]["cert.issued"]["ok"] == 5
    report = answer(api.get_report, Request(run_id="run-a"), means)
    timeline = answer(api.get_intervals, Request(run_id="run-a"), means)
    assert (report.content_type, timeline.content_type) == ("text/html", "text/csv")
    assert b"PASSED so far" in report.body
    assert timeline.body.count(b"\n") > 1
    assert contents(means.results) == {}


ASKED = [
    (api.get_report, {}, "", "text/html", b"<!doctype html>"),
    (api.get_report, {}, "text/html,application/xhtml+xml,*/*;q=0.8", "text/html", b"<!doctype html>"),
    (api.get_report, {"format": "md"}, "text/html", "text/markdown", b"# "),
    (api.get_report, {}, "text/markdown", "text/markdown", b"# "),
    (api.get_report, {"format": "html"}, "text/markdown", "text/html", b"<!doctype html>"),
    (api.get_intervals, {}, "*/*", "text/csv", b"start_s,"),
    (api.get_intervals, {"format": "json"}, "", "application/json", b'{"runId":"run-a"'),
    (api.get_intervals, {}, "application/json", "application/json", b'{"runId":"run-a"'),
    (api.get_intervals, {"format": "csv"}, "application/json", "text/csv", b"start_s,"),
    (api.get_results, {}, "text/html", "application/json", b"{"),
]


@pytest.mark.parametrize(("handler", "query", "accept", "content_type", "begins"), ASKED)
@pytest.mark.parametrize("is_over", [False, True])
def test_documents_come_in_the_form_that_is_asked_for(
    handler: Handler, query: dict[str, str], accept: str, content_type: str, begins: bytes, is_over: bool
) -> None:
    """By the query, else by what the header Accept likes, else the usual one; while the run goes on and after."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for batch in (0, 1):
        deliver(means, "run-a", batch)
    if is_over:
        close_run(ORDER, means)
    found = answer(handler, Request(run_id="run-a", query=query, headers={"accept": accept}), means)
    assert (found.status, found.content_type) == (200, content_type)
    assert found.body.startswith(begins)


@pytest.mark.parametrize("handler", [api.get_results, api.get_intervals, api.get_report])
def test_documents_in_a_form_that_is_none_are_refused(handler: Handler) -> None:
    """With those that there are."""
    means = make_means()
    plan(means, "run-a", SPEC)
    found = answer(handler, Request(run_id="run-a", query={"format": "docx"}), means)
    body = json.loads(found.body)
    assert (found.status, body["code"]) == (400, "spec-invalid")
    assert body["errors"][0]["allowed"] in ("json", "csv | json", "html | md")


def test_page_goes_with_its_own_policy() -> None:
    """What the page says of itself, and that nobody may frame it; nothing runs in any other document."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    page = answer(api.get_report, Request(run_id="run-a"), means)
    policy = page.headers["Content-Security-Policy"]
    assert policy.endswith("; frame-ancestors 'none'")
    assert f'content="{policy.removesuffix("; frame-ancestors 'none'")}"'.encode() in page.body
    for handler in (api.get_results, api.get_intervals):
        headers = answer(handler, Request(run_id="run-a"), means).headers
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == page.headers["X-Content-Type-Options"] == "nosniff"


def test_page_shows_each_batch_over_time() -> None:
    """The heat map has what every batch delivered, in the order of the plan."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for batch in (1, 0):
        deliver(means, "run-a", batch)
    found = answer(api.get_intervals, Request(run_id="run-a", query={"format": "json"}), means)
    heat = json.loads(found.body)["heat"]
    assert heat["batches"] == [
        {"name": name, "p95": [1000.0], "failed": [0], "ended": [5]} for name in ("batch 0", "batch 1")
    ]


def test_telemetry_that_was_dropped_is_a_warning() -> None:
    """Beside the others, in the state as in the summary."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for batch in (0, 1):
        deliver(means, "run-a", batch, telemetry=Delivery(sent=90, dropped=5))
    close_run(ORDER, means)
    assert summary(means)["telemetry"] == {"sent": 180, "retried": 0, "dropped": 10}
    told = "telemetry: 10 of 190 signals were dropped, so queries see less than this report"
    assert told in summary(means)["warnings"]
    assert told in state.read_state(means.store, "run-a").warnings


def test_summary_says_who_asked_for_the_run() -> None:
    """As its state does."""
    means = make_means()
    plan(means, "run-a", SPEC)
    state.amend(means.store, "run-a", lambda found: replace(found, started_by="alice@contoso.example"))
    assert summary(means)["startedBy"] == "alice@contoso.example"


def test_documents_are_final_after_the_run() -> None:
    """What is served is what was written, also when the target is gone by then."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    close_run(ORDER, means)
    assert summary(means)["partial"] is False
    assert summary(means)["verdict"] == "passed"
    moved = make_means(means.store, results=means.results, targets=type(means.targets)({}))
    for name, handler in (("report.html", api.get_report), ("timeline.csv", api.get_intervals)):
        held = means.results.read(f"run-a/{name}")
        assert held is not None
        assert answer(handler, Request(run_id="run-a"), moved).body == held.body


def test_documents_of_a_run_that_was_given_up_are_what_there_is() -> None:
    """Batches had delivered before closing failed: their numbers can be read, under the verdict that the run has."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    give_up({**ORDER, "why": "it could not be closed"}, means)
    assert summary(means)["verdict"] == "error"
    assert summary(means)["partial"] is False
    assert summary(means)["operations"]["cert.issued"]["ok"] == 5


def test_documents_of_a_run_that_was_never_planned_are_not_there() -> None:
    """404 that says so, for ever."""
    means = make_means()
    body = json.dumps(SPEC).encode()
    answer(api.post_run, Request(body=body, headers={"idempotency-key": "run-a"}), means)
    close_run({**ORDER, "why": "refused"}, means)
    found = answer(api.get_results, Request(run_id="run-a"), means)
    assert found.status == 404
    assert "never planned" in json.loads(found.body)["message"]


def test_emulator_is_asked_what_this_run_brought() -> None:
    """The difference of two readings; nothing where one of them failed."""
    readings = iter([{"connects": 3}, {"connects": 10}, None])
    local = {"host": "127.0.0.1", "idScope": "0ne00000000", "control": "http://127.0.0.1:9"}
    means = make_means(targets=local_targets(local), counters=lambda _: next(readings))
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    assert summary(means)["emulator"] != []
    assert not summary(means)["emulator"]


def test_thresholds_of_the_spec_are_judged() -> None:
    """A threshold that fails makes the verdict, and is told with its value."""
    means = make_means()
    plan(means, "run-a", {**SPEC, "thresholds": [{"metric": "cert.issued", "expr": "p(95)<10"}]})
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    assert close_run(ORDER, means) == {"verdict": "failed", "exitCode": 99}
    assert summary(means)["thresholds"][0]["ok"] is False


def test_limit_that_was_reached_aborts() -> None:
    """The run's own time was over."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0, stop="limit")
    deliver(means, "run-a", 1)
    assert close_run(ORDER, means)["verdict"] == "aborted"
    assert state.read_state(means.store, "run-a").reasons == ("limits.maxDuration, 2h, was over",)


def test_limit_that_was_reached_is_named() -> None:
    """Money that was spent before the time was over is what ended the run."""
    profile = {
        "dps": [{"host": "dps.example", "idScope": "0ne1", "secret": "key"}],
        "hubs": ["hub.example"],
        "ceilings": {"costUsd": 0.05},
    }
    targets = parse_targets(json.dumps({"staging": profile}), allowed_hosts=["*.example"])
    means = make_means(targets=targets)
    plan(means, "run-a", {**SPEC, "target": "staging"})
    deliver(means, "run-a", 0, stop="limit")
    deliver(means, "run-a", 1)
    assert close_run(ORDER, means)["verdict"] == "aborted"
    assert state.read_state(means.store, "run-a").reasons == ("staging.ceilings.costUsd, 0.05 USD, was spent",)


def test_limit_of_a_run_whose_target_is_gone_is_its_own() -> None:
    """The server no longer has the profile: what the spec says is left."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0, stop="limit")
    deliver(means, "run-a", 1)
    means = replace(means, targets=parse_targets("", allowed_hosts=()))
    assert close_run(ORDER, means)["verdict"] == "aborted"
    assert state.read_state(means.store, "run-a").reasons == ("limits.maxDuration, 2h, was over",)


@pytest.mark.parametrize(("came", "named"), [((0, 1), []), ((0,), ["batches 1"]), ((), [])])
def test_batches_that_the_others_did_not_wait_for_are_named(came: tuple[int, ...], named: list[str]) -> None:
    """Where batches begin together a late one is a warning; where none waited nobody is late."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for batch in came:
        arrival = start.Arrival("run-a", 1, 0, batch, batches_in_wave=2, deadline=5.0, rendezvous=True)
        start.arrive(means.store, arrival, now=9.0 if batch == came[-1] else 1.0)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    close_run(ORDER, means)
    found = [line for line in state.read_state(means.store, "run-a").warnings if line.startswith("not ready")]
    assert found == [f"not ready when the load began: {line}" for line in named]


def test_many_late_batches_are_counted() -> None:
    """A warning is one line, however many there are."""
    means = make_means()
    plan(means, "run-a", {**SPEC, "devices": {"count": 13}, "execution": {"batchSize": 1, "maxParallelBatches": 13}})
    arrival = start.Arrival("run-a", 1, 0, 12, batches_in_wave=13, deadline=5.0, rendezvous=True)
    start.arrive(means.store, arrival, now=9.0)
    for batch in range(13):
        deliver(means, "run-a", batch)
    close_run(ORDER, means)
    late = "not ready when the load began: batches 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert late in state.read_state(means.store, "run-a").warnings


def test_run_that_measured_nothing_is_an_error() -> None:
    """All batches delivered, and nothing was due."""
    means = make_means()
    plan(means, "run-a", SPEC)
    for batch in (0, 1):
        deliver(means, "run-a", batch, timeline=Timeline(10.0), handed=0)
    assert close_run(ORDER, means)["verdict"] == "error"


@pytest.mark.parametrize("name", sorted(results.DOCUMENTS))
def test_documents_are_written_again_the_same(name: str) -> None:
    """A closing that is tried again replaces what the first try wrote."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    found = state.advance(means.store, "run-a", state.Event.BATCHES_DONE, now=means.clock.wall())
    result = results.conclude_run(found, means, ending=results.Ending())
    results.write(result, means.results)
    first = means.results.read(f"run-a/{name}")
    results.write(result, means.results)
    assert means.results.read(f"run-a/{name}") == first


def test_documents_are_partial_until_the_run_is_finished() -> None:
    """They may have been written by a closing that then failed: the state has the last word."""
    means = make_means()
    plan(means, "run-a", SPEC)
    deliver(means, "run-a", 0)
    deliver(means, "run-a", 1)
    found = state.advance(means.store, "run-a", state.Event.BATCHES_DONE, now=means.clock.wall())
    results.write(results.conclude_run(found, means, ending=results.Ending()), means.results)
    assert summary(means)["partial"] is True


def test_search_is_in_the_documents_and_warned_of_where_the_harness_limited_it() -> None:
    """The knee's section, the summary's search, and no verdict worse for it."""
    knee = {"held": 30.0, "failed": None, "limitedBy": "harness"}
    last = {"rate": 45.0, "beginS": 0.0, "endS": 10.0, "starts": 6, "dropped": 3, "value": 0.0, "held": False}
    search = {"unitS": 60.0, "stopWhen": "cert.issued:throttled share>0.05", "knee": knee, "curve": [last]}
    means = make_means()
    plan(means, "run-a", {"scenario": "cert-throttle", "devices": {"count": 4}})
    deliver(means, "run-a", 0, search=search)
    close_run(ORDER, means)
    assert summary(means)["search"] == search
    assert summary(means)["verdict"] == "passed"
    assert [text for text in summary(means)["warnings"] if "limited by the harness: 50.0 %" in text]
    report = answer(api.get_report, Request(run_id="run-a", query={"format": "md"}), means)
    assert b"## The knee" in report.body


def test_version_is_the_projects() -> None:
    """The one that pyproject.toml has."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == results.VERSION
