"""Commands as a whole, against a host that answers what it is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

from engine.__main__ import main
from engine.cli.processes import free_ports

SUMMARY = {
    "verdict": "failed",
    "exitCode": 99,
    "reasons": [{"verdict": "failed", "text": "cert.issued fail_rate<0.01: found 0.5"}],
    "scenario": "provision",
    "target": "local",
    "devices": 5,
    "operations": {},
    "conservation": {"holds": True, "mismatches": []},
}
FINISHED = {"runId": "run-1", "state": "finished", "verdict": "failed"}
RUN = {"runId": "run-1", "name": "nightly", "state": "finished", "verdict": "passed", "created": "2026-01-01T00:00:00Z"}
ESTIMATE = {
    "spec": {"scenario": "provision", "target": "local", "devices": {"count": 5}},
    "estimate": {
        "binding": {"limit": "emulator", "value": None, "need": None, "effect": "emulator: none"},
        "limits": [],
        "warnings": [],
        "batches": 1,
        "waves": 1,
        "runner": "activity",
        "cores": 1,
        "outboundAddresses": 1,
        "inFlight": 5,
        "duration": "9s",
        "operations": {"dps.register": 5},
        "cost": {"computeUsd": 0.0, "targetSide": "none"},
    },
}


class Host(BaseHTTPRequestHandler):
    """Answers by its server's table of `METHOD path`, and notes what it was asked."""

    def do_GET(self):
        """Any GET."""
        self._answer()

    def do_POST(self):
        """Any POST."""
        self._answer()

    def do_PUT(self):
        """Any PUT."""
        self._answer()

    def do_DELETE(self):
        """Any DELETE."""
        self._answer()

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, self.headers.get("Idempotency-Key"), body))
        line = f"{self.command} {self.path}"
        status, answer = self.server.says.get(line) or self.server.says.get(line.partition("?")[0]) or (404, {})
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def host(monkeypatch, tmp_path):
    """A host that CERTFLEET_URL names; `says` is its table, `asked` what came. Files go to the test's folder."""
    with HTTPServer(("127.0.0.1", 0), Host) as found:
        found.says, found.asked = {}, []
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("CERTFLEET_URL", f"http://127.0.0.1:{found.server_address[1]}")
        monkeypatch.chdir(tmp_path)
        for name in ("RUN_ID", "LOAD_TEST_RUN_ID", "CERTFLEET_KEY", "CERTFLEET_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def finished(host):
    """The host, with a run that has failed and all of its documents."""
    host.says = {
        "POST /api/runs": (202, {"runId": "run-1", **ESTIMATE, "state": "accepted"}),
        "GET /api/runs/run-1": (200, FINISHED),
        "GET /api/runs/run-1/results": (200, SUMMARY),
        "GET /api/runs/run-1/intervals": (200, b"start_s,\n"),
        "GET /api/runs/run-1/report": (200, b"<!doctype html>"),
        "GET /api/runs/run-1/report?format=md": (200, b"# nightly\n"),
    }
    return host


def test_run_elsewhere_ends_with_its_verdict(finished, tmp_path, capsys):
    """Posted under an id of our own, so that asking again is harmless; its files are here afterwards."""
    assert main(["run", "--scenario", "provision", "--devices", "5", "--json"]) == 99
    method, path, key, body = finished.asked[0]
    assert (method, path, json.loads(body)["devices"]) == ("POST", "/api/runs", {"count": 5})
    assert key
    out, err = capsys.readouterr()
    assert json.loads(out) == SUMMARY
    assert "FAILED (exit code 99): cert.issued fail_rate<0.01: found 0.5" in err
    kept = {file.name: file.read_bytes() for file in (tmp_path / "out" / "run-1").iterdir()}
    assert kept.keys() == {"summary.json", "timeline.csv", "report.md", "report.html"}
    assert (kept["report.md"], kept["report.html"]) == (b"# nightly\n", b"<!doctype html>")


def test_detached_run_is_posted_and_left(finished, capsys, monkeypatch):
    """Under the id that the environment asks for; nobody looks at it again."""
    monkeypatch.setenv("RUN_ID", "run-1")
    assert main(["run", "--detach"]) == 0
    assert [call[:3] for call in finished.asked] == [("POST", "/api/runs", "run-1")]
    assert "run run-1: provision in 1 batch, about 9s; `certfleet watch run-1` follows it" in capsys.readouterr().out


def test_watched_run_ends_with_its_verdict(finished, tmp_path, capsys):
    """Nothing is written unless that is asked for."""
    assert main(["watch", "run-1"]) == 99
    assert not (tmp_path / "out").exists()
    assert main(["watch", "run-1", "--json", "--out", "kept"]) == 99
    assert (tmp_path / "kept/run-1/report.html").exists()


def test_cancel_that_waits_sees_the_end(finished, capsys):
    """0 once it has ended, whatever the verdict."""
    finished.says["POST /api/runs/run-1/cancel"] = (202, {"runId": "run-1", "state": "draining"})
    assert main(["cancel", "run-1"]) == 0
    assert "run run-1 is being cancelled" in capsys.readouterr().out
    assert main(["cancel", "run-1", "--wait", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == FINISHED


def test_cancel_that_comes_too_late_is_told(host, capsys):
    """It was not cancelled, so that is no success."""
    host.says = {"POST /api/runs/run-1/cancel": (409, {"code": "illegal-move", "message": "it is finished"})}
    assert main(["cancel", "run-1", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"code": "illegal-move", "message": "it is finished", "errors": []}
    assert err == "certfleet: it is finished\n"


def test_resume_that_waits_is_a_watch(finished, capsys):
    """Without waiting it is over at once."""
    finished.says["POST /api/runs/run-1/resume"] = (202, {"runId": "run-1", "attempt": 2})
    assert main(["resume", "run-1"]) == 0
    assert "run run-1 goes on in attempt 2; `certfleet watch run-1` follows it" in capsys.readouterr().out
    assert main(["resume", "run-1", "--wait"]) == 99


def test_list_asks_by_its_filters(host, capsys):
    """What was not said is not asked."""
    host.says = {"GET /api/runs": (200, {"runs": [RUN], "next": None})}
    assert main(["list", "--name", "nightly", "--label", "team=iot", "--state", "finished", "--verdict", "passed"]) == 0
    assert urlsplit(host.asked[0][1]).query == "name=nightly&label=team%3Diot&state=finished&verdict=passed"
    assert "run-1" in capsys.readouterr().out
    assert main(["list", "--since", "2026-01-01"]) == 0
    assert urlsplit(host.asked[1][1]).query == "since=2026-01-01T00%3A00%3A00%2B00%3A00"


def test_list_of_all_goes_from_page_to_page(host, capsys):
    """With the same filters; a single page says that there is more."""
    older = {**RUN, "runId": "run-0"}
    host.says = {
        "GET /api/runs?name=nightly": (200, {"runs": [RUN], "next": "run-0"}),
        "GET /api/runs?name=nightly&next=run-0": (200, {"runs": [older], "next": None}),
    }
    assert main(["list", "--name", "nightly", "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": [RUN, older], "next": None}
    assert main(["list", "--name", "nightly", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"runs": [RUN], "next": "run-0"}
    assert "--all" in err


@pytest.mark.parametrize(
    ("words", "name", "content"),
    [
        ([], "out/run-1/report.html", b"<!doctype html>"),
        (["--format", "md"], "out/run-1/report.md", b"# nightly\n"),
        (["--format", "csv", "--out", "a/b.csv"], "a/b.csv", b"start_s,\n"),
        (["--format", "json", "--out", "b.json"], "b.json", json.dumps(SUMMARY).encode()),
    ],
)
def test_report_goes_where_it_is_asked_to(finished, tmp_path, capsys, words, name, content):
    """Beside the other documents of its run, unless a file is named; the file is told."""
    assert main(["report", "run-1", *words]) == 0
    assert (tmp_path / name).read_bytes() == content
    assert capsys.readouterr().out == f"{name}\n"


def test_report_on_stdout_is_nothing_else(finished, capfdbinary):
    """For whoever reads on."""
    assert main(["report", "run-1", "--format", "md", "--out", "-"]) == 0
    assert capfdbinary.readouterr() == (b"# nightly\n", b"")


def test_report_is_shown_where_there_is_a_browser(finished, capsys, monkeypatch, tmp_path):
    """The one that the environment names; where there is none the file is there all the same."""
    (tmp_path / "browser").write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/shown\n')
    (tmp_path / "browser").chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setenv("BROWSER", f"{tmp_path}/browser %s")
    assert main(["report", "run-1", "--open"]) == 0
    file = tmp_path / "out/run-1/report.html"
    assert (tmp_path / "shown").read_text().strip() == file.as_uri()
    monkeypatch.setenv("BROWSER", "")
    monkeypatch.setattr("webbrowser._tryorder", [])
    assert main(["report", "run-1", "--open"]) == 1
    assert "there is no browser here: open out/run-1/report.html yourself" in capsys.readouterr().err


def test_estimate_of_a_host_is_a_dry_run(host, capsys):
    """The host's profiles count, and nothing is started."""
    host.says = {"POST /api/runs?dryRun=true": (200, ESTIMATE)}
    assert main(["estimate", "--scenario", "provision"]) == 0
    assert "binding limit: emulator: none" in capsys.readouterr().out
    assert main(["estimate", "--scenario", "provision", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ESTIMATE


def test_refused_estimate_is_104_with_the_limit(host, capsys):
    """As the run would be."""
    limit = {"name": "MAX_DEVICES", "value": "5", "need": "50", "unit": "devices", "source": "a setting"}
    refused = {"code": "over-quota", "message": "too many devices", "errors": [], "limit": limit}
    host.says = {"POST /api/runs?dryRun=true": (422, refused)}
    assert main(["estimate", "--json"]) == 104
    out, err = capsys.readouterr()
    assert json.loads(out) == refused
    assert "limit MAX_DEVICES: 5 devices, needed 50 devices (a setting)" in err


def test_schedule_is_put_with_its_spec(host, capsys):
    """Only what was said; the host has the defaults."""
    host.says = {"PUT /api/schedules/nightly": (201, {"name": "nightly", "cron": "0 30 2 * * *", "enabled": True})}
    rule = ["--cron", "0 30 2 * * *", "--time-zone", "Europe/Berlin", "--overlap", "allow", "--disabled"]
    assert main(["schedule", "put", "nightly", "--scenario", "provision", *rule]) == 0
    put = json.loads(host.asked[0][3])
    assert put.pop("spec")["scenario"] == "provision"
    assert put == {"cron": "0 30 2 * * *", "timeZone": "Europe/Berlin", "overlap": "allow", "enabled": False}
    assert "schedule nightly: 0 30 2 * * *" in capsys.readouterr().out


def test_schedules_are_listed_shown_and_deleted(host, capsys):
    """And of none it is said that there is none."""
    one = {"name": "nightly", "at": "2026-01-01T00:00:00Z", "enabled": True, "spec": {"scenario": "provision"}}
    host.says = {
        "GET /api/schedules": (200, {"schedules": [one]}),
        "GET /api/schedules/nightly": (200, one),
        "DELETE /api/schedules/nightly": (204, b""),
    }
    assert (
        main(["schedule", "list"]) == main(["schedule", "show", "nightly"]) == main(["schedule", "list", "--json"]) == 0
    )
    assert "once at 2026-01-01T00:00:00Z" in capsys.readouterr().out
    assert main(["schedule", "delete", "nightly", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "nightly", "deleted": True}
    host.says["GET /api/schedules"] = (200, {"schedules": []})
    assert main(["schedule", "list"]) == 0
    assert capsys.readouterr().out == "there is no schedule\n"


def test_run_is_deleted_or_its_devices_are_cleaned_up(finished, capsys):
    """Two questions to the host; the second can be waited for, and what came of it is told."""
    finished.says |= {
        "DELETE /api/runs/run-1": (204, b""),
        "DELETE /api/runs/run-1/devices": (202, {"runId": "run-1", "cleanup": {"isOver": False}}),
        "GET /api/runs/run-1": (
            200,
            {**FINISHED, "cleanup": {"isOver": True, "deleted": 4, "left": 1, "notes": ["why"]}},
        ),
    }
    assert main(["delete", "run-1", "--devices", "--wait"]) == 0
    assert "of 4 devices nothing is left, of 1 something; why" in capsys.readouterr().out
    assert main(["delete", "run-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runId": "run-1", "deleted": True}


@pytest.mark.parametrize("words", [["watch"], ["cancel"], ["resume"], ["report"], ["compare"], ["delete"]])
def test_unknown_run_is_told_in_the_hosts_words(host, capsys, words):
    """One line, and 1."""
    unknown = (404, {"code": "not-found", "message": "run run-9: there is none of that id", "errors": []})
    paths = ("GET {}", "DELETE {}", "POST {}/cancel", "POST {}/resume", "GET {}/report", "GET {}/compare")
    host.says = {path.format("/api/runs/run-9"): unknown for path in paths}
    assert main([*words, "run-9"]) == 1
    assert capsys.readouterr().err == "certfleet: run run-9: there is none of that id\n"


def test_host_that_is_away_is_named(capsys):
    """Where nothing is under way nobody waits for it."""
    [port] = free_ports(1)
    assert main(["list", "--url", f"http://127.0.0.1:{port}"]) == 1
    assert capsys.readouterr().err.startswith(f"certfleet: http://127.0.0.1:{port} does not answer: ")


def test_wrong_key_is_told_and_not_shown(host, capsys, monkeypatch):
    """On stdout as little as on stderr."""
    monkeypatch.setenv("CERTFLEET_KEY", "the-key")
    host.says = {"GET /api/runs": (401, b"")}
    assert main(["list", "--json"]) == 1
    out, err = capsys.readouterr()
    assert "CERTFLEET_KEY did not help" in err
    assert "the-key" not in out + err
