import json
from collections.abc import Callable
from dataclasses import replace

from engine.report.results import RunResult
from engine.report.summary import SCHEMA_VERSION, failures, summary


def test_summary_of_a_troubled_run(troubled: RunResult, golden: Callable[[str, str], None]) -> None:
    """The JSON of a run in which everything went wrong once."""
    golden("troubled.json", json.dumps(summary(troubled), indent=1, allow_nan=False) + "\n")


def test_summary_of_a_calm_run(calm: RunResult, golden: Callable[[str, str], None]) -> None:
    """The JSON of a run that passed."""
    golden("calm.json", json.dumps(summary(calm), indent=1, allow_nan=False) + "\n")


def test_summary_conserves_what_was_due(troubled: RunResult) -> None:
    """due = started + dropped, and started is everything that ended, for every operation, phase and hub."""
    for operation in summary(troubled)["operations"].values():
        for numbers in (operation, *operation["byPhase"].values(), *operation["byHub"].values()):
            assert numbers["due"] == numbers["started"] + numbers["dropped"]
            ended = sum(numbers[name] for name in ("ok", "failed", "late", "lost", "cancelled", "inFlight"))
            assert numbers["started"] == ended


def test_summary_adds_hubs_up(troubled: RunResult) -> None:
    """The hubs' starts are the operation's."""
    issued = summary(troubled)["operations"]["cert.issued"]
    assert issued["due"] == sum(hub["due"] for hub in issued["byHub"].values())


def test_summary_says_when_it_is_partial(calm: RunResult) -> None:
    """A run that goes on has results so far."""
    going_on = replace(calm, facts=replace(calm.facts, is_partial=True))
    assert summary(going_on)["partial"] is True
    assert summary(calm)["schemaVersion"] == SCHEMA_VERSION


def test_failures_come_most_frequent_first(troubled: RunResult) -> None:
    """Two throttled before the single ones; each names whose fault it is."""
    found = [(group["operation"], group["outcome"], group["code"], group["count"]) for group in failures(troubled)]
    assert found[0] == ("cert.issued", "throttled", "429002", 2)
    assert [group["blame"] for group in failures(troubled) if group["outcome"] == "timeout"] == ["network"]
    assert {outcome for _, outcome, _, _ in found} == {"throttled", "server", "late", "lost", "timeout"}
