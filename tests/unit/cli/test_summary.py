"""A run's result on the terminal."""

from io import StringIO

from rich.console import Console

from engine.cli import summary
from engine.report.units import NOTHING, count

COUNTS = {"due": 12, "ok": 10, "failed": 2, "late": 0, "lost": 0, "cancelled": 0, "dropped": 0}
SUMMARY = {
    "verdict": "failed",
    "exitCode": 99,
    "partial": False,
    "reasons": [
        {"verdict": "failed", "text": "cert.issued fail_rate<0.01: found 0.1667"},
        {"verdict": "failed", "text": "cert.issued p(95)<=100: found 166"},
    ],
    "warnings": ["batch 1: the store failed 2 times"],
    "scenario": "cert-renewal",
    "target": "local",
    "devices": 50,
    "batches": [{"name": "batch 0"}, {"name": "batch 1"}],
    "durationsS": {"prepare": 3.0, "ramp": 10.0, "steady": 30.0},
    "operations": {
        "cert.issued": {
            **COUNTS,
            "phases": ["ramp", "steady"],
            "ratePerSecond": 0.3,
            "latencyMs": {"intended": {"count": 10, "p50": 154.2, "p95": 166.0}},
        },
        "dps.register": {**COUNTS, "phases": ["prepare"], "ratePerSecond": None, "latencyMs": {"intended": {}}},
    },
    "failures": [
        {
            "operation": "cert.issued",
            "outcome": "throttled",
            "code": "429002",
            "blame": "service",
            "count": 2,
            "firstSeenS": 1.25,
            "lastSeenS": 20.0,
            "samples": [{"atS": 1.25, "device": "device-7", "detail": "too many [requests]"}],
        }
    ],
    "thresholds": [
        {
            "metric": "cert.issued",
            "expr": "fail_rate<0.01",
            "ok": False,
            "text": "cert.issued fail_rate<0.01: found 0.1667",
        },
        {"metric": "cert.issued", "expr": "count>1", "ok": True, "text": "cert.issued count>1: found 12"},
    ],
    "conservation": {"holds": True, "mismatches": []},
    "emulator": [
        {"what": "cert 200", "devices": 10, "emulator": 10, "note": "equal"},
        {"what": "cert requests", "devices": 12, "emulator": 13, "note": "1 more at the service"},
        {"what": "connects", "devices": None, "emulator": 13, "note": ""},
    ],
}


def drawn(found):
    """The lines of it on a terminal of 130 columns."""
    console = Console(width=130, record=True, file=StringIO())
    console.print(summary.rendered(found))
    return [line.strip() for line in console.export_text().splitlines()]


def test_verdict_comes_first_with_its_reason_in_words():
    """The first line says how it went, what a script will see, and why."""
    lines = drawn(SUMMARY)
    assert lines[0] == "FAILED (exit code 99): cert.issued fail_rate<0.01: found 0.1667"
    assert lines[1] == "also failed: cert.issued p(95)<=100: found 166"
    assert lines[2] == "warning: batch 1: the store failed 2 times"
    assert lines[3] == "cert-renewal on local: 50 devices in 2 batches, 40s of load"


def test_operations_have_counts_rate_and_latencies():
    """A number that nobody has is a dash."""
    rows = [line.split() for line in drawn(SUMMARY)]
    assert ["cert.issued", "12", "10", "2", "0", "0", "0", "0", "0.300", "154", "166", NOTHING] in rows
    assert [
        "dps.register",
        "(prepare)",
        "12",
        "10",
        "2",
        "0",
        "0",
        "0",
        "0",
        NOTHING,
        NOTHING,
        NOTHING,
        NOTHING,
    ] in rows


def test_failures_are_blamed():
    """Each group has a count, its time and an example; brackets in it are no markup."""
    row = next(line for line in drawn(SUMMARY) if "429002" in line)
    assert " ".join(row.split()) == "cert.issued throttled 429002 service 2 1.2 s 20.0 s device-7 too many [requests]"


