"""Posting a run: accepted, refused, repeated, raced."""

import json
from dataclasses import replace
from typing import Any

import pytest

from doubles.launcher import NotedLauncher
from doubles.means import contents, make_means
from engine.adapters.memory import MemoryStore
from engine.errors import StoreUnavailable
from engine.plan.spec.execution import Runner
from engine.plan.target import parse_targets
from engine.run import state
from engine.run.answers import Answer
from engine.run.files import find_submission, read_spec
from unit.run.asking import SPEC, accepted, finish, post, said


def test_posted_run_is_accepted() -> None:
    """The answer has the run, what it comes to, where to look, and the orchestration to start."""
    means = make_means()
    found = post(means)
    body = said(found)
    assert found.status == 202
    assert found.headers == {"Location": "/api/runs/run-0001", "Retry-After": "2"}
    assert found.start == ("run-0001", {"runId": "run-0001", "attempt": 1})
    assert body["runId"] == "run-0001"
    assert body["state"] == "accepted"
    assert body["spec"]["randomSeed"] == 4711
    assert body["estimate"]["batches"] == 1
    assert body["links"]["report"] == "/api/runs/run-0001/report"


def test_echoed_spec_can_be_posted_again() -> None:
    """What the answer shows is a spec that asks for the same."""
    means = make_means()
    echoed = said(post(means))["spec"]
    assert said(post(means, echoed))["spec"] == echoed


def test_every_problem_of_a_spec_is_told_at_once() -> None:
    """400 names each wrong field by JSON pointer, and what would have been right."""
    found = post(make_means(), {"scenario": "cert-renewal", "devices": {"count": 0}, "load": {"duration": 5}, "x": 1})
    body = said(found)
    assert (found.status, body["code"]) == (400, "spec-invalid")
    assert {problem["path"] for problem in body["errors"]} == {"/devices/count", "/load/duration", "/x"}
    assert all(problem["allowed"] for problem in body["errors"] if problem["path"] == "/devices/count")
    assert "\n" not in body["message"]


def refusals() -> list[Any]:
    """Specs that are refused: id, spec, query, status, code."""
    return [
        pytest.param({"scenario": "nothing"}, 400, "spec-invalid", id="unknown scenario"),
        pytest.param(b"{", 400, "spec-invalid", id="no JSON"),
        pytest.param(b"\xff", 400, "spec-invalid", id="no text"),
        pytest.param(b"", 400, "spec-invalid", id="no body"),
        pytest.param(b"[]", 400, "spec-invalid", id="no object"),
        pytest.param({**SPEC, "target": "moon"}, 400, "spec-invalid", id="unknown target"),
        pytest.param(b" " * (64 * 1024 + 1), 413, "too-large", id="over 64 KB"),
        pytest.param({**SPEC, "execution": {"runner": "job"}}, 400, "spec-invalid", id="no job runner"),
        pytest.param({**SPEC, "devices": {"count": 100_001}}, 422, "over-quota", id="over MAX_DEVICES"),
        pytest.param({**SPEC, "target": "staging", "devices": {"count": 41}}, 422, "over-quota", id="over a ceiling"),
        pytest.param({**SPEC, "limits": {"maxDuration": "10s"}}, 422, "over-budget", id="over its own limit"),
        pytest.param({**SPEC, "target": "staging"}, 422, "over-budget", id="over the ceiling of cost"),
        pytest.param({**SPEC, "devices": {"count": 6000}}, 422, "over-quota", id="too many batches at once"),
    ]


@pytest.mark.parametrize(("spec", "status", "code"), refusals())
@pytest.mark.parametrize("query", [{}, {"dryRun": "true"}], ids=["run", "dry run"])
def test_refused_spec_writes_nothing(spec: Any, status: int, code: str, query: dict[str, str]) -> None:
    """Whatever is wrong with it, the store holds what it held before."""
    means = make_means()
    accepted(means, "before")
    before = contents(means.store)
    found = post(means, spec, **query)
    assert (found.status, said(found)["code"], found.start) == (status, code, None)
    assert contents(means.store) == before


def test_run_of_stored_devices_needs_them() -> None:
    """What only the names can tell is refused before anything is written, too."""
    means = make_means()
    found = post(means, {**SPEC, "devices": {"source": "stored-only"}})
    assert (found.status, said(found)["limit"]["name"]) == (422, "devices.stored")
    assert contents(means.store) == {}


def test_refusal_for_a_limit_names_it() -> None:
    """422 says which limit is in the way, what it is and what would be needed."""
    body = said(post(make_means(), {**SPEC, "target": "staging", "devices": {"count": 41}}))
    assert body["limit"] == {
        "name": "staging.ceilings.devices",
        "value": "40",
        "need": "41",
        "unit": "devices",
        "source": "target profile staging",
    }


