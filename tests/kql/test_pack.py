"""The pack as Microsoft's parser reads it."""

import pytest
from kql import pack
from kql.parser import Parsed, parse

LATENCIES = {"p50_ms": "real", "p95_ms": "real", "p99_ms": "real"}
COUNTS = {"ok": "long", "failed": "long", "late": "long", "lost": "long", "dropped": "long"}

COLUMNS = {
    "01-runs": {
        "run_id": "string",
        "name": "string",
        "scenario": "string",
        "target": "string",
        "state": "string",
        "verdict": "string",
        "started": "datetime",
        "last_told": "datetime",
        "wall_s": "long",
        "load_s": "real",
        "devices": "long",
        "main_operation": "string",
        **COUNTS,
        **LATENCIES,
        "schedule": "string",
        "started_by": "string",
        "reason": "string",
    },
    "02-verdict": {
        "run_id": "string",
        "state": "string",
        "verdict": "string",
        "exit_code": "int",
        "reason": "string",
        "name": "string",
        "scenario": "string",
        "target": "string",
        "attempt": "int",
        "started": "datetime",
        "load_s": "real",
        "devices": "long",
        "batches": "long",
        "main_operation": "string",
        **COUNTS,
        **LATENCIES,
    },
    "03-percentiles": {
        "operation": "string",
        "during": "string",
        "answered": "long",
        "mean_ms": "real",
        "min_ms": "real",
        "p50_ms": "real",
        "p90_ms": "real",
        "p95_ms": "real",
        "p99_ms": "real",
        "p999_ms": "real",
        "max_ms": "real",
    },
    "04-percentiles-over-time": {"at": "datetime", "operation": "string", "measured": "long", **LATENCIES},
    "05-throughput": {"at": "datetime", "operation": "string", "outcome": "string", "ended": "long", "per_s": "real"},
    "06-failures": {
        "operation": "string",
        "outcome": "string",
        "code": "string",
        "failures": "long",
        "share_percent": "real",
        "commonest": "string",
        "commonest_count": "long",
    },
    "07-throttling": {
        "at": "datetime",
        "operation": "string",
        "throttled": "long",
        "per_s": "real",
        "throttled_percent": "real",
    },
    "08-renewals": {
        "phase": "string",
        "operation": "string",
        "started": "long",
        "ok": "long",
        "late": "long",
        "lost": "long",
        "throttled": "long",
        "failed": "long",
        "success_percent": "real",
    },
    "09-hubs": {
        "operation": "string",
        "hub": "string",
        "started": "long",
        "ok": "long",
        "late": "long",
        "lost": "long",
        "failed": "long",
        "throttled": "long",
        "fail_percent": "real",
        **LATENCIES,
    },
    "10-progress": {"at": "datetime", "doing": "string", "level": "real"},
    "11-workers": {
        "worker": "string",
        "role": "string",
        "state": "string",
        "first_seen": "datetime",
        "last_seen": "datetime",
        "silent_s": "long",
        "batches_begun": "long",
        "batches_done": "long",
        "iterations": "long",
    },
    "12-health": {
        "batch": "string",
        "worker": "string",
        "intervals": "long",
        "steady_intervals": "long",
        "over_limit": "long",
        "lag_p99_ms": "real",
        "cpu_percent": "real",
        "descriptor_percent": "real",
        "lateness_p99_ms": "real",
        "internal_errors": "long",
        "ports_exhausted": "long",
        "clock_jumps": "long",
    },
    "13-health-over-time": {
        "at": "datetime",
        "lag_percent": "real",
        "cpu_percent": "real",
        "descriptor_percent": "real",
        "lateness_p99_ms": "real",
    },
    "14-completeness": {
        "operation": "string",
        "in_events": "long",
        "in_metrics": "long",
        "delta": "long",
        "repeated_items": "long",
        "in_result": "long",
        "not_arrived": "long",
    },
    "15-compare": {
        "operation": "string",
        "started": "long",
        "baseline_started": "long",
        "fail_percent": "real",
        "baseline_fail_percent": "real",
        "p50_ms": "real",
        "baseline_p50_ms": "real",
        "p50_change_percent": "real",
        "p95_ms": "real",
        "baseline_p95_ms": "real",
        "p95_change_percent": "real",
        "p99_ms": "real",
        "baseline_p99_ms": "real",
        "p99_change_percent": "real",
    },
    "16-cost": {"run_id": "string", "table_name": "string", "items": "long", "gb": "real", "usd": "real"},
    "17-replicas": {
        "last_seen": "datetime",
        "job": "string",
        "replica": "string",
        "reason": "string",
        "times": "long",
        "first_seen": "datetime",
        "text": "string",
    },
    "alert-scheduled-runs": {
        "schedule": "string",
        "became": "string",
        "run_id": "string",
        "reason": "string",
        "TimeGenerated": "datetime",
        "times": "long",
    },
    "pick-operation": {"value": "string", "label": "string"},
    "pick-run": {"value": "string", "label": "string"},
}
"""Each query's result: what charts, readers and the alert rely on."""


def test_pack_has_the_queries_that_are_known_here() -> None:
    """A new query is given its columns above."""
    assert set(pack.queries()) == set(COLUMNS)


@pytest.mark.parametrize("query", COLUMNS)
def test_query_is_without_a_problem_and_has_its_columns(query: str, parsed: dict[str, Parsed]) -> None:
    """As far as Microsoft's parser knows, tables, columns, functions and types are right; the result is as promised."""
    assert parsed[query].problems == ()
    assert parsed[query].columns == COLUMNS[query]


@pytest.mark.parametrize("query", COLUMNS)
def test_query_begins_with_what_it_answers(query: str) -> None:
    """The first line is a comment, and no line is so long that the portal's editor would hide its end."""
    lines = pack.queries()[query].splitlines()
    assert lines[0].startswith("// ")
    assert max(map(len, lines)) <= 120


def test_faults_are_found_by_the_parser() -> None:
    """A misspelt column, a wrong type, a dynamic to group by and a missing argument are each a problem."""
    faulty = {
        "column": "AppEvents | where Nmae == 'loadtest.interval'",
        "table": "AppEvent | count",
        "type": "AppMetrics | extend x = strlen(bin(TimeGenerated, 1m)) + Name",
        "dynamic": "AppEvents | summarize count() by Properties.runId",
        "arguments": "AppMetrics | summarize percentilew(Sum, ItemCount)",
        "operator": "AppEvents | sumarize count()",
    }
    found = parse(faulty)
    assert all(any("Error" in problem for problem in found[name].problems) for name in faulty), found


def test_literals_of_a_query_are_set_by_name() -> None:
    """What is asked for changes, everything else stays, and a name that is not there is refused."""
    text = "// what\nlet run = '';\nlet step = 1m;\nlet gamma = 1.01 / 0.99;\nAppEvents | where Name == 'let run'\n"
    assert pack.parameters(text) == {"run": "''", "step": "1m"}
    assert pack.with_parameters(text, run="'r'") == text.replace("run = ''", "run = 'r'")
    assert pack.about(text, {"step": "5m", "other": "1"}) == text.replace("1m", "5m")
    with pytest.raises(KeyError, match="other"):
        pack.with_parameters(text, other="1")
