"""What the API really answers is what its OpenAPI document says: every answer here is held against it."""

import json
from typing import Any

import pytest

from doubles.means import deliver, make_means, plan, renewals
from engine.batch.progress import Progress
from engine.errors import Forbidden, LaunchError, Outcome, RunRefused, SettingsError, SpecTooLarge, Unauthorized
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.signal import Delivery
from engine.measure.timeline import Timeline
from engine.plan.target import parse_targets
from engine.run import api, cleanup, keys, record, removal, resume, schedule_api, ui
from engine.run.answers import Answer, Handler, Request, answer, refusal
from engine.run.closing import close_run
from engine.run.compare_api import get_compare
from engine.run.means import Means
from engine.run.tick import tick
from unit.run.asking import Away, finish, post
from unit.run.openapi.described import calls, check

SPEC: dict[str, Any] = {
    "scenario": "cert-renewal",
    "name": "nightly",
    "labels": {"team": "iot"},
    "devices": {"count": 4},
    "execution": {"batchSize": 2},
    "thresholds": [
        {"metric": "cert.issued", "expr": "p(95)<=10"},
        {"metric": "cert.issued", "expr": "fail_rate<0.5", "window": "10s", "delay": "1s"},
    ],
}
RUN = "run-a"
ORDER = {"runId": RUN, "attempt": 1}
NIGHTLY: dict[str, Any] = {"spec": {"scenario": "cert-renewal"}, "cron": "0 30 2 * * *", "timeZone": "Europe/Berlin"}


def ask(operation: str, handler: Handler, means: Means, run_id: str = RUN, **query: str) -> Any:
    """The JSON of a call's answer on a run, which is as it is described."""
    return check(operation, answer(handler, Request(run_id=run_id, query=query), means))


@pytest.fixture
def everything() -> Means:
    """Means with a target that has all that a profile may have, two that have little, and the emulator with faults."""
    host = "a.example"
    dps = {"host": host, "idScope": "0ne1", "secret": "staging-group-key"}
    registry = dict.fromkeys(("subscription", "resourceGroup", "namespace", "location"), "word")
    whole = {
        "dps": [{**dps, "serviceHost": host}, {**dps, "transport": "https", "attestation": "x509"}],
        "hubs": [host],
        "http": {"url": "https://a.example/?token"},
        "adr": registry,
        "tls": "1.3",
        "quotas": {"dps.registrations": 500},
        "ceilings": {"devices": 5000, "ratePerSecond": 50, "duration": "8h", "costUsd": 20},
    }
    profiles = json.dumps({"whole": whole, "bare": {"hubs": [host]}, "open": {"dps": [dps]}})
    local = json.dumps({"host": "127.0.0.1", "port": 8883, "idScope": "0ne1", "faults": {"throttled": 0.1}})
    return make_means(targets=parse_targets(profiles, allowed_hosts=[host], local=local))


def troubled() -> Timeline:
    """Renewals of which most went well, and one of each other end; with a hub and a part."""
    found = renewals(5)
    series = Series(Operation.CERT_ISSUED, Phase.STEADY, "hub.example")
    for outcome in (Outcome.THROTTLED, Outcome.LATE, Outcome.LOST, Outcome.OK):
        found.due(series, 6.0)
        found.start(series, 6.0)
        found.settle(Sample(series, 6.0, 6.0, 7.0, outcome, code="429001", detail="slow down", device="device-1"))
    return found


def over(means: Means | None = None, run_id: str = RUN, **spec: Any) -> Means:
    """Means with a run that has ended, whose first batch had trouble."""
    means = means or make_means()
    plan(means, run_id, {**SPEC, **spec})
    deliver(means, run_id, 0, timeline=troubled())
    deliver(means, run_id, 1)
    close_run({**ORDER, "runId": run_id}, means)
    means.clock.sleep(3600)
    return means


def test_started_run_is_answered_as_described() -> None:
    """A dry run, a new run, and the same again."""
    means = make_means()
    assert set(check("post_run", post(means, SPEC, dryRun="true"))) == {"spec", "estimate"}
    assert check("post_run", post(means, SPEC, key="run-0001"))["state"] == "accepted"
    found = post(means, SPEC, key="run-0001")
    assert (found.status, check("post_run", found)["runId"]) == (200, "run-0001")


