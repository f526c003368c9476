"""A run while it goes on."""

from io import StringIO

from rich.console import Console

from engine.cli import live

VIEW = {
    "runId": "first-1",
    "name": "first-run",
    "scenario": "cert-renewal",
    "target": "local",
    "state": "running",
    "phase": "steady",
    "progress": 0.42,
    "etaSeconds": 23.2,
    "elapsedSeconds": 17.0,
    "devices": {"total": 50, "connected": 40, "renewing": 10, "offline": 0},
    "operations": {
        "cert.issued": {
            "due": 1042,
            "ok": 1000,
            "failed": 40,
            "late": 1,
            "lost": 0,
            "dropped": 0,
            "inFlight": 1,
            "ratePerSecond": 12.345,
            "p50": 154.2,
            "p95": 166.0,
            "p99": 1_200.0,
            "phase": "load",
        },
        "dps.register": {"due": 50, "ok": 50, "phase": "prepare", "ratePerSecond": None},
    },
    "failures": [{"operation": "cert.issued", "outcome": "throttled", "code": "429002", "count": 40}],
    "batches": {"planned": 5, "running": 5, "stalled": [3]},
    "storeFailures": 2,
}
EARLY = {
    "runId": "first-1",
    "name": "first-run",
    "state": "accepted",
    "phase": None,
    "progress": 0.0,
    "batches": {"planned": 0},
}


def drawn(renderable):
    """The text of it on a terminal of 120 columns."""
    console = Console(width=120, record=True, file=StringIO())
    console.print(renderable)
    return console.export_text()


def test_panel_shows_all_that_is_asked_of_a_run():
    """Devices by state, operations with rate and latencies, failures with their blame, and the time to go."""
    text = drawn(live.panel(VIEW))
    for part in (
        "first-run · cert-renewal on local",
        "running, steady  42.0 %  17s of load  23.2s to go  5 of 5 batches running",
        "50 devices: connected 40, renewing 10",
        "40 times cert.issued throttled 429002 (service)",
        "no sign of life from batch 3",
        "the store failed 2 times",
        "dps.register (prepare)",
    ):
        assert part in text
    row = next(line for line in text.splitlines() if "cert.issued" in line).split()
    assert row[1:13] == ["cert.issued", "1,042", "1,000", "40", "1", "0", "0", "1", "12.3", "154", "166", "1,200"]


def test_panel_of_a_run_that_is_not_planned():
    """What is not known yet is not shown."""
    assert "accepted  0 %" in drawn(live.panel(EARLY))


def test_line_tells_of_the_main_operation():
    """A log gets one line, without the operations that only serve the main one."""
    text = live.line(VIEW)
    assert "cert.issued 1,000 ok, 41 failed, 12.3/s, p50/p95/p99 154 / 166 / 1,200 ms" in text
    assert "dps.register" not in text
    assert "\n" not in text


def test_line_of_a_run_that_is_not_planned():
    """It is just its state."""
    assert live.line(EARLY) == "accepted  0 %"


def test_finished_run_has_no_phase():
    """Nothing of it is under way."""
    assert (
        live.line({**EARLY, "state": "finished", "phase": "drain", "progress": 1.0, "etaSeconds": 0.0})
        == "finished  100 %"
    )


def test_text_from_outside_moves_no_cursor():
    """Escape codes in a name are shown as blanks, and markup as it is."""
    text = live.line({**VIEW, "state": "\x1b[2Jrunning", "failures": [{**VIEW["failures"][0], "code": "[red]\n"}]})
    assert "\x1b" not in text
    assert "[red] " in text
