"""`python -m engine run`: the exit codes, the files, and nothing left behind."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.commanding import SMALL, Commands, children_of, open_commands


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Commands that work in this test's folder."""
    with open_commands(tmp_path) as found:
        yield found


def test_run_passes_and_leaves_only_its_files(commands: Commands) -> None:
    """Exit code 0, a summary that adds up on stdout and in a file, a report, a timeline, and no process."""
    code, stdout = commands.run(SMALL).end()
    assert code == 0
    summary = json.loads(stdout)
    assert summary["verdict"] == "passed"
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    issued = summary["operations"]["cert.issued"]
    assert issued["due"] == issued["started"] == issued["ok"] >= 6
    assert len(summary["batches"]) == 3
    folder = commands.folder / "out" / summary["runId"]
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert (folder / "report.md").read_text().startswith("# small")
    assert (folder / "timeline.csv").read_text().startswith("start_s,")
    assert commands.left() == []


def test_failed_threshold_is_the_exit_code(commands: Commands) -> None:
    """99, with the failure blamed on the service, which the emulator counted as well."""
    command = commands.run(SMALL, "--faults", '{"throttled": 1}')
    code, stdout = command.end()
    summary = json.loads(stdout)
    assert (code, summary["verdict"]) == (99, "failed")
    assert {one["blame"] for one in summary["failures"]} == {"service"}
    assert "FAILED (exit code 99)" in command.stderr.read_text()


def test_refused_spec_is_told_problem_by_problem(commands: Commands) -> None:
    """104, with each JSON pointer; nothing is left running."""
    command = commands.run({"scenario": "cert-renewal", "devices": {"cout": 3}, "load": {"duration": 5}})
    code, _ = command.end()
    assert code == 104
    told = command.stderr.read_text()
    assert "/devices/cout" in told
    assert "/load/duration" in told
    assert commands.left() == []


def test_first_interrupt_drains_the_run(commands: Commands) -> None:
    """105, with the results of what was measured, and no process."""
    command = commands.run({**SMALL, "load": {**SMALL["load"], "duration": "60s"}})
    command.comes_to_say("of load")
    command.interrupt()
    code, stdout = command.end()
    summary = json.loads(stdout)
    assert (code, summary["verdict"]) == (105, "cancelled")
    assert summary["conservation"]["holds"]
    assert summary["operations"]["cert.issued"]["ok"] >= 1
    assert (commands.folder / "out" / summary["runId"] / "report.md").exists()
    assert commands.left() == []


def test_second_interrupt_ends_at_once(commands: Commands) -> None:
    """A run that would drain for long is left, and no process with it; the next command clears it away."""
    slow = {**SMALL, "load": {**SMALL["load"], "duration": "60s", "gracefulStop": "60s"}, "connection": {"hold": "50s"}}
    command = commands.run(slow)
    command.comes_to_say("of load")
    command.interrupt()
    command.comes_to_say("once more ends at once")
    command.interrupt()
    code, stdout = command.end(within_s=15)
    assert (code, stdout) == (105, b"")
    assert commands.are_all_gone()


def test_killed_command_takes_its_services_along(commands: Commands) -> None:
    """SIGKILL leaves no time to stop anything; what it left of its run does not get into the next one's numbers."""
    command = commands.run({**SMALL, "load": {**SMALL["load"], "duration": "60s"}})
    command.comes_to_say("of load")
    assert len(commands.left()) >= 3
    command.process.kill()
    assert commands.are_all_gone()
    following = commands.run(SMALL)
    code, stdout = following.end()
    assert code == 0, following.stderr.read_text()
    assert "was left unfinished by an earlier command" in following.stderr.read_text()
    assert all(
        one["devices"] == one["emulator"] for one in json.loads(stdout)["emulator"] if one["devices"] is not None
    )


def test_two_commands_do_not_share_a_state(commands: Commands) -> None:
    """The second is told about the first, and the first goes on."""
    first = commands.run({**SMALL, "load": {**SMALL["load"], "duration": "60s"}})
    first.comes_to_say("about")
    second = commands.run(SMALL)
    assert second.end()[0] == 1
    assert f"is in use by process {first.process.pid}" in second.stderr.read_text()
    first.interrupt()
    assert first.end()[0] == 105


def test_dead_service_ends_the_run_with_its_last_words(commands: Commands) -> None:
    """1, with the log that says more; the other services go too."""
    command = commands.run({**SMALL, "load": {**SMALL["load"], "duration": "60s"}})
    command.comes_to_say("of load")
    [host] = [process for process in children_of(command.process.pid) if "engine.localhost" in process[1]]
    os.kill(host[0], signal.SIGKILL)
    assert command.end(within_s=40)[0] == 1
    told = command.stderr.read_text()
    assert "the host ended by itself by SIGKILL" in told
    assert "Traceback" not in told
    assert commands.are_all_gone()
