"""Real workers as replicas of a Container Apps job: the execution's args and variables are all that they are given."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doubles.container_apps import (
    JOB_ID,
    Bearer,
    ContainerApps,
    Execution,
    NoCredential,
    job_document,
    run_container_apps,
)
from doubles.emulator import ROOT, Emulator
from engine import wiring
from engine.adapters.jobs.launcher import ContainerAppsLauncher
from engine.measure.verdict import EXIT_CODES, Verdict
from engine.run import api, jobs, keys, planning, record
from engine.run.answers import Request, answer
from engine.run.claims import Claims, Standing
from engine.run.means import Means
from engine.settings import Settings

WITHIN_S = 90.0
REPLICAS = 3
ONCE: Mapping[str, Any] = {
    "scenario": "provision",
    "devices": {"count": 12, "prefix": "replica-"},
    "load": {"rampUp": "3s", "gracefulStop": "5s"},
    "execution": {"runner": "job", "cpu": 2, "batchSize": 6},
}
"""Four batches of three devices: two replicas with two processes are needed, three are deployed."""

LONG: Mapping[str, Any] = {
    "scenario": "cert-renewal",
    "devices": {"count": 4, "prefix": "stopped-"},
    "load": {"duration": "120s", "rampUp": "1s", "pacing": {"interval": "2s"}, "gracefulStop": "5s"},
    "connection": {"hold": "0s"},
    "execution": {"runner": "job", "cpu": 2, "batchSize": 4},
}
"""Two batches for one replica with two processes."""


class Replicas:
    """Runs what an execution says, as often as the job is deployed; `codes` are the exit codes of all."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    def __call__(self, execution: Execution, parallelism: int) -> None:
        worker = next(each for each in execution.template["containers"] if each["name"] == "worker")
        environ = {each["name"]: each["value"] for each in worker["env"]}
        crew = [
            subprocess.Popen(
                [sys.executable, "-m", "engine", *worker["args"]], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL
            )
            for _ in range(parallelism)
        ]
        is_told = False
        while any(each.poll() is None for each in crew):
            if execution.status == "Stopped" and not is_told:
                is_told = True
                for each in crew:
                    each.terminate()
            time.sleep(0.05)
        self.codes.extend(each.returncode for each in crew)
        if execution.status == "Running":
            execution.status = "Failed" if any(self.codes) else "Succeeded"


class Scene:
    """A planned run, and a job whose replicas are processes of this machine."""

    def __init__(self, run_id: str, spec: Mapping[str, Any], *, emulator: Emulator, folder: Path) -> None:
        self.run_id = run_id
        environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            "STATE_KEY": base64.b64encode(bytes(range(64))).decode(),
            "CLAIM_LEASE": "5s",
            "LOCAL_EMULATOR": json.dumps(emulator.facts),
            "LOCAL_GROUP_KEY": emulator.ready["groupKey"],
            "LOCAL_STORE": str(folder),
        }
        self.replicas = Replicas()
        self._environ = environ
        self._means = wiring.make_means(Settings.from_env(environ), environ)
        self._spec = spec

    def document(self, parallelism: int) -> dict[str, Any]:
        """The job as it would be deployed for this run's surroundings."""
        document = job_document(parallelism=parallelism)
        _, worker = document["properties"]["template"]["containers"]
        worker["env"] = [{"name": name, "value": value} for name, value in self._environ.items()]
        return document

    def begin(self, apps: ContainerApps) -> Means:
        """The run is planned, and its first wave launched."""
        options = {"base_url": apps.url, "authentication_policy": Bearer()}
        launcher = ContainerAppsLauncher(
            self._means.store, self._means.clock, job=JOB_ID, credential=NoCredential(), **options
        )
        means = replace(self._means, launcher=launcher)
        posted = Request(body=json.dumps(self._spec).encode(), headers={"idempotency-key": self.run_id})
        assert answer(api.post_run, posted, means).status == 202
        planning.plan_run({"runId": self.run_id, "attempt": 1}, means)
        jobs.begin_wave({"runId": self.run_id, "attempt": 1, "wave": 0}, means)
        return means

    def standings(self, means: Means, batches: int) -> list[Standing]:
        """How the claims of the batches stand."""
        claims = Claims(means.store, means.clock, means.lease_s)
        return [claims.standing(self.run_id, batch) for batch in range(batches)]

    def checkpointed(self, means: Means, batch: int) -> bool:
        """Whether the batch has a checkpoint."""
        found = record.read_fenced(means.store, keys.checkpoint_key(self.run_id, batch))
        return found is not None and found.body != b""


def await_until(holds: Callable[[], bool], replicas: Replicas, *, what: str) -> None:
    """Return when it holds; fail when it does not for too long, or all replicas have ended before."""
    give_up_at = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up_at, f"still waiting for {what}"
        assert not replicas.codes, f"the replicas ended without {what}: {replicas.codes}"
        time.sleep(0.05)


@pytest.fixture
def begin(emulator: Emulator, tmp_path: Path) -> Callable[[str, Mapping[str, Any]], Scene]:
    """Makes scenes."""
    return lambda run_id, spec: Scene(run_id, spec, emulator=emulator, folder=tmp_path / run_id)


def test_surplus_replicas_find_nothing_and_end_well(begin: Callable[..., Scene]) -> None:
    """One more replica runs than the wave needs: every batch is done once, and every replica ends with 0."""
    scene = begin("run-surplus", ONCE)
    with run_container_apps(document=scene.document(REPLICAS), run=scene.replicas) as apps:
        means = scene.begin(apps)
        (execution,) = apps.executions.values()
        apps.threads[0].join(WITHIN_S)
    assert scene.replicas.codes == [0] * REPLICAS
    assert execution.status == "Succeeded"
    assert [(found.is_done, found.token) for found in scene.standings(means, 4)] == [(True, 1)] * 4


def test_stopped_replicas_give_their_batches_back(begin: Callable[..., Scene]) -> None:
    """In order: claims are free at once, and checkpoints are kept for who comes next."""
    scene = begin("run-stopped", LONG)
    with run_container_apps(document=scene.document(1), run=scene.replicas) as apps:
        means = scene.begin(apps)
        await_until(
            lambda: all(scene.checkpointed(means, batch) for batch in (0, 1)), scene.replicas, what="both checkpoints"
        )
        assert all(found.is_held for found in scene.standings(means, 2))
        jobs.stop_workers({"runId": "run-stopped", "attempt": 1, "wave": 0}, means)
        apps.threads[0].join(WITHIN_S)
    assert scene.replicas.codes == [EXIT_CODES[Verdict.CANCELLED]]
    assert [(found.is_held, found.is_done) for found in scene.standings(means, 2)] == [(False, False)] * 2
    assert all(scene.checkpointed(means, batch) for batch in (0, 1))
