"""The HTTP API as plain values: every status, and that what is refused leaves nothing behind."""

import json
from dataclasses import replace
from typing import Any

import pytest

from doubles.means import GROUP_KEY, contents, make_means
from engine.adapters.memory import MemoryStore
from engine.errors import LaunchError, SettingsError, StoreUnavailable
from engine.ports import Held
from engine.run import api, state
from engine.run.api import Answer, Request, answer
from engine.run.files import find_submission
from engine.run.means import Means

SPEC = {"scenario": "cert-renewal"}


def post(means: Means, spec: Any = SPEC, *, key: str | None = None, **query: str) -> Answer:
    """POST /api/runs."""
    body = spec if isinstance(spec, bytes) else json.dumps(spec).encode()
    headers = {} if key is None else {"idempotency-key": key}
    return answer(api.post_run, Request(body=body, headers=headers, query=query), means)


def get(handler: api.Handler, means: Means, run_id: str = "", **query: str) -> Answer:
    """A call on a run, or on all of them."""
    return answer(handler, Request(run_id=run_id, query=query), means)


def said(found: Answer) -> Any:
    """The JSON of an answer."""
    return json.loads(found.body)


def accepted(means: Means, key: str, spec: Any = SPEC) -> str:
    """A run that was accepted."""
    assert post(means, spec, key=key).status == 202
    return key


def finish(means: Means, run_id: str, verdict: str = "passed") -> None:
    """Bring a run to its end, as far as its state is concerned."""
    for event in (state.Event.PLANNED, state.Event.BATCHES_DONE):
        state.advance(means.store, run_id, event, now=means.clock.wall())
    closed = lambda found: replace(found, verdict=verdict)  # noqa: E731
    state.advance(means.store, run_id, state.Event.CLOSED, now=means.clock.wall(), change=closed)


class Away:
    """A store that is away."""

    def read(self, key: str) -> Held | None:
        raise StoreUnavailable(key, "nobody answers")

    create = replace = delete = keys = read


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
        pytest.param({"scenario": "conformance"}, 422, "not-built", id="not built"),
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
    assert body["limit"] == {"name": "staging.ceilings.devices", "value": "40", "need": "41", "unit": "devices"}


def test_refusal_for_what_is_not_built_names_the_field() -> None:
    """422 says which field asks for something this version cannot do, and what it can."""
    body = said(post(make_means(), {**SPEC, "cleanup": "delete", "autoStop": {"errorPercentage": 50}}))
    assert {problem["path"]: problem["allowed"] for problem in body["errors"]} == {
        "/cleanup": "keep",
        "/autoStop": "null",
    }


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


@pytest.mark.parametrize(
    "handler", [api.post_run, api.get_runs, api.get_run, api.post_cancel, api.get_results, api.get_report]
)
def test_store_that_is_away_is_told(handler: api.Handler) -> None:
    """503, and when to ask again."""
    request = Request(body=json.dumps(SPEC).encode(), run_id="some-run")
    found = answer(handler, request, make_means(Away()))
    assert (found.status, said(found)["code"]) == (503, "store-unavailable")
    assert found.headers["Retry-After"]


@pytest.mark.parametrize("run_id", ["nobody", "../../etc", "", "x" * 1000, "UPPER"])
@pytest.mark.parametrize("handler", [api.get_run, api.post_cancel, api.get_results, api.get_timeline, api.get_report])
def test_unknown_run_is_not_found(handler: api.Handler, run_id: str) -> None:
    """404, and no key of the store in the message."""
    found = get(handler, make_means(), run_id)
    assert (found.status, said(found)["code"]) == (404, "not-found")
    assert "states/" not in said(found)["message"]


def test_cancel_is_harmless_when_repeated() -> None:
    """The flag goes up once; every answer is 202 and tells the orchestration while there is one."""
    means = make_means()
    accepted(means, "run-a")
    first = get(api.post_cancel, means, "run-a")
    kept = contents(means.store)
    means.clock.sleep(5)
    again = get(api.post_cancel, means, "run-a")
    assert (first.status, first.cancel, said(first)["state"]) == (202, "run-a", "draining")
    assert (again.status, again.cancel) == (202, "run-a")
    assert contents(means.store) == kept
    finish(means, "run-a", "cancelled")
    late = get(api.post_cancel, means, "run-a")
    assert (late.status, late.cancel, said(late)["state"]) == (202, None, "finished")


@pytest.mark.parametrize("events", [["planned", "batches-done"], ["planned", "batches-done", "closed"]])
def test_cancel_that_comes_too_late_is_refused(events: list[str]) -> None:
    """409 for a run that is past its last batch and was never cancelled."""
    means = make_means()
    accepted(means, "run-a")
    for event in events:
        state.advance(means.store, "run-a", state.Event(event), now=means.clock.wall())
    before = contents(means.store)
    found = get(api.post_cancel, means, "run-a")
    assert (found.status, said(found)["code"], found.cancel) == (409, "illegal-move", None)
    assert contents(means.store) == before


