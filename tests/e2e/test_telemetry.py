"""Telemetry of runs whose ingestion endpoint is well, ill and away: the load goes on, and nothing is lost uncounted."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from doubles.stage import Stage, counts_of, open_stage

ROOT = Path(__file__).parents[2]
GUARD = ROOT / "tests" / "data" / "loopback_only"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PATIENCE_S = 120.0
LOOK_EVERY_S = 0.1
KEY = "00000000-0000-0000-0000-000000000001"

ILL: list[dict[str, Any]] = [
    {"status": 429, "retryAfter": 1, "times": 2},
    {"status": 500, "times": 2},
    {"hang_s": 60, "times": 2},
    {"status": 402},
    {"close": True},
    {"status": 206, "itemStatus": 429, "times": 2},
]
AWAY = [{"hang_s": 3600, "for_s": 86_400}]
BUSY = [{"status": 503, "retryAfter": 60, "for_s": 86_400}]

RATE = 5


def spec(prefix: str, duration_s: int, **rest: Any) -> dict[str, Any]:
    """A small spec in two batches, with devices of its own."""
    load = {"executor": "constant-arrival-rate", "rate": RATE, "duration": f"{duration_s}s", "gracefulStop": "10s"}
    return {
        "scenario": "cert-renewal",
        "devices": {"count": 12, "prefix": prefix},
        "load": load,
        "connection": {"hold": "0s"},
        "execution": {"batchSize": 6},
        "results": {"interval": "5s"},
        "thresholds": [{"metric": "cert.issued", "expr": "fail_rate<0.01"}],
        **rest,
    }


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The ingestion endpoint of the services, and the file of all that it was ever sent, whatever it answered."""

    control: str
    file: Path

    def becomes(self, script: list[dict[str, Any]]) -> None:
        """From now on it does this, and keeps the items all the same."""
        body = json.dumps([{**entry, "keep": True} for entry in script]).encode()
        with OPENER.open(urllib.request.Request(f"{self.control}/script", body), timeout=10) as answer:
            assert json.load(answer) == {"scripted": len(script)}

    @property
    def stats(self) -> Any:
        """What it counted."""
        with OPENER.open(f"{self.control}/stats", timeout=10) as answer:
            return json.load(answer)

    def items(self, run_id: str) -> list[str]:
        """What came of a run, in order; what came again is there again."""
        return [line for line in self.file.read_text().splitlines() if run_id in line]

    def events(self, run_id: str, name: str) -> list[dict[str, Any]]:
        """The data of the run's events of that name, those that came again too."""
        items = [json.loads(line)["data"] for line in self.items(run_id)]
        return [item["baseData"] for item in items if item["baseData"].get("name") == name]


@pytest.fixture(scope="module")
def contacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of who was guarded, and of whoever turned to a foreign address."""
    return tmp_path_factory.mktemp("contacts") / "contacts.txt"


@pytest.fixture(scope="module")
def stage(contacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Services that can reach nobody elsewhere."""
    with open_stage(tmp_path_factory.mktemp("stage"), environ=guarded(contacts)) as opened:
        yield opened


@pytest.fixture
def endpoint(stage: Stage) -> Iterator[Endpoint]:
    """The services' ingestion endpoint, well before and after."""
    (ready,) = (child.ready() for child in stage.station.children if child.name == "the capture")
    assert stage.station.telemetry is not None
    found = Endpoint(str(ready["controlUrl"]), stage.station.telemetry)
    found.becomes([])
    yield found
    found.becomes([])


def guarded(contacts: Path) -> dict[str, str]:
    """The environment of processes that can reach nobody elsewhere."""
    path = [str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "LOOPBACK_ONLY": str(contacts)}


