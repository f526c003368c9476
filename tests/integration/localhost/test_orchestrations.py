"""Orchestrations, seen through the management API of a running host."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.localhost.hosting import HOOK, Host, call, eventually


def cancel_url(links: dict[str, str]) -> str:
    return links["sendEventPostUri"].replace("{eventName}", "cancel")


def test_fan_out_ends_with_the_totals_of_its_sub_orchestration(host: Host) -> None:
    """Fifty activities and a sub-orchestration end in one result, under the custom status set last."""
    state = host.run("fan_out", {"count": 50})
    assert state["runtimeStatus"] == "Completed"
    assert state["output"] == {"works": 50, "attempts": 50}
    assert state["customStatus"] == {"done": 50}


def test_fan_out_of_two_hundred_completes(host: Host) -> None:
    """Two hundred activities complete."""
    assert host.run("fan_out", {"count": 200})["output"]["works"] == 200


def test_activity_that_fails_once_is_retried(host: Host) -> None:
    """Every activity fails its first attempt and returns from its second."""
    assert host.run("fan_out", {"count": 4, "flaky": True})["output"] == {"works": 4, "attempts": 8}


def test_activity_that_always_fails_ends_the_run(host: Host) -> None:
    """Three attempts, then the orchestration fails with the activity's own words; asked to, the status answers 500."""
    state = host.run("fan_out", {"count": 1, "fatal": True})
    assert state["runtimeStatus"] == "Failed"
    assert "broken for good" in state["output"]
    assert len(host.started(f"work {state['instanceId']}/")) == 3
    assert host.state(state["instanceId"]).status == 200
    assert host.state(state["instanceId"], "returnInternalServerErrorOnFailure=true").status == 500


def test_missing_activity_fails_the_run_by_name(host: Host) -> None:
    """An activity that the app does not have fails the orchestration and is named."""
    state = host.run("call_missing", "no_such_activity")
    assert state["runtimeStatus"] == "Failed"
    assert "no_such_activity" in state["output"]


def test_running_instance_answers_202_and_its_custom_status(host: Host, tmp_path: Path) -> None:
    """While it runs the status is 202 and shows the latest custom status; an event ends it."""
    gate = tmp_path / "gate"
    links = host.start("fan_out", {"count": 2, "gate": str(gate)})
    eventually(lambda: host.state(links["id"]).json["customStatus"] == {"running": 2})
    reply = host.state(links["id"])
    assert (reply.status, reply.json["runtimeStatus"]) == (202, "Running")
    assert call("POST", cancel_url(links), {"by": "caller"}).status == 202
    assert host.end_of(links["id"])["output"] == {"cancelled": {"by": "caller"}}
    gate.touch()


def test_event_to_an_ended_instance_is_refused(host: Host) -> None:
    """A finished instance answers 410, one that never was 404, to events and to terminate."""
    ended = host.run("fan_out", {"count": 1})["instanceId"]
    for verb in ("raiseEvent/cancel", "terminate"):
        assert call("POST", f"{host.url}{HOOK}/instances/{ended}/{verb}").status == 410
        assert call("POST", f"{host.url}{HOOK}/instances/never-was/{verb}").status == 404


def test_function_raises_an_event_through_its_client(host: Host, tmp_path: Path) -> None:
    """The app's own Durable client reaches a running orchestration."""
    gate = tmp_path / "gate"
    links = host.start("fan_out", {"count": 1, "gate": str(gate)})
    assert call("POST", f"{host.url}/app/runs/{links['id']}/cancel").status == 202
    assert host.end_of(links["id"])["output"] == {"cancelled": {"by": "function"}}
    gate.touch()


def test_terminate_ends_a_run_with_its_reason(host: Host, tmp_path: Path) -> None:
    """A terminated parent shows the reason, and its sub-orchestration is terminated with it."""
    gate = tmp_path / "gate"
    links = host.start("parent", {"count": 1, "gate": str(gate)})
    child = f"{links['id']}-child"
    eventually(lambda: host.state(child).status == 202)
    assert call("POST", links["terminatePostUri"].replace("{text}", "enough")).status == 202
    state = host.end_of(links["id"])
    assert (state["runtimeStatus"], state["output"]) == ("Terminated", "enough")
    assert host.end_of(child)["runtimeStatus"] == "Terminated"
    gate.touch()


