"""Batches whose processes die or freeze, over real stores, with a real wire to a real emulator.

Three stories go on at the same time, because most of each is waiting for a lease: in every one a process drives a
batch, a second one waits for it, and something happens to the first. The tests then look at how each ended.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from doubles.azurite import Azurite
from doubles.emulator import ROOT, Emulator, run_emulator
from engine import wiring
from engine.batch.checkpoint import Checkpoint
from engine.measure.operation import Operation
from engine.run import activities, api, closing, keys, planning, record
from engine.run.answers import Request, answer
from engine.run.files import read_plan
from engine.run.outcome import BatchOutcome
from engine.settings import Settings

WITHIN_S = 90.0
SPEC = {
    "scenario": "cert-renewal",
    "devices": {"count": 8, "prefix": "survivor-"},
    "load": {"duration": "18s", "rampUp": "1s", "pacing": {"interval": "2s"}, "gracefulStop": "5s"},
    "connection": {"hold": "0s"},
}
STATE_KEY = base64.b64encode(bytes(range(64))).decode()


def settings_for(emulator: Emulator, **store: str) -> dict[str, str]:
    """The environment of a process that works with this emulator and store."""
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "STATE_KEY": STATE_KEY,
        "CLAIM_LEASE": "5s",
        "LOCAL_EMULATOR": json.dumps(emulator.facts),
        "LOCAL_GROUP_KEY": emulator.ready["groupKey"],
        **store,
    }


class Story:
    """A run of one batch whose holders are processes."""

    def __init__(self, run_id: str, emulator: Emulator, environ: Mapping[str, str]) -> None:
        self.run_id, self.emulator, self._environ = run_id, emulator, environ
        self.means = wiring.make_means(Settings.from_env(environ), environ)
        self.holders: list[subprocess.Popen[str]] = []
        self.ends: list[dict[str, Any]] = []
        self.kept: set[str] = set()
        self.resumed_from = self.connected = 0

    def begin(self) -> None:
        """The run is planned and its first holder drives."""
        headers = {"idempotency-key": self.run_id}
        found = answer(api.post_run, Request(body=json.dumps(SPEC).encode(), headers=headers), self.means)
        assert found.status == 202, found.body
        planning.plan_run({"runId": self.run_id, "attempt": 1}, self.means)
        self.hire()

    def hire(self) -> None:
        """One more process wants to drive the batch."""
        command = [sys.executable, "-m", "engine", "batch", self.run_id, "0"]
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.holders.append(subprocess.Popen(command, cwd=ROOT, env=dict(self._environ), **options))

    def await_checkpoint(self) -> None:
        """The load is under way, and some of it is kept."""
        await_until(lambda: self.checkpointed() > 0, f"a checkpoint of {self.run_id}")

    def checkpointed(self) -> int:
        """How many iterations the checkpoint has."""
        fenced = record.read_fenced(self.means.store, keys.checkpoint_key(self.run_id, 0))
        return Checkpoint.decode(fenced.body).handed if fenced and fenced.body else 0

    def await_takeover(self) -> None:
        """The second holder has the batch and has connected its devices."""
        await_until(lambda: self.token() == 2, f"a second holder of {self.run_id}")
        await_until(
            lambda: self.emulator.stats()["connects"] >= self.connected + 8 or self.is_delivered(),
            f"the devices of {self.run_id}",
        )

    def token(self) -> int:
        """The claim's."""
        held = self.means.store.read(keys.claim_key(self.run_id, 0))
        return int(json.loads(held.body)["token"]) if held else 0

    def is_delivered(self) -> bool:
        """Whether the batch has a result."""
        fenced = record.read_fenced(self.means.store, keys.result_key(self.run_id, 0))
        return fenced is not None and fenced.body != b""

    def signal_first(self, number: signal.Signals) -> None:
        """Something happens to the first holder."""
        self.holders[0].send_signal(number)
        self.resumed_from, self.connected = self.checkpointed(), self.emulator.stats()["connects"]

    def finish(self) -> None:
        """All holders have ended, and the run is closed."""
        for holder in self.holders:
            out, err = holder.communicate(timeout=WITHIN_S)
            assert holder.returncode in (0, -signal.SIGKILL), err
            self.ends.append(json.loads(out) if out else {})
        self.closing = closing.close_run({"runId": self.run_id, "attempt": 1}, self.means)

    @property
    def outcome(self) -> BatchOutcome:
        """The batch's result."""
        fenced = record.read_fenced(self.means.store, keys.result_key(self.run_id, 0))
        assert fenced is not None
        return BatchOutcome.decode(fenced.body)

    def summary(self) -> dict[str, Any]:
        """The run's results."""
        found = answer(api.get_results, Request(run_id=self.run_id), self.means)
        summary: dict[str, Any] = json.loads(found.body)
        return summary

    def saves(self, token: int) -> set[str]:
        """What a holder has kept of devices."""
        return {key for key in self.means.store.keys("data/") if f"{self.run_id}-{token:06d}-" in key}

    def stop(self) -> None:
        """No process is left behind."""
        for holder in self.holders:
            if holder.poll() is None:
                holder.kill()
                holder.communicate()