def until(holds: Callable[[], Any], stage: Stage) -> None:
    """Return once it does."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, f"not within {PATIENCE_S:.0f} s"
        stage.station.check()
        time.sleep(LOOK_EVERY_S)


def is_of_batch(item: str) -> bool:
    """Whether a batch told it: not the run, which tells of its begin and end beside them, and not a log."""
    data: dict[str, Any] = json.loads(item)["data"]
    return not (data["baseType"] == "MessageData" or data["baseData"].get("name") == "loadtest.run")


def told_of(events: Iterable[Mapping[str, Any]], operation: str) -> int:
    """How often the operation ended, as interval events say."""
    return sum(int(event["measurements"]["count"]) for event in events if event["properties"]["operation"] == operation)


def assert_whole(summary: Mapping[str, Any], duration_s: int) -> None:
    """The whole load was offered and went well."""
    due = RATE * duration_s
    found = counts_of(summary, "iteration")
    numbers = (found["due"], found["started"], found["ok"], found["dropped"])
    assert (numbers, summary["verdict"], summary["reasons"]) == ((due, due, due, 0), "passed", [])
    assert summary["conservation"] == {"holds": True, "mismatches": []}


def test_load_and_verdict_do_not_mind_an_endpoint_that_is_ill(stage: Stage, endpoint: Endpoint) -> None:
    """Throttled, broken, silent, cut off, full and choosy: every start is made, and every item is accounted for."""
    before = endpoint.stats
    run_id = stage.start(spec("ill-", 25))
    until(lambda: endpoint.events(run_id, "loadtest.run"), stage)
    endpoint.becomes(ILL)
    summary = stage.summary(run_id)
    until(lambda: len(endpoint.events(run_id, "loadtest.run")) == 2, stage)
    assert_whole(summary, 25)

    after = endpoint.stats
    assert after["scripted"] == 0, "it was still ill when the run was over"
    refused = Counter(after["answers"]) - Counter(before["answers"])
    assert {"429", "500", "none", "402", "206"} <= refused.keys()

    items = endpoint.items(run_id)
    assert after["items"]["received"] - before["items"]["received"] == len(items)
    told = [item for item in items if is_of_batch(item)]
    beside = len(items) - len(told)
    sent = after["items"]["accepted"] - before["items"]["accepted"] - beside
    lost = len(set(told)) - sent
    assert summary["telemetry"] == {"sent": sent, "retried": len(told) - len(set(told)), "dropped": lost}
    assert lost > 0
    assert [text for text in summary["warnings"] if f"{lost} of {sent + lost} signals were dropped" in text]


def test_all_that_was_measured_is_told(stage: Stage, endpoint: Endpoint) -> None:
    """While the endpoint is well nothing is lost or comes again, and its events add up to the summary."""
    before = endpoint.stats["items"]["accepted"]
    run_id = stage.start(spec("well-", 10))
    summary = stage.summary(run_id)
    until(lambda: len(endpoint.events(run_id, "loadtest.run")) == 2, stage)
    assert_whole(summary, 10)
    items = endpoint.items(run_id)
    told = [item for item in items if is_of_batch(item)]
    assert summary["telemetry"] == {"sent": len(told), "retried": 0, "dropped": 0}
    assert endpoint.stats["items"]["accepted"] - before == len(items) == len(set(items))
    events = endpoint.events(run_id, "loadtest.interval")
    for name in ("iteration", "cert.issued", "cert.verified"):
        assert told_of(events, name) == counts_of(summary, name)["ok"] == RATE * 10
    assert not [text for text in summary["warnings"] if "telemetry" in text]


def test_run_ends_though_the_endpoint_never_answers(stage: Stage, endpoint: Endpoint) -> None:
    """Everything that was told is counted as dropped and warned of; nobody waits for it for long."""
    before = endpoint.stats
    endpoint.becomes(AWAY)
    run_id = stage.start(spec("away-", 10))
    summary = stage.summary(run_id)
    assert_whole(summary, 10)
    after = endpoint.stats
    assert after["items"]["accepted"] == before["items"]["accepted"]
    told = [item for item in endpoint.items(run_id) if is_of_batch(item)]
    delivery = summary["telemetry"]
    assert (delivery["sent"], delivery["retried"]) == (0, len(told) - len(set(told)))
    assert delivery["dropped"] >= len(set(told)) > 0
    dropped = delivery["dropped"]
    assert [text for text in summary["warnings"] if f"{dropped} of {dropped} signals were dropped" in text]


def test_worker_that_is_ended_sends_what_waits(stage: Stage, endpoint: Endpoint) -> None:
    """It was asked to stay away for a minute; told to end it tries once more, and what it told is there."""
    endpoint.becomes(BUSY)
    body = spec("ended-", 10, execution={"runner": "job", "batchSize": 12})
    run_id = stage.start(body)
    until(lambda: begun(endpoint, run_id), stage)
    stage.wait(run_id, lambda view: view.get("operations", {}).get("cert.issued", {}).get("ok", 0) > 0)
    (refused,) = begun(endpoint, run_id)
    endpoint.becomes([])
    os.kill(int(refused["properties"]["holder"].split("/")[1]), signal.SIGTERM)
    until(lambda: len(begun(endpoint, run_id)) > 1, stage)
    assert begun(endpoint, run_id) == [refused, refused]
    summary = stage.summary(run_id)
    assert summary["batches"][0]["token"] == 2
    assert summary["conservation"]["holds"]


def begun(endpoint: Endpoint, run_id: str) -> list[dict[str, Any]]:
    """What the batch's first holder told of its begin, each time that it came."""
    events = endpoint.events(run_id, "loadtest.batch")
    return [
        event for event in events if event["properties"]["token"] == "1" and event["properties"]["status"] == "started"
    ]


