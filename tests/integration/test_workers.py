"""Worker processes that share a run's batches, over a real store, with a real wire to a real emulator."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from doubles.emulator import ROOT, Emulator, run_emulator
from engine import wiring
from engine.batch.checkpoint import Checkpoint
from engine.measure.operation import Operation
from engine.measure.verdict import EXIT_CODES, Verdict
from engine.run import api, closing, keys, planning, record
from engine.run.answers import Request, answer
from engine.run.claims import Claims, Standing
from engine.run.outcome import BatchOutcome
from engine.settings import Settings

WITHIN_S = 90.0
STATE_KEY = base64.b64encode(bytes(range(64))).decode()
ONCE: Mapping[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 12, "prefix": "crew-"},
    "load": {"rampUp": "3s", "gracefulStop": "5s"},
    "execution": {"runner": "job", "cpu": 2, "batchSize": 6},
}
"""Four batches of three devices, for two processes."""

PACED: Mapping[str, Any] = {
    "scenario": "cert-renewal",
    "devices": {"count": 8, "prefix": "pair-"},
    "load": {"duration": "12s", "rampUp": "1s", "pacing": {"interval": "2s"}, "gracefulStop": "5s"},
    "connection": {"hold": "0s"},
    "execution": {"runner": "job", "cpu": 2, "batchSize": 8},
}
"""Two batches of four devices."""


class Run:
    """A planned run whose workers the test starts itself."""

    def __init__(self, run_id: str, spec: Mapping[str, Any], emulator: Emulator, folder: Path) -> None:
        self.run_id, self.emulator = run_id, emulator
        self.environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            "STATE_KEY": STATE_KEY,
            "CLAIM_LEASE": "5s",
            "LOCAL_EMULATOR": json.dumps(emulator.facts),
            "LOCAL_GROUP_KEY": emulator.ready["groupKey"],
            "LOCAL_STORE": str(folder / "store"),
            "LOCAL_WORKERS": str(folder / "logs"),
        }
        self.means = wiring.make_means(Settings.from_env(self.environ), self.environ)
        self.workers: list[subprocess.Popen[str]] = []
        found = answer(
            api.post_run, Request(body=json.dumps(spec).encode(), headers={"idempotency-key": run_id}), self.means
        )
        assert found.status == 202, found.body
        self.plan = planning.plan_run({"runId": run_id, "attempt": 1}, self.means)

    def hire(self, *options: str) -> subprocess.Popen[str]:
        """A worker process."""
        command = [sys.executable, "-m", "engine", "worker", self.run_id, *options]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.workers.append(subprocess.Popen(command, cwd=ROOT, env=self.environ, **pipes))
        return self.workers[-1]

    def driven(self, worker: subprocess.Popen[str]) -> list[list[int]]:
        """The batches that a worker says it finished when it has ended well, a list for each of its processes."""
        out, err = worker.communicate(timeout=WITHIN_S)
        assert worker.returncode == 0, err
        lines = [json.loads(line) for line in out.splitlines()]
        assert {line["runId"] for line in lines} == {self.run_id}
        return [[receipt["batch"] for receipt in line["batches"]] for line in lines]

    def standing(self, batch: int) -> Standing:
        """How a batch's claim stands."""
        return Claims(self.means.store, self.means.clock, self.means.lease_s).standing(self.run_id, batch)

    def pid(self, batch: int) -> int:
        """The process that holds or held a batch."""
        held = self.means.store.read(keys.claim_key(self.run_id, batch))
        return int(json.loads(held.body)["holder"].split("/")[1]) if held else 0

    def checkpointed(self, batch: int) -> int:
        """How many iterations a batch's checkpoint has."""
        fenced = record.read_fenced(self.means.store, keys.checkpoint_key(self.run_id, batch))
        return Checkpoint.decode(fenced.body).handed if fenced and fenced.body else 0

    def outcome(self, batch: int) -> BatchOutcome:
        """A batch's result."""
        fenced = record.read_fenced(self.means.store, keys.result_key(self.run_id, batch))
        assert fenced is not None
        return BatchOutcome.decode(fenced.body)

    def summary(self) -> dict[str, Any]:
        """The run's results, once it is closed."""
        closing.close_run({"runId": self.run_id, "attempt": 1}, self.means)
        found = answer(api.get_results, Request(run_id=self.run_id), self.means)
        summary: dict[str, Any] = json.loads(found.body)
        return summary

    def stop(self) -> None:
        """No process is left behind."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.communicate()


def await_until(holds: Callable[[], bool], what: str) -> None:
    """Return when it holds; fail when it does not for too long."""
    give_up_at = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up_at, f"still waiting for {what}"
        time.sleep(0.05)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Plans runs; stops their workers."""
    begun: list[Run] = []

    def plan(run_id: str, spec: Mapping[str, Any], emulator: Emulator) -> Run:
        begun.append(Run(run_id, spec, emulator, tmp_path / run_id))
        return begun[-1]

    yield plan
    for one in begun:
        one.stop()


