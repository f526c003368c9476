"""`Launcher` in Azure: a launch is one execution of a Container Apps job, and a replica is a container of it.

Theory of operation. The job is deployed once, with parallelism and completion count as large as any wave needs;
every execution runs that many replicas, and those that find no batch end well at once.

Starting is not idempotent, so a launch's note in the store is an intent: it has a launch id, which the execution gets
as a variable, and the execution's name as soon as that is known.

    created         by the first who launches, before a start is asked for; that one starts
    with a name     somebody started: nothing is left to do
    without a name  somebody is starting, or ended while starting, or lost the answer: for SETTLE_S after the start was
                    asked for, others only look for an execution with the launch id, and adopt it; then one of them
                    takes the intent over, by replacing it, and starts

The job is read before, so that nothing slow lies between an intent and its start. A start that was refused takes its
intent along, unless an earlier one may have been carried out. Should the service never show an execution's variables, a
lost answer costs a second execution: claims are exclusive, the surplus replicas find nothing and end. The engine judges
by the batches' results, never by how an execution ended.
Source: Container Apps, "Jobs in Azure Container Apps"; azure-mgmt-appcontainers 5.1.0, JobExecutionRunningState.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from azure.core.credentials import TokenCredential
from azure.mgmt.appcontainers.models import Job, JobExecutionTemplate

from engine.adapters.jobs.service import ANSWER_WITHIN_S, PATIENCE_S, JobService, Trouble
from engine.adapters.jobs.template import override, unfit
from engine.errors import AlreadyExists, LaunchError, VersionConflict
from engine.ports import Clock, Held, Launched, Store

SETTLE_S: Final = PATIENCE_S + ANSWER_WITHIN_S + 30.0
"""How long an execution may take to be seen after its start was first asked for: the last try and its answer, and then
some."""

LOOK_EVERY_S: Final = 5.0

LAUNCH_ID: Final = "LAUNCH_ID"
RUN_ID: Final = "RUN_ID"

_ENDED: Final[Mapping[str, bool]] = {
    "Running": False,
    "Processing": False,
    "Succeeded": True,
    "Failed": True,
    "Stopped": True,
}
"""Unknown and Degraded are not among them: neither says whether it will go on."""

_log = logging.getLogger("certfleet.jobs")


class ContainerAppsLauncher:
    """Starts the job of a resource id, with the args `worker RUN_ID --processes N`.

    client_options go to the client of Resource Manager, for who has another one than Azure's.
    """

    coming_s: Final = 300.0
    """A node is added, the image is fetched, containers start. Not documented; our guess until it is measured."""

    def __init__(
        self, store: Store, clock: Clock, *, job: str, credential: TokenCredential, **client_options: Any
    ) -> None:
        self._store, self._clock = store, clock
        self._service = JobService(job, credential, clock, **client_options)

    def launch(self, run_id: str, *, key: str, replicas: int, processes: int, cpu: float) -> None:
        """See Launcher."""
        args = ("worker", run_id, "--processes", str(processes))
        try:
            if self._is_started(key):
                return
            job = self._fitting_job(replicas)
            turn = self._turn(key)
            if turn is not None:
                env = {LAUNCH_ID: turn.intent.launch_id, RUN_ID: run_id}
                self._carry_out(turn, override(job, args=args, cpu=cpu, env=env))
        except Trouble as failed:
            unknown = "; whether it was started anyhow, the next try finds out" if failed.may_be_done else ""
            raise LaunchError(run_id, f"{failed}{unknown}") from failed

    def look(self, key: str) -> Launched | None:
        """See Launcher. Where the service does not answer it cannot be told, and the log says why."""
        held = self._store.read(key)
        if held is None:
            return None
        intent = _Intent.decode(held)
        try:
            return Launched(intent.at, self._is_over(self._known(key, held)))
        except Trouble as trouble:
            _log.warning("what became of a launch cannot be told now: %s", trouble)
            return Launched(intent.at, None)

    def stop(self, key: str) -> None:
        """See Launcher."""
        held = self._store.read(key)
        if held is None:
            return
        try:
            intent = self._known(key, held)
            if not intent.execution:
                raise LaunchError(key, "whether it was started is not known yet")
            if not self._is_over(intent):
                self._stop(intent)
        except Trouble as trouble:
            raise LaunchError(key, str(trouble)) from trouble

    def _is_started(self, key: str) -> bool:
        held = self._store.read(key)
        return held is not None and self._known(key, held).execution != ""

    def _fitting_job(self, replicas: int) -> Job:
        """The job as it is deployed. Raises Trouble, also when it cannot run so many replicas at once."""
        job = self._service.read()
        if problem := unfit(job, replicas):
            raise Trouble(self._service.name, problem)
        return job

    def _turn(self, key: str) -> "_Turn | None":
        """The intent to carry out, None when somebody did."""
        while True:
            now = self._clock.wall()
            intent = _Intent(at=now, asked_at=now, launch_id=uuid4().hex)
            with suppress(AlreadyExists):
                return _Turn(key, intent, self._store.create(key, intent.encode()), is_first=True)
            held = self._store.read(key)
            if held is None:
                continue
            intent = self._known(key, held)
            if intent.execution:
                return None
            if now < intent.asked_at + SETTLE_S:
                self._clock.sleep(LOOK_EVERY_S)
                continue
            intent = replace(intent, asked_at=now)
            with suppress(VersionConflict):
                return _Turn(key, intent, self._store.replace(key, intent.encode(), held.version), is_first=False)

    def _carry_out(self, turn: "_Turn", template: JobExecutionTemplate) -> None:
        """Start, and record what was started. Raises Trouble."""
        try:
            execution = self._started(turn.intent, template)
        except Trouble as refused:
            if turn.is_first and not refused.may_be_done:
                self._store.delete(turn.key)
            raise
        self._record(turn.key, turn.intent, turn.version, execution)

    def _started(self, intent: "_Intent", template: JobExecutionTemplate) -> str:
        """The name of the execution, also when it was not answered. Raises Trouble."""
        try:
            execution = self._service.start(template)
            trouble = Trouble(self._service.name, "the start was accepted, but not which one", may_be_done=True)
        except Trouble as lost:
            if not lost.may_be_done:
                raise
            execution, trouble = "", lost
        give_up = self._clock.now() + SETTLE_S
        with suppress(Trouble):
            while not execution and self._clock.now() < give_up:
                execution = self._service.find(LAUNCH_ID, intent.launch_id)
                if not execution:
                    self._clock.sleep(LOOK_EVERY_S)
        if not execution:
            raise trouble
        return execution

    def _stop(self, intent: "_Intent") -> None:
        """Tell the execution to stop; one that ended meanwhile cannot be told. Raises Trouble."""
        try:
            self._service.stop(intent.execution)
        except Trouble as trouble:
            if trouble.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT) or not self._is_over(intent):
                raise

    def _known(self, key: str, held: Held) -> "_Intent":
        """The intent with its execution's name, where that is recorded or seen. Raises Trouble."""
        intent = _Intent.decode(held)
        if not intent.execution:
            intent = replace(intent, execution=self._service.find(LAUNCH_ID, intent.launch_id))
            if intent.execution:
                self._record(key, intent, held.version, intent.execution)
        return intent

    def _is_over(self, intent: "_Intent") -> bool | None:
        """Whether the launch's execution has ended, None where that cannot be told. Raises Trouble.

        One that is not there any more has ended; a young one may only not be seen yet.
        """
        if not intent.execution:
            return None
        try:
            return _ENDED.get(self._service.status(intent.execution))
        except Trouble as trouble:
            if trouble.status != HTTPStatus.NOT_FOUND:
                raise
            return self._clock.wall() > intent.asked_at + SETTLE_S or None

    def _record(self, key: str, intent: "_Intent", version: str, execution: str) -> None:
        with suppress(VersionConflict):  # somebody recorded it, or one more; or the run was removed
            self._store.replace(key, replace(intent, execution=execution).encode(), version)


@dataclass(frozen=True, slots=True)
class _Intent:
    """What the store knows of a launch; at is when it was first wanted, asked_at when a start was last asked for."""

    at: float
    asked_at: float
    launch_id: str
    execution: str = ""

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, held: Held) -> "_Intent":
        return cls(**json.loads(held.body))


@dataclass(frozen=True, slots=True)
class _Turn:
    """An intent that is ours to carry out; is_first where nobody before us can have."""

    key: str
    intent: _Intent
    version: str
    is_first: bool