@pytest.mark.parametrize("executor", [None, "max-rate"])
def test_estimate_with_limits_is_as_described(everything: Means, executor: str | None) -> None:
    """Against a service there are limits, known and unknown, of which the run needs so much or nobody can tell."""
    load = {} if executor is None else {"load": {"executor": executor, "duration": "10s"}}
    spec = {"scenario": "cert-renewal", "target": "open", "devices": {"count": 5}, **load}
    estimate = check("post_run", post(everything, spec, dryRun="true"))["estimate"]
    needs = [estimate["binding"], *estimate["limits"]]
    assert len(needs) > 3
    assert None in [need["value"] for need in needs]
    assert (None in [need["need"] for need in needs]) is (executor is not None)


def test_refusals_of_a_run_are_as_described() -> None:
    """Each with its code and status, and what more belongs to it."""
    means = make_means()
    post(means, SPEC, key="run-0001")
    held = {**SPEC, "devices": {"count": 4, "startIndex": 100}}
    post(means, held, key="run-0002")
    refused: list[tuple[Answer, int, str]] = [
        (post(means, {"scenario": "unknown", "load": {"rate": 0}}), 400, "spec-invalid"),
        (post(means, b"not JSON"), 400, "spec-invalid"),
        (post(means, SPEC, key="!"), 400, "spec-invalid"),
        (post(means, {**SPEC, "name": "other"}, key="run-0001"), 409, "key-reused"),
        (post(means, held, key="run-0003"), 409, "overlap"),
        (post(means, b" " * 70_000), 413, "too-large"),
        (post(means, {**SPEC, "target": "staging", "devices": {"count": 41}}), 422, "over-quota"),
        (post(means, {**SPEC, "limits": {"maxDuration": "1s"}}), 422, "over-budget"),
        (post(make_means(Away()), SPEC, key="run-0001"), 503, "store-unavailable"),
    ]
    for found, status, code in refused:
        body = check("post_run", found)
        assert (found.status, body["code"]) == (status, code)
        assert ("limit" in body) is (status == 422)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unauthorized("who?"), 401),
        (Forbidden("no"), 403),
        (SpecTooLarge(2, 1), 413),
        (RunRefused("blocked", "no such target", limit="target"), 422),
        (RunRefused("too-many-runs", "wait"), 429),
        (SettingsError({"STATE_KEY": "missing"}), 500),
        (LaunchError("run-a", "nobody starts it"), 503),
    ],
)
def test_refusals_from_elsewhere_are_as_described(error: Any, status: int) -> None:
    """Those of access, of settings, and of what starts runs."""
    found = refusal(error)
    assert found.status == status
    check("post_run", found)


def test_lists_are_as_described() -> None:
    """Of no runs, of many in pages, filtered, and asked for wrongly."""
    means = make_means()
    assert ask("get_runs", api.get_runs, means)["runs"] == []
    for number in range(52):
        post(means, {**SPEC, "name": f"n-{number}"}, key=f"run-{number:04}")
        means.clock.sleep(1)
    finish(means, "run-0001")
    body = ask("get_runs", api.get_runs, means)
    assert (len(body["runs"]), body["next"]) == (50, "run-0001")
    assert len(ask("get_runs", api.get_runs, means, next=body["next"])["runs"]) == 2
    assert len(ask("get_runs", api.get_runs, means, verdict="passed", label="team=iot", state="finished")["runs"]) == 1
    assert ask("get_runs", api.get_runs, means, state="gone", since="never")["code"] == "spec-invalid"
    assert ask("get_runs", api.get_runs, means, next="nobody")["code"] == "not-found"


def test_run_is_shown_as_described_at_any_time() -> None:
    """Accepted, planned, under load, over, cleaned up; and one that is not there."""
    means = make_means()
    post(means, SPEC, key="run-0001")
    assert ask("get_run", api.get_run, means, "run-0001")["phase"] is None
    plan(means, RUN, SPEC)
    assert ask("get_run", api.get_run, means)["state"] == "running"
    progress = Progress(
        at=1.0,
        phase=Phase.STEADY,
        load_start=0.0,
        load_end=100.0,
        devices={"connected": 2},
        tally=troubled().total(),
        generator={"lagP99Ms": 1.0},
    )
    record.fenced_write(means.store, keys.progress_key(RUN, 0), 1, progress.encode())
    means.clock.sleep(60)
    body = ask("get_run", api.get_run, means)
    assert (body["batches"]["stalled"], body["verdictSoFar"]) == ([0], "failed")
    assert body["failures"]
    over(means, "run-over", baseline="name:nightly")
    assert ask("get_run", api.get_run, means, "run-over")["verdict"] == "failed"
    assert ask("get_run", api.get_run, means, "nobody")["code"] == "not-found"


