"""One run and what is done to it meanwhile, through HTTP and signals only; then what everybody says of it."""

import hashlib
import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from chaos import crowd
from chaos.disturbance import Disturbance, Kind
from chaos.ground import Ground

from engine.cli.errors import Refused, Unreachable
from engine.errors import StoreUnavailable
from engine.run import keys
from engine.run.home import DeviceState, Span
from engine.run.means import Means

LOOK_EVERY_S: Final = 1.0
PAUSE_S: Final = 0.05
LOOKED_AT: Final = 12
"""So many batches that are not done are looked at for their holders: more take longer than a batch does."""

ENDED_WITHIN_S: Final = 30.0
"""A worker that is to end, or has nothing left to do, takes no longer."""


@dataclass(frozen=True, slots=True)
class Held:
    """A batch and the token under which a worker had it, unfinished, when it was hit."""

    batch: int
    token: int


@dataclass(frozen=True, slots=True)
class Blow:
    """A disturbance that was dealt: at progress, to the worker pid (0: a service), which had these batches.

    connections is how many the worker had open to the emulator when it was frozen.
    """

    disturbance: Disturbance
    at_s: float
    progress: float
    pid: int = 0
    held: tuple[Held, ...] = ()
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is left of a run.

    tokens are those of the batches' claims in the end, one more for each holder, whoever's result it is that counts.
    issued and stored are by device id: how many certificates the emulator issued and which was the last, by its
    SHA-256, and the one that the device's state holds. left are workers that never ended.
    """

    summary: Mapping[str, Any]
    spec: Mapping[str, Any]
    blows: Sequence[Blow]
    missed: Sequence[Disturbance]
    tokens: Mapping[int, int]
    takeovers: int
    issued: Mapping[str, Mapping[str, Any]]
    stored: Mapping[str, str]
    unreadable: Sequence[str]
    left: Sequence[int]
    seconds: float


class Overdue(Exception):
    """The run, or a part of it, took longer than anybody waits."""


class Ordeal:
    """A run that has been accepted."""

    def __init__(self, ground: Ground, spec: Mapping[str, Any], *, patience_s: float) -> None:
        self._ground, self._spec, self._means = ground, spec, ground.means()
        self._began = time.monotonic()
        self._give_up = self._began + patience_s
        self._takeovers = int(ground.ask_emulator("stats")["takeovers"])
        self._frozen: list[tuple[float, int]] = []
        self._blows: list[Blow] = []
        self._done: set[int] = set()
        self._count = int(spec["devices"]["count"])
        self._batches = -(-self._count // int(spec["execution"]["batchSize"]))
        self.run_id = str(ground.api.post_run(json.dumps(spec).encode(), None)["runId"])

    def go_through(self, disturbances: Sequence[Disturbance], *, cancel_at: float | None = None) -> Evidence:
        """All of it, each disturbance once the run is so far; what is left to be dealt when the run ends is missed.

        Cancelled when the share cancel_at of its batches is done, it is resumed once it has ended.
        """
        waiting = list(disturbances)
        try:
            self._endure(waiting, cancel_at)
            if cancel_at is not None:
                self._ground.api.resume(self.run_id)
                self._endure(waiting, None)
            seconds = time.monotonic() - self._began
        finally:
            for _, pid in self._frozen:
                crowd.send(pid, self.run_id, signal.SIGCONT)
        return self._evidence(waiting, seconds)

    def _endure(self, waiting: list[Disturbance], cancel_at: float | None) -> None:
        """Until the run has ended; what was dealt is not waiting any more."""
        for progress, holders in self._watched():
            if cancel_at is not None and progress >= cancel_at:
                self._ground.api.cancel(self.run_id)
                cancel_at = None
            if waiting and progress >= waiting[0].at and self._deal(waiting[0], progress, holders):
                del waiting[0]

    # -- looking -------------------------------------------------------------------------------------------

    def _watched(self) -> Iterator[tuple[float, Mapping[int, list[Held]]]]:
        """Again and again until the run is finished: the share of its batches that are done, and who holds others."""
        view: Mapping[str, Any] = {}
        looked = -math.inf
        while True:
            self._thaw()
            self._ground.check()
            now = time.monotonic()
            if now - looked > LOOK_EVERY_S:
                looked = now
                with suppress(Unreachable, Refused):
                    view = self._ground.api.look(self.run_id)
                if view.get("state") == "finished":
                    return
            if now > self._give_up:
                raise Overdue(f"{self.run_id} is not finished: {json.dumps(view)[:3000]}")
            with suppress(StoreUnavailable):
                holders = self._held()
                yield len(self._done) / self._batches, holders
            time.sleep(PAUSE_S)

    def _holder(self, batch: int) -> tuple[int, Held] | None:
        """The process that has the batch and has not finished it or given it back, dead or alive."""
        found = self._means.store.read(keys.claim_key(self.run_id, batch))
        claim = json.loads(found.body) if found else {"done": False, "expires_at": 0.0}
        if claim["done"]:
            self._done.add(batch)
        if claim["done"] or not claim["expires_at"]:
            return None
        return int(claim["holder"].split("/")[1]), Held(batch, int(claim["token"]))

    def _token(self, batch: int) -> int:
        found = self._means.store.read(keys.claim_key(self.run_id, batch))
        return int(json.loads(found.body)["token"]) if found else 0

    def _held(self) -> dict[int, list[Held]]:
        """What each live worker holds, as far as it is among the next few batches."""
        holders: dict[int, list[Held]] = {}
        left = [batch for batch in range(self._batches) if batch not in self._done]
        for found in map(self._holder, left[:LOOKED_AT]):
            if found is not None and crowd.is_worker(found[0], self.run_id):
                holders.setdefault(found[0], []).append(found[1])
        return holders

    # -- dealing -------------------------------------------------------------------------------------------

    def _deal(self, disturbance: Disturbance, progress: float, holders: Mapping[int, list[Held]]) -> bool:
        """Whether it could be done: a worker can only be hit while there is one with something to lose."""
        at_s = round(time.monotonic() - self._began, 1)
        match disturbance.kind:
            case Kind.WORKER_KILLED | Kind.WORKER_ENDED | Kind.WORKER_FROZEN:
                hit = self._hit(disturbance, holders)
                if hit is None:
                    return False
                pid, held, connections = hit
                self._blows.append(Blow(disturbance, at_s, progress, pid, tuple(held), connections))
                return True
            case Kind.HOST_KILLED | Kind.HOST_ENDED:
                self._ground.stop_host(in_order=disturbance.kind is Kind.HOST_ENDED)
                self._pause(disturbance.for_s)
                self._ground.start_host()
            case Kind.STORAGE_ENDED:
                self._ground.stop_storage()
                self._pause(disturbance.for_s)
                self._ground.start_storage()
        self._blows.append(Blow(disturbance, at_s, progress))
        return True

    def _hit(self, disturbance: Disturbance, holders: Mapping[int, list[Held]]) -> tuple[int, list[Held], int] | None:
        """The worker that was hit, what it held then, and its connections."""
        frozen = {pid for _, pid in self._frozen}
        holders = {pid: held for pid, held in holders.items() if pid not in frozen}
        if not holders:
            return None
        pid = sorted(holders)[int(disturbance.pick * len(holders))]
        has_something = any(self._still(pid, held.batch) for held in holders[pid])  # finding it took a while
        if not has_something or not crowd.send(pid, self.run_id, _SIGNALS[disturbance.kind]):
            return None
        connections = 0
        if disturbance.kind is Kind.WORKER_FROZEN:
            self._frozen.append((time.monotonic() + disturbance.for_s, pid))
            connections = crowd.connections_to(pid, self._ground.emulator_port)
        else:
            self._await(lambda: not crowd.is_worker(pid, self.run_id), f"worker {pid} to end")
        held = [found for held in holders[pid] if (found := self._still(pid, held.batch))]
        return pid, held, connections

    def _still(self, pid: int, batch: int) -> Held | None:
        """What the worker has of the batch, now."""
        found = self._holder(batch)
        return found[1] if found is not None and found[0] == pid else None

    def _pause(self, for_s: float) -> None:
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            self._thaw()
            time.sleep(0.02)

    def _thaw(self) -> None:
        """Let those go on that were frozen for as long as they were to be."""
        now = time.monotonic()
        for due, pid in self._frozen:
            if due <= now:
                crowd.send(pid, self.run_id, signal.SIGCONT)
        self._frozen = [(due, pid) for due, pid in self._frozen if due > now]

    def _await(self, holds: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + ENDED_WITHIN_S
        while not holds():
            if time.monotonic() > give_up:
                raise Overdue(f"{self.run_id}: waited in vain for {what}")
            time.sleep(0.02)

    # -- gathering -----------------------------------------------------------------------------------------

    def _evidence(self, missed: Sequence[Disturbance], seconds: float) -> Evidence:
        with suppress(Overdue):
            self._await(lambda: not crowd.workers_of(self.run_id), "the workers to end")
        summary = json.loads(self._ground.api.document(self.run_id, "summary.json"))
        prefix = str(self._spec["devices"]["prefix"])
        stored, unreadable = stored_certificates(self._means, prefix, self._count)
        issued = self._ground.ask_emulator("issued")
        return Evidence(
            summary=summary,
            spec=self._spec,
            blows=tuple(self._blows),
            missed=tuple(missed),
            tokens={batch: self._token(batch) for batch in range(len(summary["batches"]))},
            takeovers=int(self._ground.ask_emulator("stats")["takeovers"]) - self._takeovers,
            issued={name: one for name, one in issued.items() if name.startswith(prefix)},
            stored=stored,
            unreadable=unreadable,
            left=crowd.workers_of(self.run_id),
            seconds=seconds,
        )


_SIGNALS: Final[Mapping[Kind, signal.Signals]] = {
    Kind.WORKER_KILLED: signal.SIGKILL,
    Kind.WORKER_ENDED: signal.SIGTERM,
    Kind.WORKER_FROZEN: signal.SIGSTOP,
}


def stored_certificates(means: Means, prefix: str, count: int) -> tuple[dict[str, str], Sequence[str]]:
    """By device id the SHA-256 of the stored certificate, in hex; and what of the state could not be read."""
    state = DeviceState(means.store, means.data_prefix, prefix, means.wrapping_key)
    bundles, problems = state.load([Span(0, count)])
    return {name: hashlib.sha256(bundle.chain[0]).hexdigest() for name, bundle in bundles.items()}, problems
