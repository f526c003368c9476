"""The command line against a host that is up: runs that it carries out, and what is asked of them afterwards."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.stage import Stage
from tests.e2e.commanding import SMALL, Command, Commands, open_commands

LONG: dict[str, Any] = {**SMALL, "name": "long", "load": {**SMALL["load"], "duration": "60s"}}


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Commands that work in this test's folder."""
    with open_commands(tmp_path) as found:
        yield found


def told(stage: Stage, commands: Commands, *words: str) -> Command:
    """A command that asks the stage's host."""
    return commands.start([sys.executable, "-m", "engine", *words], CERTFLEET_URL=stage.station.url)


def answer(stage: Stage, commands: Commands, *words: str) -> Any:
    """The JSON value that a command prints, which ends with 0."""
    command = told(stage, commands, *words, "--json")
    code, stdout = command.end()
    assert code == 0, command.stderr.read_text()
    return json.loads(stdout)


def spec_file(commands: Commands, spec: Any) -> str:
    """A file with the spec."""
    file = commands.folder / "spec.json"
    file.write_text(json.dumps(spec))
    return str(file)


def test_run_elsewhere_is_reported_here(stage: Stage, commands: Commands) -> None:
    """Estimated, carried out, listed, compared with itself and reported: the same run in every answer."""
    spec = ("--spec", spec_file(commands, {**SMALL, "name": "there", "labels": {"asked": "there"}}))
    foreseen = answer(stage, commands, "estimate", *spec)
    assert foreseen["estimate"] == answer(stage, commands, "estimate", *spec, "--url", "local")["estimate"]

    summary = answer(stage, commands, "run", *spec, "--out", str(commands.folder / "out"))
    assert summary["verdict"] == "passed"
    run_id, folder = summary["runId"], commands.folder / "out" / summary["runId"]
    assert {file.name for file in folder.iterdir()} == {"summary.json", "timeline.csv", "report.md", "report.html"}
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert (folder / "report.html").read_text().lower().startswith("<!doctype html>")

    listed = answer(stage, commands, "list", "--label", "asked=there", "--since", "1h", "--verdict", "passed")
    assert [run["runId"] for run in listed["runs"]] == [run_id]
    compared = answer(stage, commands, "compare", run_id, "--to", run_id)
    assert compared["operations"]["cert.issued"]["ok"]["change"] == 0
    file = commands.folder / "again.html"
    told_where = answer(stage, commands, "report", run_id, "--out", str(file))
    assert told_where == {"runId": run_id, "format": "html", "file": str(file)}
    assert file.read_bytes() == (folder / "report.html").read_bytes()

    assert answer(stage, commands, "delete", run_id) == {"runId": run_id, "deleted": True}
    gone = told(stage, commands, "watch", run_id)
    assert gone.end()[0] == 1
    assert "there is none of that id" in gone.stderr.read_text()


def test_interrupt_cancels_a_run_elsewhere(stage: Stage, commands: Commands) -> None:
    """105, with the results of what was measured; the host stays."""
    out = ("--out", str(commands.folder / "out"))
    command = told(stage, commands, "run", "--spec", spec_file(commands, LONG), *out, "--json")
    command.comes_to_say("of load")
    command.interrupt()
    code, stdout = command.end()
    assert code == 105, command.stderr.read_text()
    summary = json.loads(stdout)
    assert summary["verdict"] == "cancelled"
    assert (commands.folder / "out" / summary["runId"] / "report.html").exists()
    stage.station.check()


def test_detached_run_is_watched_cancelled_and_resumed(stage: Stage, commands: Commands) -> None:
    """Each by a command of its own; an interrupted watch leaves the run alone."""
    accepted = answer(stage, commands, "run", "--spec", spec_file(commands, LONG), "--detach")
    run_id = accepted["runId"]
    watch = told(stage, commands, "watch", run_id)
    stage.wait(run_id, lambda view: view.get("elapsedSeconds", 0) > 1)
    watch.interrupt()
    assert watch.end()[0] == 105
    assert f"interrupted; run {run_id} goes on" in watch.stderr.read_text()
    assert stage.api.look(run_id)["state"] == "running"
    assert answer(stage, commands, "cancel", run_id, "--wait")["verdict"] == "cancelled"
    assert answer(stage, commands, "resume", run_id)["attempt"] == 2
    assert answer(stage, commands, "cancel", run_id, "--wait")["state"] == "finished"


def test_schedule_is_put_and_deleted(stage: Stage, commands: Commands) -> None:
    """As the API would have it, with its next firings."""
    spec = ("--spec", spec_file(commands, SMALL))
    put = answer(stage, commands, "schedule", "put", "by-hand", *spec, "--cron", "0 30 2 1 1 *")
    assert (put["name"], put["cron"], len(put["next"])) == ("by-hand", "0 30 2 1 1 *", 5)
    refused = told(stage, commands, "schedule", "put", "by-hand", *spec, "--cron", "every night")
    assert refused.end()[0] == 104
    assert "/cron" in refused.stderr.read_text()
    assert answer(stage, commands, "schedule", "show", "by-hand")["spec"]["name"] == "small"
    assert answer(stage, commands, "schedule", "delete", "by-hand")["deleted"]