def test_nobody_elsewhere_is_contacted(stage: Stage, contacts: Path) -> None:
    """Host, emulator and workers were guarded, and none so much as asked for another machine's address."""
    lines = contacts.read_text().splitlines()
    assert [line for line in lines if not line.startswith("guarded ")] == []
    for program in ("engine.localhost", "engine emulate", "engine capture", "engine worker"):
        assert any(program in line for line in lines), f"{program} was not guarded"


@pytest.mark.parametrize("where", ["", f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:9/"])
def test_without_an_endpoint_there_is_no_way_out(where: str, tmp_path: Path) -> None:
    """Then nothing is loaded that could send; with one it is."""
    look = (
        "import sys, function_app; from engine.wiring import means; opens = means().telemetry;"
        "way = opens and opens(); print(way is not None, 'azure.monitor.opentelemetry.exporter' in sys.modules)"
    )
    environ = {"STATE_KEY": base64.b64encode(bytes(64)).decode(), "LOCAL_STORE": str(tmp_path)}
    environ |= {"APPLICATIONINSIGHTS_CONNECTION_STRING": where, **guarded(tmp_path / "contacts.txt")}
    done = subprocess.run(
        [sys.executable, "-c", look], env=os.environ | environ, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(bool(where))] * 2, done.stderr
    assert "foreign" not in (tmp_path / "contacts.txt").read_text()


def test_guard_keeps_a_process_here(tmp_path: Path) -> None:
    """What a guarded process asks for elsewhere is noted and refused; what is here is not."""
    contacts = tmp_path / "contacts.txt"
    tries = (
        "import socket, urllib.request as u; e = []\n"
        "for at in 'http://settings.example', 'http://169.254.169.254', 'http://127.0.0.1:9', 'http://a.localhost:9':\n"
        "    try: u.build_opener(u.ProxyHandler({})).open(at, timeout=5)\n"
        "    except OSError as error: e.append(type(getattr(error, 'reason', error)).__name__)\n"
        "print(*e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", tries],
        env={**os.environ, **guarded(contacts)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[:3] == ["PermissionError", "PermissionError", "ConnectionRefusedError"]
    noted = [line.split()[:2] for line in contacts.read_text().splitlines()]
    assert [words[1] for words in noted if words[0] == "foreign"] == ["'settings.example'", "'169.254.169.254'"]
