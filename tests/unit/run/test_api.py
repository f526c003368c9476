"""The HTTP API as plain values: every status, and that what is refused leaves nothing behind."""

import json

import pytest

from doubles.means import GROUP_KEY, contents, make_means
from engine.errors import LaunchError, SettingsError
from engine.run import api, state
from engine.run.answers import Handler, Request, answer, refusal
from unit.run.asking import SPEC, Away, accepted, finish, get, said


@pytest.mark.parametrize(
    "handler", [api.post_run, api.get_runs, api.get_run, api.post_cancel, api.get_results, api.get_report]
)
def test_store_that_is_away_is_told(handler: Handler) -> None:
    """503, and when to ask again."""
    request = Request(body=json.dumps(SPEC).encode(), run_id="some-run")
    found = answer(handler, request, make_means(Away()))
    assert (found.status, said(found)["code"]) == (503, "store-unavailable")
    assert found.headers["Retry-After"]


@pytest.mark.parametrize("run_id", ["nobody", "../../etc", "", "x" * 1000, "UPPER"])
@pytest.mark.parametrize("handler", [api.get_run, api.post_cancel, api.get_results, api.get_intervals, api.get_report])
def test_unknown_run_is_not_found(handler: Handler, run_id: str) -> None:
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


@pytest.mark.parametrize("handler", [api.get_results, api.get_intervals, api.get_report])
def test_documents_of_a_run_that_is_not_planned_are_not_there(handler: Handler) -> None:
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
    found = refusal(error)
    body = said(found)
    assert (found.status, body["code"]) == (500, "settings-invalid")
    assert [problem["path"] for problem in body["errors"]] == ["STATE_KEY", "STORAGE_ACCOUNT_URL"]
    assert "STATE_KEY, STORAGE_ACCOUNT_URL" in body["message"]
    assert b"canary" not in found.body


def test_orchestration_that_cannot_be_started_is_told() -> None:
    """503: the run is accepted, and the same request starts it later."""
    found = refusal(LaunchError("run-a", "nobody answers"))
    assert (found.status, said(found)["code"]) == (503, "launch")
    assert "Retry-After" in found.headers
