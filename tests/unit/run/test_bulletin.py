"""What is told of runs and of schedules' firings."""

import json

from doubles.means import deliver, make_means, plan
from doubles.telemetry import KeptTelemetry
from engine.measure.signal import EventName
from engine.run import closing, schedules, state, tick
from engine.run.bulletin import WITHIN_S
from engine.run.schedules import Wish

SPEC = {"scenario": "cert-renewal", "name": "nightly", "devices": {"count": 4}, "execution": {"batchSize": 4}}


class Mail:
    """A way out for every activity, and what they were told."""

    def __init__(self):
        self.outboxes = []
        self.means = make_means(telemetry=self._open)

    def _open(self):
        self.outboxes.append(KeptTelemetry())
        return self.outboxes[-1]

    def told(self, name):
        assert all(outbox.closed == [WITHIN_S] for outbox in self.outboxes)
        return [event for outbox in self.outboxes for event in outbox.events(name)]


def test_run_says_when_it_begins_and_what_it_came_to():
    """Its verdict, its reason, its figures; text as text and numbers as numbers."""
    mail = Mail()
    plan(mail.means, "run-0001", SPEC)
    deliver(mail.means, "run-0001", 0)
    closing.close_run({"runId": "run-0001", "attempt": 1}, mail.means)
    begun, ended = mail.told(EventName.RUN)
    found = state.read_state(mail.means.store, "run-0001")
    common = {"runId": "run-0001", "scenario": "cert-renewal", "name": "nightly", "target": "local", "attempt": "1"}
    common["mainOperation"] = "cert.issued"
    assert begun.properties.items() >= {**common, "status": "started", "verdict": "", "schedule": ""}.items()
    assert begun.figures == {"devices": 4, "batches": 1}
    expected = {**common, "status": "finished", "state": "finished", "verdict": found.verdict, "exitCode": "0"}
    assert ended.properties.items() >= expected.items()
    assert ended.properties["planHash"] == begun.properties["planHash"] == found.spec_digest[:16]
    summary = json.loads(mail.means.results.read("run-0001/summary.json").body)["operations"]["cert.issued"]
    assert (ended.figures["ok"], ended.figures["devices"]) == (summary["ok"], 4)
    assert round(ended.figures["p95_ms"], 3) == summary["latencyMs"]["intended"]["p95"]


def test_failed_run_says_why():
    """The first reason, cut where it is long."""
    mail = Mail()
    plan(mail.means, "run-0001", {**SPEC, "thresholds": [{"metric": "cert.issued", "expr": "p(95)<1"}]})
    deliver(mail.means, "run-0001", 0)
    closing.close_run({"runId": "run-0001", "attempt": 1}, mail.means)
    ended = mail.told(EventName.RUN)[-1]
    found = state.read_state(mail.means.store, "run-0001")
    assert (ended.properties["verdict"], ended.properties["exitCode"]) == ("failed", "99")
    assert ended.properties["reason"] == found.reasons[0][:200]


def test_run_that_was_given_up_says_so_once():
    """It has no figures; giving it up again says nothing more."""
    mail = Mail()
    plan(mail.means, "run-0001", SPEC)
    for _ in range(2):
        closing.give_up({"runId": "run-0001", "attempt": 1, "why": "nobody came"}, mail.means)
    _, ended = mail.told(EventName.RUN)
    assert ended.properties["verdict"] == "error"
    assert ended.properties["reason"] == "the run was given up: nobody came"
    assert ended.figures == {}


def test_telling_again_is_the_same_event():
    """An activity that is tried again tells again, under the same id; another attempt of the run has another."""
    mail = Mail()
    plan(mail.means, "run-0001", SPEC)
    deliver(mail.means, "run-0001", 0)
    store = mail.means.store
    before = {key: store.read(key).body for key in store.keys("")}
    closing.close_run({"runId": "run-0001", "attempt": 1}, mail.means)
    for key, body in before.items():
        store.delete(key)
        store.create(key, body)
    closing.close_run({"runId": "run-0001", "attempt": 1}, mail.means)
    ids = [event.properties["id"] for event in mail.told(EventName.RUN)]
    assert ids == ["run-0001/a1/started", "run-0001/a1/finished", "run-0001/a1/finished"]


def test_firing_says_what_became_of_it():
    """Whether it started a run or was refused, with the reason: both can reach an alert."""
    mail = Mail()
    for name, spec in (("good", SPEC), ("bad", {**SPEC, "target": "gone"})):
        schedules.put(mail.means.store, name, Wish(spec, cron="0 * * * * *"), {}, now=mail.means.clock.wall())
    mail.means.clock.sleep(60.0)
    list(tick.tick(mail.means))
    fired = {event.properties["schedule"]: event.properties for event in mail.told(EventName.FIRING)}
    (run_id,) = (found.run_id for found in state.list_runs(mail.means.store))
    assert fired["good"].items() >= {"status": "started", "runId": run_id, "reason": ""}.items()
    assert fired["good"]["id"] == f"{run_id}/fired"
    assert fired["bad"].items() >= {"status": "refused", "runId": ""}.items()
    assert fired["bad"]["reason"] == "spec-invalid: /target: no such target profile"


def test_scheduled_run_names_its_schedule():
    """So that an alert can tell it from what a person started."""
    mail = Mail()
    schedules.put(mail.means.store, "good", Wish(SPEC, cron="0 * * * * *"), {}, now=mail.means.clock.wall())
    mail.means.clock.sleep(60.0)
    list(tick.tick(mail.means))
    (found,) = state.list_runs(mail.means.store)
    closing.give_up({"runId": found.run_id, "attempt": 1, "why": "nobody came"}, mail.means)
    (ended,) = mail.told(EventName.RUN)
    assert (ended.properties["schedule"], ended.properties["startedBy"]) == ("good", "schedule:good")


def test_without_telemetry_nothing_is_told():
    """And nothing else changes."""
    means = make_means()
    plan(means, "run-0001", SPEC)
    deliver(means, "run-0001", 0)
    assert closing.close_run({"runId": "run-0001", "attempt": 1}, means)["verdict"] == "passed"