def test_cancelled_and_resumed_runs_are_answered_as_described() -> None:
    """Also where nothing is left to cancel or to resume."""
    means = make_means()
    plan(means, RUN, SPEC)
    assert ask("post_cancel", api.post_cancel, means)["state"] == "draining"
    deliver(means, RUN, 0)
    deliver(means, RUN, 1, stop="cancelled")
    close_run(ORDER, means)
    assert ask("get_run", api.get_run, means)["verdict"] == "cancelled"
    assert ask("post_resume", resume.post_resume, means)["attempt"] == 2
    whole = over()
    assert ask("post_cancel", api.post_cancel, whole)["code"] == "illegal-move"
    assert ask("post_resume", resume.post_resume, whole)["code"] == "illegal-move"
    assert ask("post_resume", resume.post_resume, whole, "nobody")["code"] == "not-found"


def test_clean_ups_and_removals_are_answered_as_described() -> None:
    """While a clean-up is wanted, under way, and over; of a live run, and of one that goes."""
    means = over()
    assert ask("delete_devices", removal.delete_devices, means)["cleanup"]["isOver"] is False
    assert ask("delete_run", removal.delete_run, means)["code"] == "in-use"
    assert cleanup.end_cleaning({"runId": RUN, "deleted": 4, "left": 0, "why": ""}, means) == {"cleaned": True}
    assert "operations" in ask("get_run", api.get_run, means)["cleanup"]
    assert ask("delete_run", removal.delete_run, means) is None
    assert ask("delete_run", removal.delete_run, means)["code"] == "not-found"


def test_results_are_as_described() -> None:
    """Of a run that is over, compared with a baseline; of one that goes on; of one that has none yet."""
    means = over(over(), "run-b", baseline=RUN)
    body = ask("get_results", api.get_results, means, "run-b")
    assert body["comparison"]["to"]["runId"] == RUN
    assert (body["verdict"], len(body["failures"])) == ("failed", 3)
    assert body["operations"]["cert.issued"]["byHub"]
    plan(means, "run-c", SPEC)
    deliver(means, "run-c", 0)
    assert ask("get_results", api.get_results, means, "run-c")["partial"] is True
    post(means, SPEC, key="run-early")
    assert ask("get_results", api.get_results, means, "run-early")["code"] == "not-found"


def test_results_of_other_scenarios_are_as_described() -> None:
    """A storm has figures of its own."""
    body = ask("get_results", api.get_results, over(scenario="connect-storm", thresholds=[]))
    assert set(body["storm"]) == {"connectedMs", "lostWhileHolding"}


def test_results_count_signals_as_described() -> None:
    """Where telemetry was wanted, what became of it is in the summary."""
    means = make_means()
    plan(means, RUN, SPEC)
    for batch in range(2):
        deliver(means, RUN, batch, telemetry=Delivery(sent=3))
    close_run(ORDER, means)
    assert ask("get_results", api.get_results, means)["telemetry"]["sent"] >= 6


@pytest.mark.parametrize("form", ["csv", "json"])
def test_intervals_are_as_described(form: str) -> None:
    """In both forms, of a run that is over and of one that goes on."""
    means = over()
    plan(means, "run-b", SPEC)
    for run_id in (RUN, "run-b"):
        body = ask("get_intervals", api.get_intervals, means, run_id, format=form)
        assert (body is None) is (form == "csv")
    assert ask("get_intervals", api.get_intervals, means, format="xml")["code"] == "spec-invalid"


def test_reports_are_as_described() -> None:
    """The page and the text, and neither of what is not there."""
    means = over()
    for form in ("html", "md"):
        assert ask("get_report", api.get_report, means, format=form) is None
    assert ask("get_report", api.get_report, means, "nobody")["code"] == "not-found"


def test_comparisons_are_as_described() -> None:
    """With another run, with one that goes on, with none."""
    means = over(over(), "run-b", devices={"count": 3})
    body = ask("get_compare", get_compare, means, "run-b", to=RUN)
    assert body["operations"]["cert.issued"]["ok"]["change"] is not None
    assert "/devices/count" in [one["path"] for one in body["specs"]]
    plan(means, "run-c", SPEC)
    deliver(means, "run-c", 0)
    assert ask("get_compare", get_compare, means, "run-c", to=RUN)["partial"] is True
    assert ask("get_compare", get_compare, means, RUN)["code"] == "spec-invalid"