def test_job_needs_a_place_for_workers() -> None:
    """Where none is set up the runner is refused by name, together with all else; where one is, nothing is said."""
    body = said(post(make_means(), {**SPEC, "execution": {"runner": "job", "cpu": 2}}))
    assert {problem["path"] for problem in body["errors"]} == {"/execution/runner"}
    store = MemoryStore()
    means = make_means(store, launcher=NotedLauncher(store))
    found = post(means, {**SPEC, "execution": {"runner": "job", "cpu": 2}})
    assert (found.status, said(found)["estimate"]["batches"]) == (202, 2)


LARGE = {"scenario": "provision", "devices": {"count": 6_000}}


def test_auto_is_told_as_asked_and_settled_as_accepted() -> None:
    """The echo can be posted again anywhere; the run stays what it was when it was accepted, whatever comes later."""
    store = MemoryStore()
    means = make_means(store, launcher=NotedLauncher(store))
    body = said(post(means, LARGE, key="large"))
    assert (body["spec"]["execution"]["runner"], body["estimate"]["runner"]) == ("auto", "job")
    assert read_spec(store, "large").execution.runner is Runner.JOB
    without = replace(means, launcher=None)
    again = post(without, LARGE, key="large")
    assert (again.status, said(again)["estimate"]["runner"]) == (200, "job")
    assert said(again)["spec"] == body["spec"]
    assert read_spec(store, "large").execution.runner is Runner.JOB


@pytest.mark.parametrize("query", [{}, {"dryRun": "true"}], ids=["run", "dry run"])
def test_auto_falls_back_on_activities_where_they_will_do(query: dict[str, str]) -> None:
    """A server without workers refuses nothing that it can run, and says what would have been better."""
    found = post(make_means(), LARGE, **query)
    body = said(found)
    assert found.status == (200 if query else 202)
    assert (body["spec"]["execution"]["runner"], body["estimate"]["runner"]) == ("auto", "activity")
    assert body["estimate"]["warnings"] == [
        "runner: activities will do it, a job does better: 6000 devices are more than 5000"
    ]


@pytest.mark.parametrize(
    ("more", "allowed"),
    [
        ({"execution": {"cpu": 2}}, "activity, without a cpu above 1"),
        ({"load": {"duration": "2h"}, "limits": {"maxDuration": "3h"}}, 'activity, with a load of ≤ "1h"'),
        ({"execution": {"runner": "job"}}, "activity"),
    ],
)
def test_server_without_workers_refuses_what_takes_them(more: dict[str, Any], allowed: str) -> None:
    """400 names the field, and what this server can do instead."""
    found = post(make_means(), {**SPEC, **more})
    (problem,) = said(found)["errors"]
    assert (found.status, problem["path"], problem["allowed"]) == (400, "/execution/runner", allowed)


def test_dry_run_of_a_million_devices_is_by_arithmetic() -> None:
    """Ten thousand batches in waves of ten: what it comes to is known without going through any of them."""
    ceilings = {"devices": 1_000_000, "ratePerSecond": 50, "duration": "7d", "costUsd": 40}
    service = {"host": "dps.example", "idScope": "0ne1", "secret": "key"}
    profile = {"dps": [service], "hubs": ["hub.example"], "ceilings": ceilings}
    targets = parse_targets(json.dumps({"staging": profile}), allowed_hosts=["*.example"])
    store = MemoryStore()
    means = make_means(store, targets=targets, max_devices=1_000_000, launcher=NotedLauncher(store))
    spec = {
        "scenario": "provision",
        "target": "staging",
        "devices": {"count": 1_000_000},
        "execution": {"batchSize": 100},
        "limits": {"maxDuration": "48h"},
    }
    found = post(means, spec, dryRun="true")
    shown = said(found)["estimate"]
    assert found.status == 200
    assert shown["binding"]["limit"] == "adr.devices"
    assert {name: shown[name] for name in ("batches", "waves", "runner", "cores", "inFlight", "duration")} == {
        "batches": 10_000,
        "waves": 1_000,
        "runner": "job",
        "cores": 10,
        "inFlight": 465,
        "duration": "27h7m47s",
    }
    assert shown["cost"] == {"computeUsd": 29.31, "targetSide": "not included: 1,000,000 DPS registrations"}
    assert contents(store) == {}


def test_dry_run_writes_nothing() -> None:
    """The estimate is given, nothing is started and nothing is kept."""
    means = make_means()
    found = post(means, dryRun="true")
    assert found.status == 200
    assert set(said(found)) == {"spec", "estimate"}
    assert found.start is None
    assert contents(means.store) == {}


@pytest.mark.parametrize("key", ["abc", "", "Nightly", "a_b_c", "x" * 65, "nightly\n", "../etc"])
def test_key_that_cannot_be_a_run_id_is_refused(key: str) -> None:
    """An Idempotency-Key is 4 to 64 of a-z, 0-9 and -."""
    means = make_means()
    found = post(means, key=key)
    assert (found.status, said(found)["code"]) == (400, "spec-invalid")
    assert contents(means.store) == {}


