"""Queries about runs as a whole, who carried them out and what they cost, over runs that never were."""

import pytest
from kql import fiction, pack
from kql.asking import BASELINE, BEGAN, RUN, UNDER_LOAD, Ask, by, moment, ms
from kql.fiction import PHASES, Told
from kql.workspace import Workspace

from engine.measure.operation import Operation, Phase

LONG_AGO, FAR_AHEAD = 1_577_836_800.0, 4_102_444_800.0
"""New year of 2020 and 2100: queries ask the clock themselves."""


def test_progress_is_the_mean_level_over_all_batches(ask: Ask) -> None:
    """Two batches with 15 connected devices make 30, in a step of one telling as in one of six."""
    rows = by(ask("10-progress"), "at", "doing")
    assert {row["level"] for (_, doing), row in rows.items() if doing == "connected"} == {30.0}
    flights = [row["level"] for (_, doing), row in sorted(rows.items()) if doing == "iterations in flight"]
    assert flights == [2.0 * n for n in range(len(PHASES))]
    wide = by(ask("10-progress", step="1h"), "doing")
    assert {doing: row["level"] for doing, row in wide.items()} == {
        "connected": 30.0,
        "renewing": 10.0,
        "iterations in flight": 5.0,
    }


def test_workers_are_done_when_all_their_batches_are(ask: Ask, told: dict[str, Told]) -> None:
    """Each with its batches, when it was last heard, and the iterations it drove."""
    rows = by(ask("11-workers"), "worker")
    assert set(rows) == {"worker/0", "worker/1"}
    for batch in fiction.BATCHES:
        row = rows[f"worker/{batch}"]
        assert (row["state"], row["batches_begun"], row["batches_done"]) == ("done", 1, 1)
        assert row["last_seen"] == moment(BEGAN[RUN] + 61.0)
        assert row["iterations"] == sum(
            sample.series.operation is Operation.ITERATION for sample in told[RUN].samples[batch]
        )


@pytest.mark.parametrize(("began", "state"), [(LONG_AGO, "silent"), (FAR_AHEAD, "working")])
def test_worker_with_work_in_hand_is_silent_after_a_while(began: float, state: str) -> None:
    """Of a batch that never ended, a time without a word counts as silence."""
    run = fiction.tell("r", began)
    unfinished = [
        item for item in run.envelopes() if item["data"]["baseData"].get("properties", {}).get("status") != "finished"
    ]
    workspace = Workspace()
    workspace.ingest(unfinished)
    rows = workspace.ask(pack.about(pack.queries()["11-workers"], {"run": "'r'"}))
    assert [row["state"] for row in rows] == [state, state]


def test_health_counts_steady_intervals_over_a_limit(ask: Ask) -> None:
    """One of three steady intervals was over, and one of the ramp, which does not count; limits are the judgement's."""
    for row in ask("12-health"):
        assert (row["intervals"], row["steady_intervals"], row["over_limit"]) == (6, PHASES.count(Phase.STEADY), 1)
        assert (row["lag_p99_ms"], row["cpu_percent"], row["descriptor_percent"]) == (400.0, 50.0, 10.0)
    lags = [row["lag_percent"] for row in ask("13-health-over-time")]
    assert lags == pytest.approx([4.0, 160.0, 4.0, 120.0, 4.0, 4.0])


def test_runs_are_listed_newest_first_with_their_verdict(ask: Ask, told: dict[str, Told]) -> None:
    """Numbers are those of the finished event."""
    rows = ask("01-runs")
    assert [(row["run_id"], row["state"], row["verdict"]) for row in rows] == [
        (RUN, "finished", "failed"),
        (BASELINE, "finished", "failed"),
    ]
    first, counts = rows[0], told[RUN].counts(Operation.CERT_ISSUED)
    assert (first["started"], first["wall_s"], first["devices"]) == (moment(BEGAN[RUN]), 65, fiction.DEVICES)
    assert (first["ok"], first["failed"], first["lost"]) == (counts.ok, counts.failed, counts.lost)
    assert first["p95_ms"] == pytest.approx(ms(counts.intended.quantile(0.95)))


@pytest.mark.parametrize(("began", "state"), [(LONG_AGO, "silent"), (FAR_AHEAD, "running")])
def test_run_that_never_said_its_end_is_running_or_silent(began: float, state: str) -> None:
    """Also where the word of its start was lost: its intervals show it."""
    envelopes = fiction.tell("r", began).envelopes()
    workspace = Workspace()
    workspace.ingest(item for item in envelopes if item["data"]["baseData"].get("name") == "loadtest.interval")
    [row] = workspace.ask(pack.queries()["01-runs"])
    assert (row["run_id"], row["state"], row["verdict"]) == ("r", state, "")


def test_verdict_is_of_one_run(ask: Ask) -> None:
    """With the reason, the exit code, and what was measured."""
    [row] = ask("02-verdict")
    assert (row["run_id"], row["state"], row["verdict"], row["exit_code"]) == (RUN, "finished", "failed", 99)
    assert (row["reason"], row["main_operation"], row["attempt"]) == ("cert.issued fail_rate<0.01", "cert.issued", 1)


def test_lists_to_choose_from_begin_with_what_is_wanted_most(ask: Ask) -> None:
    """The newest run; the main operation."""
    assert [row["value"] for row in ask("pick-run")] == [RUN, BASELINE]
    assert ask("pick-run")[0]["label"] == f"{RUN}, nightly: failed"
    assert [row["value"] for row in ask("pick-operation")] == [
        "cert.issued",
        *sorted({*UNDER_LOAD, "dps.register"} - {"cert.issued"}),
    ]


def test_cost_is_what_all_items_weigh(ask: Ask, told: dict[str, Told]) -> None:
    """By run and table, at a price that can be set."""
    rows = ask("16-cost", usd_per_gb="1000000000.0")
    assert {(row["run_id"], row["table_name"]) for row in rows} == {
        (run_id, table) for run_id in told for table in ("AppEvents", "AppMetrics")
    }
    assert sum(row["items"] for row in rows) == sum(len(run.signals) for run in told.values())
    assert all(row["usd"] == pytest.approx(row["gb"] * 1e9) for row in rows)


def test_replicas_that_failed_are_told_from_those_that_ended() -> None:
    """A container that ended with 0 is none of them, nor is a job's ordinary news."""
    said = [
        ("ContainerTerminated", "Container 'worker' was terminated with exit code '0' and reason 'ProcessExited'"),
        ("ContainerTerminated", "Container 'worker' was terminated with exit code '137' and reason 'ProcessExited'"),
        ("BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ("ErrImagePull", "not found"),
        ("ContainerStarted", "Started container 'worker'"),
    ]
    workspace = Workspace()
    workspace.put(
        "ContainerAppSystemLogs",
        [
            {"TimeGenerated": moment(0.0), "JobName": job, "ReplicaName": "r-1", "Reason": reason, "Log": text}
            for reason, text in said
            for job in ("batch", "")
        ],
    )
    rows = workspace.ask(pack.queries()["17-replicas"])
    assert {row["reason"] for row in rows} == {"ContainerTerminated", "BackoffLimitExceeded", "ErrImagePull"}
    assert [row["text"] for row in rows if row["reason"] == "ContainerTerminated"] == [said[1][1]]
    assert {row["job"] for row in rows} == {"batch"}


def test_query_about_nobody_finds_nothing(shared_workspace: Workspace) -> None:
    """As shipped, before somebody has put a run's id in, a query about a run answers with no rows."""
    for name, text in pack.queries().items():
        if "run" in pack.parameters(text):
            assert shared_workspace.ask(text) == [], name