def scheduled(operation: str, handler: Handler, means: Means, document: Any = None, name: str = "nightly") -> Any:
    """The JSON of a call's answer on a schedule, which is as it is described."""
    body = b"" if document is None else json.dumps(document).encode()
    return check(operation, answer(handler, Request(body, name=name), means))


def test_schedules_are_as_described() -> None:
    """New, changed, fired, listed, gone; by the clock's pattern and for once."""
    means = make_means()
    assert scheduled("put_schedule", schedule_api.put_schedule, means, NIGHTLY)["estimate"]["batches"] == 1
    scheduled("put_schedule", schedule_api.put_schedule, means, {**NIGHTLY, "cron": "0 * * * * *"})
    list(tick(means))
    for _ in range(3):
        means.clock.sleep(60)
        list(tick(means))
    shown = scheduled("get_schedule", schedule_api.get_schedule, means)
    assert {one["became"] for one in shown["lately"]} == {"started", "skipped"}
    once = {"spec": NIGHTLY["spec"], "at": "2030-01-01T00:00:00Z"}
    assert len(scheduled("put_schedule", schedule_api.put_schedule, means, once, "once")["next"]) == 1
    assert len(scheduled("get_schedules", schedule_api.get_schedules, means)["schedules"]) == 2
    assert scheduled("delete_schedule", schedule_api.delete_schedule, means) is None
    assert scheduled("get_schedule", schedule_api.get_schedule, means)["code"] == "not-found"
    assert scheduled("delete_schedule", schedule_api.delete_schedule, means)["code"] == "not-found"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({**NIGHTLY, "cron": "never"}, "spec-invalid"),
        ({**NIGHTLY, "spec": {"scenario": "unknown"}}, "spec-invalid"),
        (
            {**NIGHTLY, "spec": {"scenario": "cert-renewal", "target": "staging", "devices": {"count": 41}}},
            "over-quota",
        ),
        ({**NIGHTLY, "spec": {"scenario": "cert-renewal", "limits": {"maxDuration": "1s"}}}, "over-budget"),
        ({**NIGHTLY, "spec": {"scenario": "cert-renewal", "description": "x" * 70_000}}, "too-large"),
    ],
)
def test_refused_schedules_are_answered_as_described(document: Any, code: str) -> None:
    """What a run would be refused for, a schedule of it is."""
    assert scheduled("put_schedule", schedule_api.put_schedule, make_means(), document)["code"] == code


def test_example_of_a_schedule_is_accepted() -> None:
    """The body that the document shows can be put."""
    _, _, call = calls()["put_schedule"]
    example = call["requestBody"]["content"]["application/json"]["example"]
    scheduled("put_schedule", schedule_api.put_schedule, make_means(), example)


def test_targets_are_as_described(everything: Means) -> None:
    """With all that a profile may have, and with as little as it must; no secret is named."""
    body = ask("get_targets", api.get_targets, everything)
    assert {target["name"] for target in body["targets"]} == {"local", "whole", "bare", "open"}
    assert "staging-group-key" not in json.dumps(body)


def test_page_is_as_described() -> None:
    """It is HTML."""
    assert ask("get_ui", ui.get_ui, make_means()) is None


@pytest.mark.parametrize(
    ("operation", "handler"),
    [
        ("get_runs", api.get_runs),
        ("get_run", api.get_run),
        ("delete_run", removal.delete_run),
        ("delete_devices", removal.delete_devices),
        ("post_cancel", api.post_cancel),
        ("post_resume", resume.post_resume),
        ("get_results", api.get_results),
        ("get_intervals", api.get_intervals),
        ("get_report", api.get_report),
        ("get_compare", get_compare),
        ("get_schedules", schedule_api.get_schedules),
        ("get_schedule", schedule_api.get_schedule),
        ("delete_schedule", schedule_api.delete_schedule),
    ],
)
def test_store_that_is_away_is_answered_as_described(operation: str, handler: Handler) -> None:
    """503 with when to try again, from every call that needs the store."""
    found = answer(handler, Request(run_id=RUN, name="nightly"), make_means(Away()))
    assert (found.status, found.headers) == (503, {"Retry-After": "2"})
    check(operation, found)