def test_processes_of_a_replica_share_its_batches(begin: Callable[..., Run], emulator: Emulator) -> None:
    """Two processes drive four batches: each batch once, every device once, and both ends counted the same."""
    run = begin("run-crew", ONCE, emulator)
    assert (run.plan["batches"], run.plan["atOnce"]) == (4, 4)
    driven = run.driven(run.hire("--processes", "2"))
    assert sorted(batch for each in driven for batch in each) == [0, 1, 2, 3]
    assert [len(each) > 0 for each in driven] == [True, True]
    assert len({run.pid(batch) for batch in range(4)}) == 2
    assert {run.outcome(batch).token for batch in range(4)} == {1}
    summary = run.summary()
    assert summary["conservation"] == {"holds": True, "mismatches": []}
    registered, verified = (summary["operations"][name] for name in ("dps.register", "cert.verified"))
    assert registered["ok"] == verified["ok"] == registered["started"] == 12
    compared = [row for row in summary["emulator"] if row["devices"] is not None]
    assert {row["note"] for row in compared} == {"equal"}


def test_surplus_worker_leaves_and_the_survivor_takes_over(begin: Callable[..., Run], tmp_path: Path) -> None:
    """Of three workers on two batches one ends by itself; of the two left one is killed, and the other goes on from
    its checkpoint when the lease is over: nothing is counted twice, and no device was ever driven by two."""
    with run_emulator(tmp_path / "emulator") as emulator:
        run = begin("run-pair", PACED, emulator)
        workers = [run.hire() for _ in range(3)]
        await_until(lambda: all(run.standing(batch).is_held for batch in (0, 1)), "both batches to be held")
        (surplus,) = [worker for worker in workers if worker.pid not in (run.pid(0), run.pid(1))]
        assert run.driven(surplus) == [[]]
        await_until(lambda: all(run.checkpointed(batch) for batch in (0, 1)), "both checkpoints")
        (killed,) = [worker for worker in workers if worker.pid == run.pid(1)]
        (survivor,) = [worker for worker in workers if worker.pid == run.pid(0)]
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        kept = run.checkpointed(1)
        assert run.driven(survivor) == [[0, 1]]
        assert [run.outcome(batch).token for batch in (0, 1)] == [1, 2]
        assert run.pid(1) == survivor.pid
        assert run.outcome(1).handed >= kept > 0
        for outcome in (run.outcome(0), run.outcome(1)):
            assert outcome.mismatch == ""
            assert outcome.timeline.total().select(Operation.ITERATION).due == outcome.handed
        assert run.summary()["conservation"] == {"holds": True, "mismatches": []}
        assert emulator.stats()["takeovers"] == 0


def test_worker_that_is_told_to_end_gives_its_batch_back(begin: Callable[..., Run], emulator: Emulator) -> None:
    """The next one need not wait for its lease."""
    run = begin("run-told", {**PACED, "devices": {"count": 2, "prefix": "told-"}}, emulator)
    worker = run.hire("--processes", "2")
    await_until(lambda: all(run.checkpointed(batch) for batch in (0, 1)), "both checkpoints")
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=WITHIN_S)
    assert worker.returncode == EXIT_CODES[Verdict.CANCELLED]
    for batch in (0, 1):
        standing = run.standing(batch)
        assert (standing.token, standing.is_held, standing.is_done) == (1, False, False)


def test_worker_of_an_unknown_run_says_so(begin: Callable[..., Run], emulator: Emulator) -> None:
    """In one line, and as an error."""
    run = begin("run-known", ONCE, emulator)
    run.run_id = "run-unknown"
    worker = run.hire()
    assert "run-unknown is not known to this storage" in worker.communicate(timeout=WITHIN_S)[1]
    assert worker.returncode == EXIT_CODES[Verdict.ERROR]
