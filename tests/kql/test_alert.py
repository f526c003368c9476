"""The alert: which scheduled runs and firings it tells of, and which it does not."""

from dataclasses import replace
from typing import Any

import pytest
from kql import fiction, pack
from kql.envelopes import envelope
from kql.workspace import Workspace

from engine.measure.signal import Event
from engine.measure.verdict import Verdict
from engine.run import bulletin
from engine.run.schedules import Became, Firing, Schedule, Wish

AT = 1_795_428_000.0
NIGHTLY = Schedule("nightly", Wish({}), {}, created=0.0, changed=0.0, seen=0.0)


def ended(verdict: str, started_by: str = "schedule:nightly") -> Event:
    """A run's last word."""
    state = fiction.state("nightly-20261123-1000", verdict=verdict, started_by=started_by, reasons=("why",))
    return bulletin.run_given_up(state, 1, at=AT)


def fired(became: Became) -> Event:
    """What became of a firing."""
    return bulletin.fired(NIGHTLY, Firing(AT, became, "nightly-1" if became is Became.STARTED else "", "over quota"))


def alarms(*events: Event) -> list[dict[str, Any]]:
    """What the alert tells of."""
    workspace = Workspace()
    workspace.ingest(envelope(event, "app/1") for event in events)
    return workspace.ask(pack.queries()["alert-scheduled-runs"])


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.INVALID, Verdict.ABORTED, Verdict.ERROR])
def test_alert_tells_of_a_scheduled_run_that_went_wrong(verdict: Verdict) -> None:
    """With the schedule, the run and the first reason."""
    [row] = alarms(ended(verdict))
    assert (row["schedule"], row["became"], row["run_id"], row["reason"]) == (
        "nightly",
        verdict,
        "nightly-20261123-1000",
        "why",
    )


@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.CANCELLED])
def test_alert_is_silent_about_a_run_that_passed_or_that_somebody_ended(verdict: Verdict) -> None:
    """Nobody has to get up for these."""
    assert alarms(ended(verdict)) == []


def test_alert_is_silent_about_runs_that_people_started() -> None:
    """Who started it looks at it."""
    assert alarms(ended(Verdict.FAILED, started_by="someone"), ended(Verdict.FAILED, started_by="")) == []


def test_alert_is_silent_about_a_run_that_goes_on() -> None:
    """Not before it has ended: the last word of an earlier attempt is in the state that a later one begins with."""
    state = fiction.state("nightly-1", verdict="failed", started_by="schedule:nightly")
    assert alarms(bulletin.run_started(state, devices=1, batches=1, at=AT)) == []


@pytest.mark.parametrize(
    ("became", "rows"), [(Became.REFUSED, 1), (Became.MISSED, 1), (Became.STARTED, 0), (Became.SKIPPED, 0)]
)
def test_alert_tells_of_firings_that_should_have_started_a_run(became: Became, rows: int) -> None:
    """Refused and missed; skipped is what was asked for where runs overlap."""
    found = alarms(fired(became))
    assert len(found) == rows
    assert all((row["schedule"], row["became"], row["reason"]) == ("nightly", became, "over quota") for row in found)


def test_alert_tells_once_of_what_arrived_twice() -> None:
    """An activity that is carried out again tells again."""
    [row] = alarms(ended(Verdict.FAILED), replace(ended(Verdict.FAILED), at=AT + 5.0))
    assert row["times"] == 2