def test_live_view_of_a_run_that_is_not_planned() -> None:
    """It says accepted, nothing done, and when to ask again."""
    means = make_means()
    accepted(means, "run-a")
    found = get(api.get_run, means, "run-a")
    body = said(found)
    assert (found.status, found.headers["Retry-After"]) == (200, "2")
    assert (body["state"], body["phase"], body["progress"], body["batches"]) == ("accepted", None, 0.0, {"planned": 0})


@pytest.mark.parametrize("handler", [api.get_results, api.get_timeline, api.get_report])
def test_documents_of_a_run_that_is_not_planned_are_not_there(handler: api.Handler) -> None:
    """404 that says that it is too early."""
    means = make_means()
    accepted(means, "run-a")
    found = get(handler, means, "run-a")
    assert found.status == 404
    assert "not planned yet" in said(found)["message"]


def test_listing_is_newest_first_and_filtered() -> None:
    """By name, label, state, verdict and date, each alone or together."""
    means = make_means()
    accepted(means, "old-run", {**SPEC, "name": "nightly", "labels": {"team": "iot", "zone": "a"}})
    finish(means, "old-run", "failed")
    means.clock.sleep(86_400)
    accepted(means, "mid-run", {**SPEC, "name": "nightly", "labels": {"team": "edge"}})
    means.clock.sleep(86_400)
    accepted(means, "new-run", {**SPEC, "name": "weekly"})

    def listed(**query: str) -> list[str]:
        return [run["runId"] for run in said(get(api.get_runs, means, **query))["runs"]]

    assert listed() == ["new-run", "mid-run", "old-run"]
    assert listed(name="nightly") == ["mid-run", "old-run"]
    assert listed(name="nightly", state="finished") == ["old-run"]
    assert listed(verdict="failed") == ["old-run"]
    assert listed(label="team") == ["mid-run", "old-run"]
    assert listed(label="team=iot") == ["old-run"]
    assert listed(since="2023-11-15T22:13:20Z") == ["new-run", "mid-run"]
    assert listed(since="2023-11-16T00:13:21+02:00") == ["new-run"]
    assert listed(since="2023-11-16") == ["new-run"]
    assert listed(name="nobody") == []


def test_listing_goes_on_where_it_stopped() -> None:
    """Pages of 50 that together are every run once; `next` of the last is null."""
    means = make_means()
    for n in range(120):
        accepted(means, f"run-{n:03d}", {**SPEC, "devices": {"count": 1}})
        means.clock.sleep(1)
    seen: list[str] = []
    following: str | None = ""
    sizes = []
    while following is not None:
        page = said(get(api.get_runs, means, **({"next": following} if following else {})))
        sizes.append(len(page["runs"]))
        seen += [run["runId"] for run in page["runs"]]
        following = page["next"]
    assert sizes == [50, 50, 20]
    assert seen == [f"run-{n:03d}" for n in reversed(range(120))]


@pytest.mark.parametrize(
    ("query", "status"), [({"state": "asleep"}, 400), ({"verdict": "ok"}, 400), ({"since": "today"}, 400)]
)
def test_listing_refuses_a_filter_it_does_not_know(query: dict[str, str], status: int) -> None:
    """A misspelt filter is not an empty list."""
    found = get(api.get_runs, make_means(), **query)
    assert (found.status, said(found)["code"]) == (status, "spec-invalid")


def test_listing_from_an_unknown_run_is_not_found() -> None:
    """A `next` that no listing gave is not an empty list."""
    assert get(api.get_runs, make_means(), next="nobody").status == 404


def test_targets_show_no_secrets() -> None:
    """Hosts and ceilings are shown; neither secrets nor their names nor files."""
    found = get(api.get_targets, make_means())
    assert found.status == 200
    assert {target["name"] for target in said(found)["targets"]} == {"staging", "local"}
    assert said(found)["targets"][0]["ceilings"]["devices"] == 40
    for hidden in (b"group-key", b"ca.pem", b"secret", GROUP_KEY):
        assert hidden not in found.body


def test_wrong_settings_are_named_without_their_text() -> None:
    """500 lists every variable; what is wrong with it may hold a secret, so only the log says that."""
    error = SettingsError({"STATE_KEY": "missing", "STORAGE_ACCOUNT_URL": "found 'https://x?sig=canary'"})
    found = api.refusal(error)
    body = said(found)
    assert (found.status, body["code"]) == (500, "settings-invalid")
    assert [problem["path"] for problem in body["errors"]] == ["STATE_KEY", "STORAGE_ACCOUNT_URL"]
    assert "STATE_KEY, STORAGE_ACCOUNT_URL" in body["message"]
    assert b"canary" not in found.body


def test_orchestration_that_cannot_be_started_is_told() -> None:
    """503: the run is accepted, and the same request starts it later."""
    found = api.refusal(LaunchError("run-a", "nobody answers"))
    assert (found.status, said(found)["code"]) == (503, "launch")
    assert "Retry-After" in found.headers