def await_until(holds: Callable[[], bool], what: str) -> None:
    """Return when it holds; fail when it does not for too long."""
    give_up_at = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up_at, f"still waiting for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory, azurite: Azurite) -> Iterator[dict[str, Story]]:
    """What happened, by name: killed over files, killed and frozen over Azurite."""
    folder = tmp_path_factory.mktemp("batches")
    stores = {
        "killed": {"LOCAL_STORE": str(folder / "killed")},
        "killed-azurite": {"STORAGE_CONN_STR": azurite.connection_string, "STORAGE_CONTAINER_NAME": "batches"},
        "frozen": {"STORAGE_CONN_STR": azurite.connection_string, "STORAGE_CONTAINER_NAME": "frozen-batches"},
    }
    with ExitStack() as stack:
        told = {}
        for name, store in stores.items():
            emulator = stack.enter_context(run_emulator(folder / f"emulator-{name}"))
            told[name] = Story(f"run-{name}", emulator, settings_for(emulator, **store))
            stack.callback(told[name].stop)
        _play(told)
        yield told


def _play(told: Mapping[str, Story]) -> None:
    frozen = told["frozen"]
    for story in told.values():
        story.begin()
    for name, story in told.items():
        story.await_checkpoint()
        story.signal_first(signal.SIGSTOP if name == "frozen" else signal.SIGKILL)
        story.hire()
    for story in told.values():
        story.await_takeover()
    frozen.kept = frozen.saves(1)
    frozen.holders[0].send_signal(signal.SIGCONT)
    for story in told.values():
        story.finish()


KILLED = pytest.mark.parametrize("name", ["killed", "killed-azurite"])
EVERY = pytest.mark.parametrize("name", ["killed", "killed-azurite", "frozen"])


@EVERY
def test_second_holder_goes_on_where_the_first_was(stories: dict[str, Story], name: str) -> None:
    """It has the next token, starts from the checkpoint, and brings the schedule to its end."""
    story = stories[name]
    assert (story.outcome.token, story.outcome.stop) == (2, "schedule")
    assert story.ends[1] == {"batch": 0, "stop": "schedule"}
    assert story.outcome.handed > story.resumed_from > 0


@EVERY
def test_no_iteration_is_counted_twice_or_forgotten(stories: dict[str, Story], name: str) -> None:
    """What the schedule handed out is what is due, over both holders, and the sums agree."""
    story = stories[name]
    iterations = story.outcome.timeline.total().select(Operation.ITERATION)
    assert story.outcome.mismatch == ""
    assert iterations.due == story.outcome.handed
    assert story.summary()["conservation"] == {"holds": True, "mismatches": []}
    assert story.closing["verdict"] in ("passed", "failed", "invalid")