def test_same_key_and_spec_is_the_same_run() -> None:
    """Asked again, also a day later, a body that leaves name and seed open gives the run it gave before."""
    means = make_means()
    first = post(means, key="nightly")
    before = contents(means.store)
    means.clock.sleep(86_400)
    again = post(means, key="nightly")
    assert (first.status, again.status) == (202, 200)
    assert said(again)["spec"] == said(first)["spec"]
    assert contents(means.store).keys() == before.keys()


def test_same_key_starts_an_accepted_run_again() -> None:
    """A client that never heard the first answer makes sure that the run is started; starting twice is harmless."""
    means = make_means()
    accepted(means, "nightly")
    assert post(means, key="nightly").start == ("nightly", {"runId": "nightly", "attempt": 1})


def test_same_key_of_a_finished_run_takes_no_names() -> None:
    """The run is shown; its device names, long free, stay free."""
    means = make_means()
    accepted(means, "nightly")
    finish(means, "nightly")
    before = contents(means.store)
    found = post(means, key="nightly")
    assert (found.status, said(found)["state"], found.start) == (200, "finished", None)
    assert contents(means.store) == before


def test_same_key_and_another_spec_is_refused() -> None:
    """A key is good for one spec; the other is told so and changes nothing."""
    means = make_means()
    accepted(means, "nightly")
    before = contents(means.store)
    found = post(means, {**SPEC, "devices": {"prefix": "other-"}}, key="nightly")
    assert (found.status, said(found)["code"]) == (409, "key-reused")
    assert contents(means.store) == before


class Racing(MemoryStore):
    """A store in which somebody else posts under the same key in the middle of a post."""

    def __init__(self) -> None:
        super().__init__()
        self.rival: Any = None

    def create(self, key: str, body: bytes) -> str:
        rival, self.rival = (self.rival, None) if key.endswith("spec.json") else (None, self.rival)
        if rival is not None:
            rival()
        return super().create(key, body)


def test_rival_with_the_same_body_is_the_same_run() -> None:
    """Of two requests at the same moment one makes the run; the other answers with that run's own seed."""
    store = Racing()
    means = make_means(store)
    seen: list[Answer] = []
    store.rival = lambda: seen.append(post(means, key="nightly"))
    found = post(means, key="nightly")
    assert [seen[0].status, found.status] == [202, 200]
    assert said(found)["spec"] == said(seen[0])["spec"]


def test_rival_with_another_body_wins_alone() -> None:
    """Of two specs at the same moment one makes the run, and the state is that spec's."""
    store = Racing()
    means = make_means(store)
    store.rival = lambda: post(means, {**SPEC, "name": "rival"}, key="nightly")
    found = post(means, key="nightly")
    asked = find_submission(store, "nightly")
    assert (found.status, said(found)["code"]) == (409, "key-reused")
    assert asked is not None
    assert (asked.spec.name, state.read_state(store, "nightly").name) == ("rival", "rival")


@pytest.mark.parametrize("writes", range(4))
def test_post_that_failed_half_way_can_be_repeated(writes: int) -> None:
    """Wherever the store went away, the same request then makes the run that the first would have made."""
    store = Failing(writes)
    means = make_means(store)
    first = post(means, key="nightly")
    assert (first.status, said(first)["code"]) == (503, "store-unavailable")
    store.left = 1000
    means.clock.sleep(86_400)
    again = post(means, key="nightly")
    assert again.status in (200, 202)
    assert again.start == ("nightly", {"runId": "nightly", "attempt": 1})
    assert post(means, key="nightly").status == 200


def test_post_that_failed_frees_its_names() -> None:
    """Names of a run that never came to be are free again within minutes, and not after its longest duration."""
    store = Failing(1)
    means = make_means(store)
    spec = {**SPEC, "devices": {"startIndex": 0}}
    assert post(means, spec).status == 503
    store.left = 1000
    assert said(post(means, spec))["code"] == "overlap"
    means.clock.sleep(301)
    assert post(means, spec).status == 202


class Failing(MemoryStore):
    """A store that takes so many writes and then none."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def create(self, key: str, body: bytes) -> str:
        self._spend(key)
        return super().create(key, body)

    def replace(self, key: str, body: bytes, version: str) -> str:
        self._spend(key)
        return super().replace(key, body, version)

    def _spend(self, key: str) -> None:
        if not self.left:
            raise StoreUnavailable(key, "nobody answers")
        self.left -= 1


def test_overlapping_names_are_refused() -> None:
    """409 names the run that holds the devices which startIndex asks for."""
    means = make_means()
    accepted(means, "first", {**SPEC, "devices": {"startIndex": 5}})
    before = contents(means.store)
    found = post(means, {**SPEC, "devices": {"startIndex": 14}})
    assert (found.status, said(found)["code"]) == (409, "overlap")
    assert "run first" in said(found)["message"]
    assert contents(means.store) == before
