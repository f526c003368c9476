"""What a host's state file is worth: killed at awkward moments, the next host goes on where it stopped."""

from datetime import datetime
from pathlib import Path

from tests.integration.localhost.hosting import HOOK, StartHost, call, eventually


def test_fan_out_survives_a_kill(start_host: StartHost, tmp_path: Path) -> None:
    """Killed with some activities done and some running, a fan-out completes; what was done is not done again."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    gate = tmp_path / "gate"
    first = start_host(*flags)
    done = first.run("fan_out", {"count": 3})
    links = first.start("fan_out", {"count": 30, "gate": str(gate)})
    eventually(lambda: len(first.started(f"work {links['id']}/")) == 10)
    first.kill()
    gate.touch()
    second = start_host(*flags)
    assert second.end_of(links["id"])["output"] == {"works": 30, "attempts": 40}
    assert second.state(done["instanceId"]).json == done
    assert len(second.started(f"work {done['instanceId']}/")) == 3


def test_answers_survive_a_kill(start_host: StartHost, tmp_path: Path) -> None:
    """Activities that answered before the kill keep their answers, though the orchestrator had not ended its wait."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    gate = tmp_path / "gate"
    first = start_host(*flags)
    links = first.start("rounds", {"round": 0, "gate": str(gate)})
    eventually(lambda: first.started("work round 0"))
    call("POST", links["sendEventPostUri"].replace("{eventName}", "cancel"), "early")
    first.kill()
    gate.touch()
    second = start_host(*flags)
    assert second.end_of(links["id"])["output"] == {"round": 1, "heard": "early"}


def test_retry_attempt_survives_a_kill(start_host: StartHost, tmp_path: Path) -> None:
    """Killed during the second attempt of an activity whose first had failed, the run completes."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    gate = tmp_path / "gate"
    first = start_host(*flags)
    links = first.start("fan_out", {"count": 1, "flaky": True, "gate": str(gate)})
    eventually(lambda: len(first.started(f"work {links['id']}/")) == 2)
    first.kill()
    gate.touch()
    second = start_host(*flags)
    assert second.end_of(links["id"])["output"] == {"works": 1, "attempts": 3}


def test_sub_orchestration_survives_a_kill(start_host: StartHost, tmp_path: Path) -> None:
    """A child still tells its parent after both were read back."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    gate = tmp_path / "gate"
    first = start_host(*flags)
    links = first.start("parent", {"count": 1, "gate": str(gate)})
    eventually(lambda: first.started(f"work {links['id']}-child/"))
    first.kill()
    gate.touch()
    second = start_host(*flags)
    assert second.end_of(links["id"])["output"]["works"] == 1


def test_timer_keeps_its_due_time_over_a_kill(start_host: StartHost, tmp_path: Path) -> None:
    """A durable timer set before the kill is due when it was due, not that long after the restart."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    first = start_host(*flags)
    links = first.start("sleep", 2)
    eventually(lambda: first.state(links["id"]).json["runtimeStatus"] == "Running")
    first.kill()
    state = start_host(*flags).end_of(links["id"])
    assert state["output"] == "slept"
    assert 2 <= seconds_of(state["lastUpdatedTime"]) - seconds_of(state["createdTime"]) < 3


def test_terminate_survives_a_kill(start_host: StartHost, tmp_path: Path) -> None:
    """A terminated instance stays terminated and its activities stay unstarted."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    first = start_host(*flags)
    links = first.start("fan_out", {"count": 12, "gate": str(tmp_path / "never")})
    eventually(lambda: len(first.started()) == 10)
    assert call("POST", links["terminatePostUri"]).status == 202
    first.kill()
    second = start_host(*flags)
    assert second.end_of(links["id"])["runtimeStatus"] == "Terminated"
    assert second.run("fan_out", {"count": 1})["runtimeStatus"] == "Completed"
    assert len(second.started(f"work {links['id']}/")) == 10


def test_purge_survives_a_clean_restart(start_host: StartHost, tmp_path: Path) -> None:
    """After SIGTERM and a new start, history is readable and what was purged is gone."""
    flags = ("--no-timers", "--state", str(tmp_path / "state.db"))
    first = start_host(*flags)
    kept, purged = (first.run("fan_out", {"count": 2})["instanceId"] for _ in range(2))
    assert call("DELETE", f"{first.url}{HOOK}/instances/{purged}").status == 200
    history = first.state(kept, "showHistory=true").json
    assert first.stop() == 0
    second = start_host(*flags)
    assert second.state(kept, "showHistory=true").json == history
    assert second.state(purged).status == 404


def seconds_of(time: str) -> float:
    """Seconds since 1970 of a time in the API's form."""
    return datetime.fromisoformat(time).timestamp()