def test_thresholds_say_what_was_found():
    """Held or failed, with the number."""
    rows = [line.split() for line in drawn(SUMMARY)]
    assert ["cert.issued", "fail_rate<0.01", "failed", "found", "0.1667"] in rows
    assert ["cert.issued", "count>1", "held", "found", "12"] in rows


def test_thresholds_that_were_skipped_say_why():
    """Neither held nor failed, and not counted among those that held."""
    one = {"metric": "cert.issued", "expr": "avg<=1.2*baseline", "ok": None}
    one["text"] = "cert.issued avg<=1.2*baseline: skipped, there is no baseline"
    rows = [line.split() for line in drawn({**SUMMARY, "thresholds": [one]})]
    assert ["cert.issued", "avg<=1.2*baseline", "skipped", "there", "is", "no", "baseline"] in rows
    passed = {**SUMMARY, "verdict": "passed", "exitCode": 0, "reasons": []}
    assert summary.verdict_line({**passed, "thresholds": [one]}).endswith("nothing spoke against it")
    assert summary.verdict_line({**passed, "thresholds": [one, *SUMMARY["thresholds"]]}).endswith(
        "all 2 thresholds held"
    )


def test_comparison_is_one_line(comparison):
    """What became of the main operation; a run without a baseline says nothing."""
    lines = drawn({**SUMMARY, "comparison": comparison})
    told = "compared with run old: cert.issued rate/s 0.300 after 0.200 (+50.0 %), p50 ms ? 300 after 200 (+50.0 %)"
    assert f"{told}; all" in " ".join(lines)
    assert not any("compared with" in line for line in drawn(SUMMARY))


def test_conservation_is_said_to_hold():
    """The rule is spelled out, with how many operations it was checked for."""
    rule = "due = started + dropped; started = ok + failed + late + lost + cancelled"
    assert summary.conservation(SUMMARY) == f"{rule}: holds for 2 operations"


def test_conservation_that_fails_names_every_mismatch():
    """A lost start is never in silence."""
    broken = {**SUMMARY, "conservation": {"holds": False, "mismatches": ["cert.issued: due 12, started 11"]}}
    assert summary.conservation(broken).splitlines()[1:] == ["  cert.issued: due 12, started 11"]


def test_emulator_counts_stand_beside_ours():
    """Only what both counted is compared, and only differences are listed."""
    lines = drawn(SUMMARY)
    assert "counted by the emulator too: 1 of 2 figures are equal" in lines
    assert "cert requests: devices 12, emulator 13" in lines


def test_delivery_of_telemetry_is_told():
    """What was sent, tried again and lost; a run without telemetry says nothing of it."""
    lines = drawn({**SUMMARY, "telemetry": {"sent": 1204, "retried": 3, "dropped": 0}})
    assert lines[-1] == f"telemetry items: {count(1204)} sent, 3 tried again, 0 dropped"
    assert not any("telemetry" in line for line in drawn({**SUMMARY, "telemetry": None}))


def test_search_tells_the_knee():
    """Both sides of it, in the unit that was asked for; a run that did not search says nothing of it."""
    knee = {"held": 120.0, "failed": 127.5, "limitedBy": "service"}
    shown = " ".join(drawn({**SUMMARY, "search": {"knee": knee}, "spec": {"load": {"timeUnit": "1m"}}}))
    assert "Highest rate that held: 120 per 1m; lowest that did not: 128 per 1m." in shown
    assert not any("Highest rate" in line for line in drawn(SUMMARY))


def test_passed_run_says_that_thresholds_held():
    """A verdict without reasons still has words."""
    passed = {**SUMMARY, "verdict": "passed", "exitCode": 0, "reasons": []}
    assert summary.verdict_line(passed) == "PASSED (exit code 0): all 2 thresholds held"
    assert summary.verdict_line({**passed, "thresholds": []}) == "PASSED (exit code 0): nothing spoke against it"


def test_run_without_results_has_a_verdict_and_reasons():
    """The run's state is all there is to tell."""
    text = summary.without_results({"verdict": "error", "reasons": ["batch 1 was lost"]})
    assert text == "ERROR (exit code 1)\n  batch 1 was lost"
