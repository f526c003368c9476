"""A spec goes in by HTTP, the numbers come out, and they agree with what the emulator counted."""

from typing import Any

import pytest

from doubles.stage import Stage, counts_of, emulator_counted

PACED = {
    "executor": "per-device-pacing",
    "duration": "8s",
    "rampUp": "2s",
    "pacing": {"interval": "4s"},
    "gracefulStop": "10s",
}
OPEN = {"executor": "constant-arrival-rate", "rate": 10, "duration": "6s", "gracefulStop": "10s"}
ONCE = {"executor": "once", "rampUp": "2s", "gracefulStop": "10s"}


def spec(prefix: str, scenario: str, load: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """A small spec in several batches."""
    return {
        "scenario": scenario,
        "devices": {"count": 12, "prefix": prefix},
        "load": load,
        "connection": {"hold": "200ms"},
        "execution": {"batchSize": 5},
        "results": {"interval": "5s"},
        **rest,
    }


@pytest.mark.parametrize(
    ("scenario", "load", "main"), [("provision", OPEN, "dps.register"), ("cert-lifecycle", PACED, "cert.issued")]
)
def test_run_of_a_scenario_by_another_executor_than_its_own_passes(
    stage: Stage, scenario: str, load: dict[str, Any], main: str
) -> None:
    """A device may be registered again and again; every iteration of it ends with a proven certificate."""
    body = spec(f"{scenario}-{load['executor']}-", scenario, load)
    if scenario == "provision":
        del body["connection"]
    summary = stage.run(body)
    assert (summary["verdict"], summary["reasons"]) == ("passed", [])
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    found = counts_of(summary, main)
    assert found["ok"] == found["due"] > 0
    assert counts_of(summary, "iteration")["ok"] == counts_of(summary, "cert.verified")["ok"]
    assert all(row["note"] == "equal" for row in summary["emulator"] if row["devices"] is not None)


@pytest.mark.parametrize("scenario", ["cert-renewal", "cert-lifecycle"])
def test_run_that_renews_by_dps_costs_a_registration_per_certificate(stage: Stage, scenario: str) -> None:
    """Every certificate comes from DPS, the hub is asked for none, and both ends counted the same."""
    summary = stage.run(spec(f"{scenario}-dps-", scenario, ONCE, certificate={"path": "dps"}))
    assert (summary["verdict"], summary["reasons"]) == ("passed", [])
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    assert counts_of(summary, "cert.issued")["ok"] == counts_of(summary, "cert.verified")["ok"] == 12
    assert not {"cert.request", "cert.accepted"} & set(summary["operations"])
    assert emulator_counted(summary, "dps.register 200") == 2 * 12
    assert all(row["note"] == "equal" for row in summary["emulator"] if row["devices"] is not None)


def test_next_run_reuses_what_the_last_one_stored(stage: Stage) -> None:
    """The second run of a prefix registers nobody: the stored certificates still connect."""
    first = stage.run(spec("again-", "cert-renewal", ONCE))
    second = stage.run(spec("again-", "cert-renewal", ONCE))
    assert counts_of(first, "dps.register")["ok"] == 12
    assert "dps.register" not in second["operations"]
    assert (second["verdict"], counts_of(second, "cert.verified")["ok"]) == ("passed", 12)


def test_throttled_renewals_are_counted_exactly(stage: Stage) -> None:
    """Of renewals throttled at 20 % the summary shows as many as the emulator sent 429s."""
    stage.set_faults({"throttled": 0.2})
    summary = stage.run(spec("throttled-", "cert-renewal", {**PACED, "duration": "15s"}))
    throttled = counts_of(summary, "cert.issued")["outcomes"]["throttled"]
    assert throttled == emulator_counted(summary, "cert throttled") > 0
    assert summary["conservation"]["holds"]


def test_throttled_calls_of_the_registry_are_counted_exactly(stage: Stage) -> None:
    """Of each kind of call as many are refused as the emulator says; a refused question ends an accepted change."""
    stage.set_faults({"adr.throttled": 0.2})
    load = {"duration": "10s", "rampUp": "1s", "pacing": {"interval": "1500ms"}, "gracefulStop": "10s"}
    weights = {"get": 50, "patch": 50}
    summary = stage.run(
        {"scenario": "adr-get-patch", "devices": {"count": 15, "prefix": "refused-"}, "load": load, "weights": weights}
    )
    both = {row["what"]: (row["devices"], row["emulator"]) for row in summary["emulator"] if "adr " in row["what"]}
    refused = [both.pop(f"adr {kind} throttled") for kind in ("get", "change", "poll")]
    assert all(ours == theirs > 0 for ours, theirs in refused)
    finished, accepted = map(sum, zip(both.pop("adr create ok"), both.pop("adr patch ok"), strict=True))
    assert accepted - finished == refused[-1][0]
    assert all(ours == theirs for ours, theirs in both.values())
    # A device whose create was accepted, and whose question was refused, tries again and finds that it is there.
    assert {failure["outcome"] for failure in summary["failures"]} - {"precondition"} == {"throttled", "not-found"}
    assert summary["conservation"]["holds"]


def test_every_fault_has_its_own_outcome(stage: Stage) -> None:
    """Conflicts, server errors, lost answers, drops and certificates that do not fit are told apart."""
    stage.set_faults({"conflict": 0.1, "server": 0.1, "lost": 0.1, "dropped": 0.15, "unusable": 0.15})
    body = spec("faults-", "cert-renewal", {**PACED, "duration": "20s"}, timeouts={"certificate": "2s"})
    body["devices"]["count"] = 60
    body["execution"]["batchSize"] = 20
    summary = stage.run(body)
    issued, verified = counts_of(summary, "cert.issued"), counts_of(summary, "cert.verified")
    assert issued["outcomes"]["conflict"] == emulator_counted(summary, "cert conflict") > 0
    assert issued["outcomes"]["server"] == emulator_counted(summary, "cert server") > 0
    assert issued["lost"] > 0
    assert verified["outcomes"]["unusable"] > 0
    assert counts_of(summary, "hub.disconnect")["outcomes"]["disconnected"] > 0
    assert issued["ok"] + issued["late"] == emulator_counted(summary, "cert 200")
    assert summary["conservation"]["holds"]


def test_five_hundred_devices_in_five_batches(stage: Stage) -> None:
    """Five batches of a hundred drive five hundred devices, each once, and every number agrees."""
    body = spec("many-", "cert-lifecycle", {"executor": "once", "rampUp": "25s"})
    body["devices"]["count"] = 500
    body["execution"]["batchSize"] = 100
    summary = stage.run(body)
    assert [batch["devices"] for batch in summary["batches"]] == [100] * 5
    assert counts_of(summary, "cert.verified")["ok"] == counts_of(summary, "dps.register")["ok"] == 500
    assert counts_of(summary, "iteration")["due"] == 500
    assert summary["conservation"]["holds"]
    assert all(row["note"] == "equal" for row in summary["emulator"] if row["devices"] is not None)


def test_batches_of_a_job_are_driven_by_workers(stage: Stage) -> None:
    """Two replicas of two cores: four batches, each in a process of its own, and every number agrees."""
    body = spec("worker-", "cert-renewal", PACED)
    body["devices"]["count"] = 20
    body["execution"] = {"runner": "job", "cpu": 2, "batchSize": 10}
    summary = stage.run(body)
    assert (summary["verdict"], summary["reasons"]) == ("passed", [])
    assert [(batch["devices"], batch["token"]) for batch in summary["batches"]] == [(5, 1)] * 4
    host = {child.process.pid for child in stage.station.children}
    workers = {int(batch["holder"].split("/")[1]) for batch in summary["batches"]}
    assert len(workers - host) == 4
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    assert counts_of(summary, "dps.register")["ok"] == 20
    assert all(row["note"] == "equal" for row in summary["emulator"] if row["devices"] is not None)


def test_job_that_is_cancelled_ends_with_partial_results(stage: Stage) -> None:
    """Its workers drain like everybody else, and none is lost."""
    body = spec("cancel-job-", "cert-renewal", {**PACED, "duration": "10m"})
    body["execution"] = {"runner": "job", "batchSize": 6}
    run_id = stage.start(body)
    stage.wait(run_id, lambda view: view.get("operations", {}).get("cert.issued", {}).get("ok", 0) > 0)
    stage.api.cancel(run_id)
    summary = stage.summary(run_id)
    assert (summary["verdict"], summary["partial"]) == ("cancelled", False)
    assert {batch["token"] for batch in summary["batches"]} == {1}
    assert summary["conservation"]["holds"]


def test_two_runs_of_one_prefix_share_no_device(stage: Stage) -> None:
    """Runs that start at the same moment take different devices: the hub never sees one device twice."""
    body = spec("shared-", "cert-renewal", PACED)
    runs = [stage.start(body), stage.start(body)]
    summaries = [stage.summary(run_id) for run_id in runs]
    assert [summary["verdict"] for summary in summaries] == ["passed", "passed"]
    assert [counts_of(summary, "dps.register")["ok"] for summary in summaries] == [12, 12]
    assert [emulator_counted(summary, "takeovers") for summary in summaries] == [0, 0]


@pytest.mark.parametrize("phase", ["accepted", "prepare", "load"])
def test_cancel_in_every_phase_ends_with_partial_results(stage: Stage, phase: str) -> None:
    """A cancelled run drains, says so, and what it measured until then conserves."""
    body = spec(f"cancel-{phase}-", "cert-renewal", {**PACED, "duration": "10m"})
    body["devices"]["count"] = 100
    body["execution"]["batchSize"] = 20
    run_id = stage.start(body)
    if phase == "prepare":
        stage.wait(run_id, lambda view: view["devices"].get("provisioning", 0) if "devices" in view else False)
    if phase == "load":
        stage.wait(run_id, lambda view: view.get("operations", {}).get("cert.issued", {}).get("ok", 0) > 0)
    stage.api.cancel(run_id)
    summary = stage.summary(run_id)
    assert summary["verdict"] == "cancelled"
    assert summary["conservation"]["holds"]
    assert not summary["partial"]
    stage.api.cancel(run_id)