def test_history_tells_what_happened_and_when(host: Host) -> None:
    """The status can include the history; functions read it too, and no event is from 1970."""
    instance_id = host.run("fan_out", {"count": 2})["instanceId"]
    events = host.state(instance_id, "showHistory=true&showHistoryOutput=true").json["historyEvents"]
    kinds = [event["EventType"] for event in events]
    assert (kinds[0], kinds[-1]) == ("ExecutionStarted", "ExecutionCompleted")
    assert kinds.count("TaskCompleted") == 2
    found = call("GET", f"{host.url}/app/runs/{instance_id}").json
    assert found["status"] == "COMPLETED"
    assert found["events"] > len(events)
    assert found["years"][0] > 1970


def test_purge_forgets_an_ended_instance_only(host: Host, tmp_path: Path) -> None:
    """A finished instance is gone after a purge; one that runs stays."""
    gate = tmp_path / "gate"
    ended = host.start("fan_out", {"count": 1})
    host.end_of(ended["id"])
    running = host.start("fan_out", {"count": 1, "gate": str(gate)})
    assert call("DELETE", ended["purgeHistoryDeleteUri"]).json == {"instancesDeleted": 1}
    assert host.state(ended["id"]).status == 404
    assert call("DELETE", running["purgeHistoryDeleteUri"]).status == 404
    gate.touch()
    assert host.end_of(running["id"])["runtimeStatus"] == "Completed"


def test_start_over_http_keeps_the_id_it_is_given(host: Host) -> None:
    """A start that names its id gets it, once: the second start of that id is refused with 409."""
    url = f"{host.url}{HOOK}/orchestrators/fan_out/fixed-id"
    assert call("POST", url, {"count": 1}).json["id"] == "fixed-id"
    assert call("POST", url, {"count": 1}).status == 409
    assert host.end_of("fixed-id")["runtimeStatus"] == "Completed"
    assert call("POST", url, {"count": 1}).status == 409


@pytest.mark.parametrize(("name", "body", "status"), [("no_such", {}, 404), ("fan_out", b"{", 400)])
def test_start_over_http_refuses_what_it_cannot_start(host: Host, name: str, body: Any, status: int) -> None:
    """An orchestrator that is not there is 404, a body that is not JSON 400."""
    assert call("POST", f"{host.url}{HOOK}/orchestrators/{name}", body).status == status


def test_query_finds_instances_by_status_and_prefix(host: Host) -> None:
    """Only instances with the status and prefix asked for are listed; a status that is none is refused."""
    for name in ("query-a", "query-b"):
        call("POST", f"{host.url}{HOOK}/orchestrators/sleep/{name}", 0.01)
        host.end_of(name)
    listing = f"{host.url}{HOOK}/instances?instanceIdPrefix=query-&runtimeStatus="
    found = call("GET", f"{listing}Completed,Failed").json
    assert [state["instanceId"] for state in found] == ["query-a", "query-b"]
    assert call("GET", f"{listing}Running").json == []
    assert call("GET", f"{listing}Completed&createdTimeFrom=2999-01-01T00:00:00Z").json == []
    assert call("GET", f"{listing}Strolling").status == 400


def test_custom_status_of_16_kb_is_kept(host: Host) -> None:
    """8,192 characters of JSON are exactly 16 KB of UTF-16."""
    state = host.run("boast", 8192)
    assert state["runtimeStatus"] == "Completed"
    assert len(state["customStatus"]) == 8190


def test_custom_status_over_16_kb_fails_the_run(host: Host) -> None:
    """One character more fails the orchestration, as it would in Azure, and says why."""
    state = host.run("boast", 8193)
    assert (state["runtimeStatus"], state["customStatus"]) == ("Failed", None)
    assert state["output"] == "custom status is 16386 bytes of UTF-16 JSON, at most 16384 allowed"


def test_event_is_kept_across_continue_as_new(host: Host, tmp_path: Path) -> None:
    """An event that an execution did not read is there for the next, with save_events."""
    gate = tmp_path / "gate"
    links = host.start("rounds", {"round": 0, "gate": str(gate)})
    eventually(lambda: host.state(links["id"]).status == 202)
    assert call("POST", cancel_url(links), "now").status == 202
    gate.touch()
    assert host.end_of(links["id"])["output"] == {"round": 1, "heard": "now"}


def test_answer_to_an_earlier_execution_is_dropped(host: Host, tmp_path: Path) -> None:
    """An activity left behind by continue-as-new does not answer for the next execution's, which has its task id."""
    gates = [tmp_path / "first", tmp_path / "second"]
    links = host.start("leave_behind", {"round": 0, "gates": [str(gate) for gate in gates]})
    eventually(lambda: "work round 1" in host.started())
    gates[0].touch()
    assert host.run("fan_out", {"count": 1})["runtimeStatus"] == "Completed"
    assert host.state(links["id"]).status == 202
    gates[1].touch()
    assert host.end_of(links["id"])["output"] == "own answer"
