"""What Application Insights would get of a run on this machine, seen by whoever started it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.capture import open_capture
from engine.cli.telemetry import NAME
from engine.protocol.envelope import Table, read_envelope
from tests.e2e.commanding import SMALL, Commands, open_commands


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Commands that work in this test's folder."""
    with open_commands(tmp_path) as found:
        yield found


def intervals(items: list[Any]) -> Counter[tuple[str, str]]:
    """How many operations the interval events tell of, by operation and outcome; one that came twice counts once."""
    found: dict[str, tuple[str, str, int]] = {}
    for item in items:
        base = item["data"]["baseData"]
        if base.get("name") == "loadtest.interval":
            told = base["properties"]
            found[told["id"]] = (told["operation"], told["outcome"], int(base["measurements"]["count"]))
    counts: Counter[tuple[str, str]] = Counter()
    for operation, outcome, count in found.values():
        counts[operation, outcome] += count
    return counts


def test_run_shows_and_keeps_what_was_sent(commands: Commands) -> None:
    """Its folder has its items and no others, they count what the summary counts, and they are listed by name.

    What the services before have sent is gone from the state directory.
    """
    kept = commands.folder / "state/telemetry/items.jsonl"
    kept.parent.mkdir(parents=True)
    kept.write_text("of another time\n")
    command = commands.run(SMALL)
    code, stdout = command.end()
    assert code == 0, command.stderr.read_text()
    summary, said = json.loads(stdout), command.stderr.read_text()
    file = commands.folder / "out" / summary["runId"] / NAME
    items = [json.loads(line) for line in file.read_text().splitlines()]
    envelopes = [read_envelope(item) for item in items]
    assert {envelope.run_id for envelope in envelopes} == {summary["runId"]}
    issued = summary["operations"]["cert.issued"]["outcomes"]
    assert {outcome: intervals(items)["cert.issued", outcome] for outcome in issued} == issued
    told = [one.properties["status"] for one in envelopes if one.name == "loadtest.run"]
    assert told == ["started", "finished"]
    many = sum(one.table is Table.EVENTS and one.name == "loadtest.interval" for one in envelopes)
    assert f"AppEvents        loadtest.interval {many}" in said
    assert set(file.read_bytes().splitlines()) <= set(kept.read_bytes().splitlines())
    assert "of another time" not in kept.read_text()
    assert "telemetry http://127.0.0.1:" in said


def test_telemetry_goes_where_the_caller_wants_it(commands: Commands, tmp_path: Path) -> None:
    """With a connection string in the environment nothing is kept here, and that is said."""
    with open_capture(tmp_path / "theirs.jsonl") as theirs:
        command = commands.run(SMALL, APPLICATIONINSIGHTS_CONNECTION_STRING=theirs.connection_string)
        code, stdout = command.end()
        assert code == 0, command.stderr.read_text()
        run_id = json.loads(stdout)["runId"]
        assert run_id in {read_envelope(item).run_id for item in theirs.items()}
    assert not (commands.folder / "out" / run_id / NAME).exists()
    assert not (commands.folder / "state/telemetry").exists()
    assert "telemetry goes where APPLICATIONINSIGHTS_CONNECTION_STRING says" in command.stderr.read_text()
