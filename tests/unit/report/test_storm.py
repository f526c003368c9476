"""What only a storm's report says."""

from dataclasses import replace

import pytest

from engine.errors import Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.report.render import report_markdown
from engine.report.results import RunResult, conclude
from engine.report.storm import storm_of
from engine.report.summary import summary
from engine.report.units import NOTHING


def _storm(calm: RunResult, *, connected: int, dropped: int = 0, lost: int = 0) -> RunResult:
    """A storm in which the nth device was connected after n seconds."""
    timeline = Timeline(5)
    due = Series(Operation.ITERATION, Phase.STEADY)
    left = Series(Operation.HUB_DISCONNECT, Phase.STEADY, "hub-a.example")
    for n in range(1, connected + 1):
        timeline.due(due, 0.0)
        timeline.start(due, 0.0)
        timeline.settle(Sample(due, 0.0, 0.0, n + 60.0, Outcome.OK, parts=(("connected", float(n)),)))
    for _ in range(dropped):
        timeline.due(due, 0.0)
        timeline.settle(Sample(due, 0.0, None, 0.0, Outcome.DROPPED, DropReason.NOT_PROVISIONED))
    for n in range(lost):
        timeline.due(left, float(n))
        timeline.start(left, float(n))
        timeline.settle(Sample(left, float(n), None, float(n), Outcome.DISCONNECTED))
    return conclude(replace(calm.facts, scenario="connect-storm"), timeline)


def test_storm_tells_when_shares_of_the_devices_were_connected(calm: RunResult) -> None:
    """Of a hundred devices the fiftieth, the ninetieth, the last but one and the last."""
    found = storm_of(_storm(calm, connected=100, lost=2))
    assert found is not None
    assert found.connected_s == {share: pytest.approx(share, rel=0.01) for share in (50, 90, 99, 100)}
    assert found.lost == 2


def test_storm_has_no_time_for_a_share_that_was_never_connected(calm: RunResult) -> None:
    """Shares are of the devices that were due: with four of five connected the last twenty per cent never were."""
    found = storm_of(_storm(calm, connected=8, dropped=2))
    assert found is not None
    assert found.connected_s == {50: pytest.approx(5.0, rel=0.01), 90: None, 99: None, 100: None}


def test_storm_without_devices_has_no_times(calm: RunResult) -> None:
    """A run that ended before its load says nothing of it."""
    found = storm_of(_storm(calm, connected=0))
    assert found is not None
    assert set(found.connected_s.values()) == {None}


def test_storm_is_in_the_summary_and_in_the_report(calm: RunResult) -> None:
    """Times in milliseconds, a dash where there is none, and the connections that were lost."""
    result = _storm(calm, connected=1, dropped=1, lost=3)
    assert summary(result)["storm"] == {
        "connectedMs": {"p50": 1000.0, "p90": None, "p99": None, "p100": None},
        "lostWhileHolding": 3,
    }
    report = report_markdown(result)
    assert f"| after ms | 1,000 | {NOTHING} | {NOTHING} | {NOTHING} |" in report
    assert "Connections lost while holding: 3." in report


def test_other_scenarios_have_no_storm(calm: RunResult) -> None:
    """Neither section nor key."""
    assert storm_of(calm) is None
    assert "storm" not in summary(calm)
    assert "The storm" not in report_markdown(calm)
