"""What a real run told, through the real exporter: queries say what the run's own results say."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from kql import pack
from kql.workspace import Workspace

from doubles.stage import open_stage
from engine.measure.histogram import ALPHA

SPEC = {
    "scenario": "cert-renewal",
    "name": "telemetry",
    "devices": {"count": 20, "prefix": "told-"},
    "load": {"duration": "20s", "rampUp": "5s", "pacing": {"interval": "5s"}, "gracefulStop": "10s"},
    "connection": {"hold": "200ms"},
    "execution": {"batchSize": 10},
    "results": {"interval": "5s", "percentiles": [50, 90, 95, 99, 99.9]},
    "thresholds": [{"metric": "cert.issued", "expr": "fail_rate<0.01"}],
}
FAULTS = {"throttled": 0.2}
ROUNDED = 0.5e-3 * 1.001
"""How far a summary's milliseconds are from what they were before they were rounded to three places."""

WITHOUT_ROWS = ("17-replicas", "alert-scheduled-runs")
"""No replica and no schedule took part."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was carried out here: its summary, and the workspace with what it told."""

    summary: dict[str, Any]
    envelopes: list[dict[str, Any]]
    workspace: Workspace

    def ask(self, query: str, **more: str) -> list[dict[str, Any]]:
        """A query of the pack about the run; more literals by name."""
        asked = {"run": f"'{self.summary['runId']}'", "step": "10s", **more}
        return self.workspace.ask(pack.about(pack.queries()[query], asked))

    def numbers(self, operation: str) -> dict[str, Any]:
        """An operation's numbers in the summary, prepare included where the run counts it apart."""
        found: dict[str, Any] = self.summary["operations"][operation]
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Twenty devices for twenty seconds, a fifth of their renewals throttled."""
    with open_stage(tmp_path_factory.mktemp("told"), faults=FAULTS) as stage:
        summary = stage.run(SPEC)
        assert stage.station.telemetry is not None
        lines = stage.station.telemetry.read_text(encoding="utf-8").splitlines()
    envelopes = [json.loads(line) for line in lines]
    workspace = Workspace()
    workspace.ingest(envelopes)
    return Run(summary, envelopes, workspace)


def over_phases(run: Run, operation: str) -> Counter[str]:
    """How often each outcome came, in all phases."""
    found: Counter[str] = Counter()
    for phase in run.numbers(operation)["byPhase"].values():
        found.update(phase["outcomes"])
    return +found


def test_run_told_of_itself_in_every_way(run: Run) -> None:
    """Events, metrics and exemplary spans came, and failures are among them."""
    kinds = Counter(envelope["data"]["baseType"] for envelope in run.envelopes)
    assert {"EventData", "MetricData", "RemoteDependencyData"} <= set(kinds)
    assert run.numbers("cert.issued")["outcomes"]["throttled"] > 0
    assert run.summary["verdict"] == "failed"


def test_all_that_was_sent_arrived(run: Run) -> None:
    """What the batches sent is what came of them; the run's own events are told by others."""
    names = Counter(envelope["data"]["baseData"].get("name", "") for envelope in run.envelopes)
    lines = sum(envelope["data"]["baseType"] == "MessageData" for envelope in run.envelopes)
    sent = run.summary["telemetry"]
    assert sent == {"sent": len(run.envelopes) - names["loadtest.run"] - lines, "retried": 0, "dropped": 0}


def test_percentiles_are_the_summarys(run: Run) -> None:
    """Counts and ends are exact, the mean to its last digits; percentiles come off the same buckets."""
    rows = {(row["operation"], row["during"]): row for row in run.ask("03-percentiles")}
    for operation in run.summary["operations"]:
        numbers = run.numbers(operation)
        wanted = numbers["latencyMs"]["intended"]
        during = "prepare" if numbers["phases"] == ["prepare"] else "load"
        if wanted["count"] == 0:
            assert (operation, during) not in rows
            continue
        row = rows[operation, during]
        assert row["answered"] == wanted["count"] == numbers["ok"] + numbers["late"]
        ends = {"mean_ms": "avg", "min_ms": "min", "max_ms": "max"}
        assert all(row[column] == pytest.approx(wanted[name], abs=ROUNDED) for column, name in ends.items())
        for column, name in {"p50_ms": "p50", "p90_ms": "p90", "p95_ms": "p95", "p99_ms": "p99"}.items():
            is_end = wanted[name] in (
                wanted["min"],
                wanted["max"],
            )  # of the first and last the results have the exact value
            slack = {"rel": ALPHA} if is_end else {"abs": ROUNDED}
            assert row[column] == pytest.approx(wanted[name], **slack), (operation, name)


