"""Schedules over HTTP."""

import json
from typing import Any

from doubles.means import contents, make_means
from engine.run import schedule_api, state
from engine.run.answers import Answer, Handler, Request, answer
from engine.run.means import Means
from engine.run.tick import tick
from unit.run.asking import said

SPEC: dict[str, Any] = {"scenario": "cert-renewal", "devices": {"count": 20}}
NIGHTLY: dict[str, Any] = {"spec": SPEC, "cron": "0 30 2 * * *", "timeZone": "Europe/Berlin"}
HOURLY: dict[str, Any] = {"spec": SPEC, "cron": "0 0 * * * *"}


def put(means: Means, document: Any, name: str = "nightly") -> Answer:
    """PUT /api/schedules/{name}."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return ask(schedule_api.put_schedule, means, name, body)


def ask(handler: Handler, means: Means, name: str = "nightly", body: bytes = b"") -> Answer:
    """A call on a schedule, or on all of them."""
    return answer(handler, Request(body, name=name), means)


def refused(found: Answer) -> tuple[int, str, list[str]]:
    """Status, code and the paths of the problems."""
    body = said(found)
    return found.status, body["code"], [problem["path"] for problem in body["errors"]]


def test_schedule_put_is_shown_with_its_defaults_and_next_firings() -> None:
    """In the zone's own time; what a firing chooses anew is left out of the spec."""
    means = make_means()
    found = put(means, NIGHTLY)
    assert (found.status, found.headers["Location"]) == (201, "/api/schedules/nightly")
    body = said(found)
    assert body["next"] == [f"2023-11-{day}T02:30:00+01:00" for day in (15, 16, 17, 18, 19)]
    assert (body["cron"], body["timeZone"], body["overlap"], body["enabled"]) == (
        "0 30 2 * * *",
        "Europe/Berlin",
        "skip",
        True,
    )
    assert (body["last"], body["lately"], "at" in body) == (None, [], False)
    assert body["spec"]["devices"]["count"] == 20
    assert body["spec"]["target"] == "local"
    assert not {"randomSeed", "name"} & set(body["spec"])
    assert body["estimate"]["batches"] == 1
    shown = said(ask(schedule_api.get_schedule, means))
    assert shown == {name: value for name, value in body.items() if name != "estimate"}


def test_what_the_spec_chose_stays_in_it() -> None:
    """A seed and a name that were given are shown."""
    body = said(put(make_means(), {**NIGHTLY, "spec": {**SPEC, "randomSeed": 7, "name": "renewals"}}))
    assert (body["spec"]["randomSeed"], body["spec"]["name"]) == (7, "renewals")


def test_spec_that_is_shown_may_be_put_again() -> None:
    """It asks for the same, with the defaults of today."""
    means = make_means()
    shown = said(put(means, NIGHTLY))
    again = put(means, {**NIGHTLY, "spec": shown["spec"]})
    assert (again.status, said(again)["spec"]) == (200, shown["spec"])


def test_schedule_put_again_is_replaced_whole() -> None:
    """What is left out has its default again; the same once more is harmless."""
    means = make_means()
    put(means, {**NIGHTLY, "overlap": "allow"})
    at = {"spec": SPEC, "at": "2023-11-14T23:13:21+01:00"}
    for _ in range(2):
        found = put(means, at)
        body = said(found)
        assert (found.status, body["at"], body["overlap"]) == (200, "2023-11-14T22:13:21+00:00", "skip")
        assert body["next"] == ["2023-11-14T22:13:21+00:00"]
        assert "cron" not in body
    means.clock.sleep(60)
    assert put(means, at).status == 200
    assert refused(put(means, at, "other")) == (400, "spec-invalid", ["/at"])


def test_every_problem_of_schedule_and_spec_is_told_at_once() -> None:
    """The spec's under /spec; nothing is stored."""
    means = make_means()
    found = put(means, {"spec": {"scenario": "nothing", "devices": {"count": 0}}, "cron": "?", "timeZone": "Mars"})
    assert refused(found) == (
        400,
        "spec-invalid",
        ["/cron", "/timeZone", "/spec/devices/count", "/spec/scenario"],
    )
    assert refused(put(means, {**NIGHTLY, "spec": {}})) == (400, "spec-invalid", ["/spec/scenario"])
    assert refused(put(means, {**NIGHTLY, "spec": 5})) == (400, "spec-invalid", ["/spec"])
    assert refused(put(means, b"[]")) == (400, "spec-invalid", [""])
    assert refused(put(means, b'{"spec": {"name": "a", "name": "b"}}')) == (400, "spec-invalid", ["/spec/name"])
    assert refused(put(means, b" " * 70_000))[:2] == (413, "too-large")
    assert contents(means.store) == {}


def test_spec_that_may_not_run_is_refused_as_a_run_of_it_would_be() -> None:
    """422 with the limit, once there is nothing else wrong."""
    means = make_means(max_devices=10)
    found = put(means, NIGHTLY)
    assert refused(found) == (422, "over-quota", [])
    assert said(found)["limit"]["name"] == "MAX_DEVICES"
    assert refused(put(means, {**NIGHTLY, "cron": "?"})) == (400, "spec-invalid", ["/cron"])
    assert contents(means.store) == {}


def test_name_is_short_enough_for_a_run_id() -> None:
    """A longer one, or another alphabet, can be put nowhere and is found nowhere."""
    means = make_means()
    assert put(means, NIGHTLY, "a" * 40).status == 201
    for name in ("", "a" * 41, "Nightly", "a.b", "a/b"):
        assert refused(put(means, NIGHTLY, name)) == (400, "spec-invalid", [""])
        assert refused(ask(schedule_api.get_schedule, means, name))[:2] == (404, "not-found")


def test_schedules_are_listed_by_name() -> None:
    """Each as it is shown by itself."""
    means = make_means()
    assert said(ask(schedule_api.get_schedules, means)) == {"schedules": []}
    put(means, NIGHTLY)
    put(means, HOURLY, "hourly")
    listed = said(ask(schedule_api.get_schedules, means))["schedules"]
    assert [held["name"] for held in listed] == ["hourly", "nightly"]
    assert listed[1] == said(ask(schedule_api.get_schedule, means))


def test_deleted_schedule_is_gone() -> None:
    """204 once, 404 from then on; it starts nothing, and its runs stay."""
    means = make_means()
    put(means, HOURLY, "hourly")
    means.clock.sleep(2800)
    assert [found.status for found in tick(means)] == [202]
    assert ask(schedule_api.delete_schedule, means, "hourly").status == 204
    assert refused(ask(schedule_api.delete_schedule, means, "hourly"))[:2] == (404, "not-found")
    assert refused(ask(schedule_api.get_schedule, means, "hourly"))[:2] == (404, "not-found")
    means.clock.sleep(3600)
    list(tick(means))
    assert [found.run_id for found in state.list_runs(means.store)] == ["hourly-20231114-2300"]


def test_what_became_of_the_last_firings_is_shown() -> None:
    """A run, or why there is none; the newest first."""
    means = make_means()
    put(means, HOURLY, "hourly")
    for _ in range(2):
        means.clock.sleep(2800 if means.clock.now() == 0 else 3600)
        list(tick(means))
    body = said(ask(schedule_api.get_schedule, means, "hourly"))
    assert body["last"] == body["lately"][0]
    assert body["lately"] == [
        {
            "firing": "2023-11-15T00:00:00+00:00",
            "became": "skipped",
            "why": "run hourly-20231114-2300 was accepted",
        },
        {"firing": "2023-11-14T23:00:00+00:00", "became": "started", "runId": "hourly-20231114-2300"},
    ]