@KILLED
def test_devices_of_a_dead_process_are_driven_by_one_holder(stories: dict[str, Story], name: str) -> None:
    """Its connections died with it, long before anybody took its batch over."""
    assert stories[name].emulator.stats()["takeovers"] == 0


def test_frozen_holder_stops_when_it_wakes(stories: dict[str, Story]) -> None:
    """It finds the batch taken, waits like anybody else, and sees it done by the other."""
    assert stories["frozen"].ends[0] == {"batch": 0, "stop": "done-before"}


def test_frozen_holder_drives_no_device_when_it_wakes(stories: dict[str, Story]) -> None:
    """Each device was taken over once, when the frozen one's connections were still open, and never taken back."""
    assert stories["frozen"].emulator.stats()["takeovers"] <= 8


def test_frozen_holder_writes_nothing_when_it_wakes(stories: dict[str, Story]) -> None:
    """No device state under its token, and every fenced blob is the other's."""
    story = stories["frozen"]
    assert story.saves(1) <= story.kept
    for key in (keys.progress_key, keys.checkpoint_key, keys.result_key):
        fenced = record.read_fenced(story.means.store, key(story.run_id, 0))
        assert fenced is not None
        assert fenced.token == 2


@EVERY
def test_finished_batch_leaves_one_blob_of_device_state(stories: dict[str, Story], name: str) -> None:
    """What both holders kept is put together; every device has one record."""
    story = stories[name]
    kept = list(story.means.store.keys("data/"))
    held = story.means.store.read(kept[0])
    assert len(kept) == 1
    assert held is not None
    assert len(json.loads(held.body)["devices"]) == 8


def test_doubled_activity_drives_once(emulator: Emulator, tmp_path: Path) -> None:
    """Two calls of one batch at the same moment: one drives, the other waits and reports that it is done."""
    environ = settings_for(emulator, LOCAL_STORE=str(tmp_path))
    means = wiring.make_means(Settings.from_env(environ), environ)
    spec = {"scenario": "provision", "devices": {"count": 3, "prefix": "doubled-"}, "load": {"rampUp": "0s"}}
    found = answer(api.post_run, Request(body=json.dumps(spec).encode()), means)
    order = {"runId": json.loads(found.body)["runId"], "attempt": 1, "batch": 0}
    planning.plan_run(order, means)
    before = emulator.stats()["connects"]
    receipts: list[Any] = []
    threads = [threading.Thread(target=lambda: receipts.append(activities.run_batch(order, means))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
    assert sorted(receipt["stop"] for receipt in receipts) == ["done-before", "schedule"]
    assert emulator.stats()["connects"] - before == 6, "each of three devices goes to DPS and to its hub, once"


def test_runs_posted_at_the_same_moment_share_no_device(tmp_path: Path, emulator: Emulator) -> None:
    """Sixteen requests for devices of one prefix: all are accepted, and no index belongs to two runs."""
    environ = settings_for(emulator, LOCAL_STORE=str(tmp_path))
    means = wiring.make_means(Settings.from_env(environ), environ)
    spec = json.dumps({"scenario": "provision", "devices": {"count": 7, "prefix": "shared-"}}).encode()
    ready, run_ids, owned = threading.Barrier(16), [], []

    def start() -> None:
        ready.wait(WITHIN_S)
        body = json.loads(answer(api.post_run, Request(body=spec), means).body)
        run_ids.append(body["runId"])
        planning.plan_run({"runId": body["runId"], "attempt": 1}, means)
        for batch in read_plan(means.store, body["runId"]).plan.batches:
            owned.extend(batch.device_index(own) for own in range(batch.devices))

    threads = [threading.Thread(target=start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
    assert len(set(run_ids)) == 16
    assert len(owned) == len(set(owned)) == 16 * 7