def test_throughput_adds_up_to_the_summarys_outcomes(run: Run) -> None:
    """Of every operation, whichever its phase."""
    found: Counter[tuple[str, str]] = Counter()
    for row in run.ask("05-throughput"):
        found[row["operation"], row["outcome"]] += row["ended"]
    wanted = {
        (operation, outcome): count
        for operation in run.summary["operations"]
        for outcome, count in over_phases(run, operation).items()
    }
    assert found == wanted


def test_failures_are_the_summarys(run: Run) -> None:
    """By operation, outcome and code; the summary has no failures of what was dropped or cancelled."""
    rows = [row for row in run.ask("06-failures") if row["outcome"] not in ("dropped", "cancelled")]
    found = {(row["operation"], row["outcome"], row["code"]): row["failures"] for row in rows}
    wanted = {(one["operation"], one["outcome"], one["code"]): one["count"] for one in run.summary["failures"]}
    assert found == wanted != {}


def test_throttling_and_renewals_are_the_summarys(run: Run) -> None:
    """As many throttled as the emulator's 429s came to, and the stages of a renewal over all phases."""
    outcomes = over_phases(run, "cert.issued")
    throttled = sum(row["throttled"] for row in run.ask("07-throttling") if row["operation"] == "cert.issued")
    assert throttled == outcomes["throttled"] > 0
    issued = [row for row in run.ask("08-renewals") if row["operation"] == "cert.issued"]
    assert sum(row["ok"] for row in issued) == outcomes["ok"] > 0


def test_hubs_add_up_to_the_summary(run: Run) -> None:
    """Per hub the counts, and the failure rate, of the summary."""
    rows = {(row["operation"], row["hub"]): row for row in run.ask("09-hubs")}
    assert rows
    for (operation, hub), row in rows.items():
        numbers = run.numbers(operation)["byHub"][hub]
        assert (row["ok"], row["failed"], row["lost"]) == (numbers["ok"], numbers["failed"], numbers["lost"])
        assert row["fail_percent"] == pytest.approx(100.0 * numbers["failRate"], abs=1e-3)


def test_nothing_was_lost_on_the_way(run: Run) -> None:
    """Events, metrics and result agree, and nothing came twice."""
    rows = {row["operation"]: row for row in run.ask("14-completeness")}
    assert set(rows) == set(run.summary["operations"])
    assert {row["delta"] for row in rows.values()} == {0}
    assert {row["repeated_items"] for row in rows.values()} == {0}
    assert rows[run.summary["mainOperation"]]["not_arrived"] == 0


def test_run_and_verdict_are_the_summarys(run: Run) -> None:
    """Found in the list of runs, with the verdict's reason."""
    [listed] = run.ask("01-runs")
    [verdict] = run.ask("02-verdict")
    main = run.numbers(run.summary["mainOperation"])
    for row in (listed, verdict):
        assert (row["run_id"], row["state"], row["verdict"]) == (run.summary["runId"], "finished", "failed")
        assert (row["ok"], row["failed"], row["dropped"]) == (main["ok"], main["failed"], main["dropped"])
        assert row["p95_ms"] == pytest.approx(main["latencyMs"]["intended"]["p95"], abs=ROUNDED)
        assert row["reason"] == run.summary["reasons"][0]["text"]
    assert verdict["exit_code"] == run.summary["exitCode"]
    assert verdict["batches"] == len(run.summary["batches"])
    assert run.ask("pick-run")[0]["value"] == run.summary["runId"]
    assert run.ask("pick-operation")[0]["value"] == run.summary["mainOperation"]


def test_workers_and_health_cover_every_batch(run: Run) -> None:
    """Every batch was begun and ended by somebody, and its generator was watched."""
    workers = run.ask("11-workers")
    batches = {batch["name"] for batch in run.summary["batches"]}
    assert sum(row["batches_done"] for row in workers) == sum(row["batches_begun"] for row in workers) == len(batches)
    assert {row["state"] for row in workers} == {"done"}
    assert {row["worker"] for row in workers} != {None}
    health = run.ask("12-health")
    assert len({row["batch"] for row in health}) == len(batches)
    worst = run.summary["generator"]["worst"]
    assert max(row["lag_p99_ms"] for row in health) == pytest.approx(worst["lagP99Ms"], abs=ROUNDED)


@pytest.mark.parametrize("query", sorted(pack.queries().keys() - set(WITHOUT_ROWS)))
def test_query_finds_something_of_a_real_run(query: str, run: Run) -> None:
    """Each has rows, but for those about replicas and schedules, of which there were none."""
    more = {"baseline": f"'{run.summary['runId']}'"} if query == "15-compare" else {}
    assert run.ask(query, **more)


def test_comparison_of_a_run_with_itself_is_no_change(run: Run) -> None:
    """All differences are naught."""
    rows = run.ask("15-compare", baseline=f"'{run.summary['runId']}'")
    changes = {row["p95_change_percent"] for row in rows}
    assert changes <= {0.0, None}
