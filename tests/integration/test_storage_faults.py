"""Runs over a store that goes away while devices are driven, with a real wire to a real emulator."""

import base64
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from doubles.emulator import Emulator
from doubles.failing_store import FailingStore
from doubles.means import FixedSecrets, local_targets, make_means, plan
from engine.adapters.clock import SystemClock
from engine.adapters.memory import MemoryStore
from engine.adapters.net.wire import EpollWire
from engine.measure.operation import Operation
from engine.ports import Clock, Store, Traffic, Wire
from engine.protocol import mqtt
from engine.run import activities, api, keys, record, state
from engine.run.answers import Request, answer
from engine.run.closing import close_run
from engine.run.means import Means
from engine.run.outcome import BatchOutcome

WITHIN_S = 60.0
SPEC: dict[str, Any] = {
    "scenario": "cert-renewal",
    "devices": {"count": 4},
    "load": {"duration": "3s", "rampUp": "0s", "pacing": {"interval": "1s"}, "gracefulStop": "2s"},
    "connection": {"hold": "0s"},
}
ORDER = {"runId": "run-a", "attempt": 1, "batch": 0}


class WatchedWire:
    """A `Wire` that tells when it is closed."""

    def __init__(self, wire: Wire, closed: Callable[[], None]) -> None:
        self._wire, self._closed = wire, closed

    @property
    def traffic(self) -> Traffic:
        """See Wire."""
        return self._wire.traffic

    def send(self, channel: int, command: mqtt.Command) -> None:
        """See Wire."""
        self._wire.send(channel, command)

    def wait(self, until: float) -> Sequence[tuple[int, mqtt.Event]]:
        """See Wire."""
        return self._wire.wait(until)

    def wake(self) -> None:
        """See Wire."""
        self._wire.wake()

    def close(self) -> None:
        """See Wire."""
        self._wire.close()
        self._closed()


def means_for(emulator: Emulator, store: Store, closed: Callable[[], None] = lambda: None) -> Means:
    """Means with a real wire and a real clock over this store."""

    def wire(clock: Clock, ca_file: str | None, newest_tls: str) -> Wire:
        return WatchedWire(EpollWire(clock, ca_file=ca_file, newest_tls=newest_tls), closed)

    return make_means(
        store,
        clock=SystemClock(),
        targets=local_targets(emulator.facts),
        secrets=FixedSecrets({"local-group-key": base64.b64decode(emulator.ready["groupKey"])}),
        wire=wire,
        lease_s=4.0,
    )


def outcome_in(store: Store) -> BatchOutcome:
    """What the batch left."""
    fenced = record.read_fenced(store, keys.result_key("run-a", 0))
    assert fenced is not None
    return BatchOutcome.decode(fenced.body)


def test_saves_that_fail_are_counted_and_the_run_goes_on(emulator: Emulator) -> None:
    """Device state could not be kept for a while: each such save is a failure with a number, and a warning."""
    memory = MemoryStore()
    means = means_for(emulator, memory)
    plan(means, "run-a", {**SPEC, "devices": {"count": 4, "prefix": "saving-"}})
    store = FailingStore(memory, "data/saving-/0", after=3, calls=3, only_writes=True)
    assert activities.run_batch(ORDER, replace(means, store=store)) == {"batch": 0, "stop": "schedule"}
    assert store.failed == 3
    saves = outcome_in(memory).timeline.total().select(Operation.STATE_SAVE)
    assert saves.failed >= 3
    assert saves.ok > 0
    assert outcome_in(memory).store_failures >= 3
    assert close_run(ORDER, means)["verdict"] != "error"
    warnings = " ".join(state.read_state(memory, "run-a").warnings)
    assert "state.save: " in warnings
    assert "the store failed 3 times" in warnings


def test_store_failures_are_shown_while_the_run_goes_on(emulator: Emulator) -> None:
    """Progress that could not be written is counted in the progress that could."""
    memory = MemoryStore()
    means = means_for(emulator, memory)
    plan(means, "run-a", {**SPEC, "devices": {"count": 2, "prefix": "telling-"}})
    store = FailingStore(memory, keys.checkpoint_key("run-a", 0), after=1, calls=1, only_writes=True)
    activities.run_batch(ORDER, replace(means, store=store))
    view = json.loads(answer(api.get_run, Request(run_id="run-a"), means).body)
    assert view["storeFailures"] == 1


@pytest.mark.parametrize(
    ("only_writes", "detail"), [(False, "nobody answers"), (True, "no space left on device")], ids=["away", "full disk"]
)
def test_store_that_stays_away_puts_the_batch_off(emulator: Emulator, only_writes: bool, detail: str) -> None:
    """Longer than the lease: nobody can tell whose the batch is, so it stops; whoever takes it next goes on with it."""
    memory, away, stopped = MemoryStore(), threading.Event(), threading.Event()
    means = means_for(emulator, memory, stopped.set)
    load = {**SPEC["load"], "duration": "12s"}
    plan(means, "run-a", {**SPEC, "devices": {"count": 2, "prefix": "lonely-"}, "load": load})
    store = FailingStore(memory, only_writes=only_writes, detail=detail, is_away=away.is_set)
    with ThreadPoolExecutor(1) as pool:
        driving = pool.submit(activities.run_batch, ORDER, replace(means, store=store))
        try:
            assert began(memory)
            away.set()
            assert stopped.wait(WITHIN_S)
        finally:
            away.clear()
        assert driving.result(WITHIN_S) == {"batch": 0, "stop": "schedule"}
    outcome = outcome_in(memory)
    assert (outcome.token, outcome.mismatch) == (2, "")
    assert outcome.timeline.total().select(Operation.ITERATION).due == outcome.handed
    assert close_run(ORDER, means)["verdict"] != "error"


def began(store: Store) -> bool:
    """Whether the load begins within our patience."""
    give_up = SystemClock().now() + WITHIN_S
    while SystemClock().now() < give_up:
        if store.read(keys.start_key("run-a", 0, 1)) is not None:
            return True
        threading.Event().wait(0.05)
    return False
