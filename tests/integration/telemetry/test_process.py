"""Telemetry of whole processes: whom they talk to, and what of it survives their end."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from integration.telemetry.ways import PATIENT_S

from doubles.ingestion import Ingestion, Turn

ROOT = Path(__file__).parents[3]

SILENCE = """
import sys, threading
PORT = int(sys.argv[1].rpartition(":")[2].strip("/"))

def guard(event, args):
    if event == "socket.connect" and args[1] != ("127.0.0.1", PORT):
        print("connects to", args[1])
    if event in ("socket.getaddrinfo", "socket.gethostbyname") and args[0] != "127.0.0.1":
        print("asks for", args[0])

sys.addaudithook(guard)
from engine import wiring
from engine.measure.signal import Count, Event, EventName, Line, Metric, Span
from engine.settings import Settings
import os

outbox = wiring.make_means(Settings.from_env(os.environ), os.environ).telemetry()
outbox.tell([
    Count(Metric.OPERATIONS, 1.0, 1, {}), Event(EventName.RUN, 1.0, {}, {}), Line(1.0, 30, "x", {}),
    Span("x", 1.0, 2.0, 1, 2, None, True, {}),
])
print(outbox.close(20.0))
print(sorted(thread.name for thread in threading.enumerate()))
"""

LOG = """
import logging, signal, sys
from engine.adapters.telemetry.ingestion import Ingestion
from engine.adapters.telemetry.outbox import Outbox, Pace

class Loud(Pace):
    def delay_s(self, failures, wait_s):
        print("waits", flush=True)
        return 3600.0

def make():
    return Outbox(Ingestion(sys.argv[1], {}), pace=Loud())
"""

WORKER = LOG + """
from engine.adapters.telemetry.logs import lines_told
from engine.cli.interrupts import Interrupts

with Interrupts(), lines_told(make, {"runId": "run-a"}):
    logging.getLogger("certfleet.batch").warning("slow")
    signal.pause()
"""

APP = LOG + """
from engine.adapters.telemetry.logs import tell_lines

tell_lines(make, {"runId": ""})
logging.getLogger("certfleet.batch").warning("slow")
if sys.argv[2] == "stays":
    signal.pause()
sys.stdin.readline()
"""


def start(script: str, endpoint: Ingestion, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen:
    """A process that is told where the endpoint is."""
    where = endpoint.connection_string.partition("IngestionEndpoint=")[2] if environ else endpoint.connection_string
    return subprocess.Popen(
        [sys.executable, "-c", script, where, *words],
        cwd=ROOT,
        env=dict(environ or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_nobody_but_the_endpoint_is_contacted(endpoint: Ingestion, tmp_path: Path) -> None:
    """No metadata service, no statistics, no remote settings; and no thread stays that might do so later."""
    environ = {
        "STATE_KEY": f"{'A' * 86}==",
        "LOCAL_STORE": str(tmp_path),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": endpoint.connection_string,
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Authorization=AAD",
    }
    process = start(SILENCE, endpoint, environ=environ)
    out, err = process.communicate(timeout=PATIENT_S * 2)
    assert out.splitlines() == ["Delivery(sent=4, retried=0, dropped=0)", "['MainThread']"], err
    assert len(endpoint.items) == 4


@pytest.mark.parametrize(("script", "code"), [(WORKER, -signal.SIGINT), (APP, -signal.SIGTERM)])
def test_sigterm_sends_what_waits(endpoint: Ingestion, script: str, code: int) -> None:
    """Although the endpoint was to be left alone for an hour; the process ends as it would have without telemetry."""
    endpoint.turns.append(Turn(503))
    with start(script, endpoint, "stays") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENT_S)
    assert process.returncode == code, err
    assert [found["message"] for found in endpoint.of_type("MessageData")] == ["slow"]
    if script is WORKER:
        assert err.startswith("slow\n"), "a worker's warnings are in its own log besides"


def test_end_of_an_app_sends_what_waits(endpoint: Ingestion) -> None:
    """Without any signal too."""
    endpoint.turns.append(Turn(503))
    with start(APP, endpoint, "goes") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        _, err = process.communicate("\n", timeout=PATIENT_S)
    assert process.returncode == 0, err
    assert [found["message"] for found in endpoint.of_type("MessageData")] == ["slow"]
