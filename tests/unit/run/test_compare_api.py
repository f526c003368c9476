"""GET /api/runs/{id}/compare: which two runs, and what is refused."""

from typing import Any

import pytest

from doubles.means import deliver, make_means, plan, renewals
from engine.run import keys
from engine.run.closing import close_run
from engine.run.compare_api import get_compare
from engine.run.means import Means
from unit.run.asking import Away, get, post, said

SPEC: dict[str, Any] = {"name": "nightly", "scenario": "cert-renewal", "devices": {"count": 2}}


def run(means: Means, run_id: str, count: int = 5, **more: Any) -> None:
    """A run of so many renewals that is over."""
    plan(means, run_id, {**SPEC, **more})
    deliver(means, run_id, 0, timeline=renewals(count))
    close_run({"runId": run_id, "attempt": 1}, means)
    means.clock.sleep(3600)


def test_compare_is_with_the_run_that_is_asked_for() -> None:
    """By id, or by name: the newest that passed, and never the run itself."""
    means = make_means()
    run(means, "run-1", 4)
    run(means, "run-2", 5)
    for to in ("run-1", "name:nightly"):
        found = get(get_compare, means, "run-2", to=to)
        body = said(found)
        assert (found.status, found.headers) == (200, {})
        assert (body["run"]["runId"], body["to"]["runId"], body["partial"]) == ("run-2", "run-1", False)
        assert body["operations"]["cert.issued"]["ok"] == {"run": 5, "to": 4, "change": 0.25}


def test_compare_is_with_the_baseline_unless_asked() -> None:
    """Of the run's spec, as it was found when the run was accepted."""
    means = make_means()
    run(means, "run-1")
    run(means, "run-2", baseline="name:nightly")
    run(means, "run-3")
    assert said(get(get_compare, means, "run-2"))["to"]["runId"] == "run-1"


def test_compare_without_a_baseline_is_refused() -> None:
    """400 that says what would be right."""
    means = make_means()
    run(means, "run-1")
    found = get(get_compare, means, "run-1")
    assert (found.status, said(found)["code"]) == (400, "spec-invalid")
    assert said(found)["errors"][0]["allowed"] == "to=<run id> | to=name:<name>"


@pytest.mark.parametrize("to", ["nobody", "../etc", "", "name:weekly", "name:", "name:" + "x" * 200])
def test_compare_with_a_run_that_is_not_there_is_not_found(to: str) -> None:
    """404, and no key of the store in the message."""
    means = make_means()
    run(means, "run-1")
    found = get(get_compare, means, "run-1", to=to)
    assert (found.status, said(found)["code"]) == (404, "not-found")
    assert "states/" not in said(found)["message"]
    assert len(said(found)["message"]) < 200


def test_compare_with_itself_by_name_needs_another_run() -> None:
    """The only run of its name that passed has nothing to stand beside."""
    means = make_means()
    run(means, "run-1")
    assert get(get_compare, means, "run-1", to="name:nightly").status == 404


def test_compare_with_a_baseline_that_was_deleted_is_not_found() -> None:
    """It was there when the run was accepted."""
    means = make_means()
    run(means, "run-1")
    run(means, "run-2", baseline="run-1")
    means.store.delete(keys.state_key("run-1"))
    assert get(get_compare, means, "run-2").status == 404


def test_compare_of_a_run_that_goes_on_is_partial() -> None:
    """It says so, and when to ask again."""
    means = make_means()
    run(means, "run-1")
    plan(means, "run-2", {**SPEC, "baseline": "run-1"})
    deliver(means, "run-2", 0, timeline=renewals(2))
    found = get(get_compare, means, "run-2")
    assert (found.status, said(found)["partial"], said(found)["run"]["verdict"]) == (200, True, None)
    assert found.headers["Retry-After"]


def test_compare_of_a_run_that_is_not_planned_is_too_early() -> None:
    """There is nothing to compare yet."""
    means = make_means()
    run(means, "run-1")
    post(means, {**SPEC, "baseline": "run-1"}, key="run-2")
    found = get(get_compare, means, "run-2")
    assert found.status == 404
    assert "not planned yet" in said(found)["message"]


def test_compare_of_an_unknown_run_is_not_found() -> None:
    """404, as everywhere."""
    assert get(get_compare, make_means(), "nobody", to="run-1").status == 404


def test_compare_while_the_store_is_away_is_told() -> None:
    """503, and when to ask again."""
    found = get(get_compare, make_means(Away()), "run-1")
    assert (found.status, said(found)["code"]) == (503, "store-unavailable")
