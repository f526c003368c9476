"""What runs leave behind, taken away: by the run itself, on request, or with the run."""

import json
from typing import Any

import pytest

from doubles.stage import Stage, counts_of
from engine.cli.errors import Refused

COUNT = 6


def spec(prefix: str, scenario: str = "cert-renewal", **rest: Any) -> dict[str, Any]:
    """A small spec in two batches, each device once."""
    return {
        "scenario": scenario,
        "devices": {"count": COUNT, "prefix": prefix},
        "load": {"executor": "once", "rampUp": "1s", "gracefulStop": "10s"},
        "connection": {"hold": "200ms"},
        "execution": {"batchSize": 3},
        **rest,
    }


def posted(body: dict[str, Any]) -> bytes:
    """The spec as it is posted."""
    return json.dumps(body).encode()


def cleaned(stage: Stage, run_id: str) -> dict[str, Any]:
    """What the run's clean-up came to, once it has."""
    view = stage.wait(run_id, lambda view: view["state"] == "finished" and view["cleanup"]["isOver"])
    found: dict[str, Any] = view["cleanup"]
    return found


def registers(stage: Stage, prefix: str) -> int:
    """How many devices a new run that may reuse them has to register."""
    operations = stage.run(spec(prefix))["operations"]
    return int(operations["dps.register"]["ok"]) if "dps.register" in operations else 0


def test_run_that_deletes_leaves_no_state(stage: Stage) -> None:
    """The next run of the prefix, which would reuse it, finds none and has to register everybody."""
    run_id = stage.start(spec("tidy-", cleanup="delete"))
    assert stage.summary(run_id)["verdict"] == "passed"
    found = cleaned(stage, run_id)
    assert (found["deleted"], found["left"], found["notes"]) == (COUNT, 0, [])
    assert found["operations"]["state.delete"]["ok"] == 2
    assert stage.api.look(run_id)["warnings"] == []
    assert registers(stage, "tidy-") == COUNT


@pytest.mark.parametrize(("threshold", "verdict", "again"), [("count>0", "passed", COUNT), ("count<0", "failed", 0)])
def test_run_that_deletes_on_pass_keeps_the_state_of_one_that_failed(
    stage: Stage, threshold: str, verdict: str, again: int
) -> None:
    """The devices of a run that has to be looked into are still there."""
    prefix = f"{verdict}-"
    judged = [{"metric": "cert.issued", "expr": threshold}]
    run_id = stage.start(spec(prefix, cleanup="delete-on-pass", thresholds=judged))
    assert stage.summary(run_id)["verdict"] == verdict
    if again:
        assert cleaned(stage, run_id)["deleted"] == COUNT
    else:
        assert stage.api.look(run_id)["cleanup"] is None
    assert registers(stage, prefix) == again


def test_devices_are_cleaned_up_after_the_fact_and_again(stage: Stage) -> None:
    """The run did not ask for it, somebody does; the second time there is nothing, and that is no failure."""
    run_id = stage.start(spec("late-"))
    stage.summary(run_id)
    stage.api.delete_devices(run_id)
    assert cleaned(stage, run_id)["deleted"] == COUNT
    stage.api.delete_devices(run_id)
    second = cleaned(stage, run_id)
    assert (second["number"], second["deleted"], second["left"]) == (2, COUNT, 0)
    assert "state.delete" not in second["operations"]
    assert registers(stage, "late-") == COUNT


def test_registry_devices_that_a_run_kept_are_deleted_on_request(stage: Stage) -> None:
    """The next run of the same names has to create them again."""
    load = {"duration": "4s", "rampUp": "1s", "pacing": {"interval": "2s"}, "gracefulStop": "10s"}
    devices = {"count": COUNT, "prefix": "enlisted-", "startIndex": 0}
    body = {"scenario": "adr-get-patch", "devices": devices, "load": load}
    run_id = stage.start(body)
    assert counts_of(stage.summary(run_id), "adr.create")["ok"] == COUNT
    stage.api.delete_devices(run_id)
    assert cleaned(stage, run_id)["operations"]["adr.delete"]["ok"] == COUNT
    assert counts_of(stage.run(body), "adr.create")["ok"] == COUNT


def test_removed_run_is_gone_and_its_id_is_as_good_as_new(stage: Stage) -> None:
    """404 for it and all of its parts, the list without it, its devices' state untouched, and the id can be used."""
    run_id = "removed-run"
    stage.api.post_run(posted(spec("gone-")), run_id)
    stage.summary(run_id)
    live = stage.start(spec("live-"))
    with pytest.raises(Refused) as refused:
        stage.api.delete_run(live)
    assert (refused.value.status, refused.value.reason) == (409, "in-use")
    stage.api.delete_run(run_id)
    for ask in (lambda: stage.api.look(run_id), lambda: stage.api.document(run_id, "report.md")):
        with pytest.raises(Refused) as gone:
            ask()
        assert gone.value.status == 404
    assert run_id not in {run["runId"] for run in stage.api.runs({})["runs"]}
    with pytest.raises(Refused) as again:
        stage.api.delete_run(run_id)
    assert again.value.status == 404
    stage.api.post_run(posted(spec("gone-")), run_id)
    summary = stage.summary(run_id)
    assert (summary["verdict"], "dps.register" in summary["operations"]) == ("passed", False)
    stage.summary(live)
