"""`Means` for tests: everything in memory and in virtual time, and nothing that reaches the outside."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from doubles.clock import VirtualClock
from engine.adapters.memory import MemoryStore
from engine.device.bundle import WrappingKey
from engine.errors import Outcome, SettingsError
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.timeline import Timeline
from engine.plan.target import Targets, parse_targets
from engine.ports import Clock, Store, Wire
from engine.run import api, keys, planning, record
from engine.run.answers import Request, answer
from engine.run.claims import Claims
from engine.run.means import Means
from engine.run.outcome import BatchOutcome

WRAPPING_KEY = WrappingKey(bytes(range(64)))
GROUP_KEY = b"a group key that nobody else has"

STAGING = {
    "dps": [{"host": "dps.example", "idScope": "0ne1", "secret": "staging-group-key"}],
    "hubs": ["hub.example"],
    "caFile": "/etc/staging-ca.pem",
    "ceilings": {"devices": 40, "costUsd": 0.001},
}


@dataclass(frozen=True, slots=True)
class FixedSecrets:
    """`Secrets` from a mapping."""

    values: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def read(self, name: str) -> bytes:
        """The secret's value. Raises SettingsError naming what is missing."""
        if name not in self.values:
            raise SettingsError({name: "missing"})
        return self.values[name]


def local_targets(facts: Mapping[str, Any] | None = None) -> Targets:
    """The targets `local`, the emulator of these facts or one that nobody runs, and `staging`."""
    local = facts or {"host": "127.0.0.1", "port": 8883, "idScope": "0ne00000000"}
    kept = {name: local[name] for name in ("host", "port", "idScope", "caFile", "control") if local.get(name)}
    hosts = ("dps.example", "hub.example")
    return parse_targets(json.dumps({"staging": STAGING}), allowed_hosts=hosts, local=json.dumps(kept))


def make_means(store: Store | None = None, **changes: Any) -> Means:
    """Means over this store, or over a memory of their own; `changes` replace fields."""
    ids, holders = itertools.count(1), itertools.count(1)
    means = Means(
        store=MemoryStore() if store is None else store,
        results=MemoryStore(),
        clock=VirtualClock(),
        secrets=FixedSecrets({"local-group-key": GROUP_KEY, "staging-group-key": GROUP_KEY}),
        targets=local_targets(),
        wire=_no_wire,
        descriptors=lambda wanted: wanted,
        counters=lambda _control: None,
        tokens=lambda target: lambda: f"token-of-{target.name}",
        service_tokens=lambda: lambda: "service-token",
        new_run_id=lambda: f"run-{next(ids):04d}",
        new_holder=lambda: f"holder-{next(holders)}",
        new_seed=itertools.count(4711).__next__,
        wrapping_key=WRAPPING_KEY,
    )
    return replace(means, **changes)


def contents(store: Store) -> dict[str, bytes]:
    """Everything a store holds."""
    return {key: held.body for key in store.keys("") if (held := store.read(key))}


def post(means: Means, run_id: str, spec: Mapping[str, Any]) -> str:
    """An accepted run of a spec; its id."""
    request = Request(body=json.dumps(spec).encode(), headers={"idempotency-key": run_id})
    found = answer(api.post_run, request, means)
    assert found.status == 202, found.body
    return run_id


def plan(means: Means, run_id: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """An accepted run that is planned; what the orchestrator hears of it."""
    return planning.plan_run({"runId": post(means, run_id, spec), "attempt": 1}, means)


def deliver(means: Means, run_id: str, batch: int, **changes: Any) -> BatchOutcome:
    """The batch is driven, as far as the store can tell: five renewals that went well; `changes` replace fields."""
    claims = Claims(means.store, means.clock, means.lease_s)
    claim = claims.take(run_id, batch, f"holder-of-{batch}")
    assert claim is not None
    outcome = BatchOutcome(
        batch=batch,
        holder=claim.holder,
        token=claim.token,
        stop="schedule",
        timeline=renewals(5),
        handed=5,
        load_start=2.0,
        durations_s={Phase.PREPARE: 2.0, Phase.STEADY: 10.0},
    )
    outcome = replace(outcome, **changes)
    record.fenced_write(means.store, keys.result_key(run_id, batch), claim.token, outcome.encode())
    claims.release(claim, whole=outcome.is_whole)
    return outcome


def renewals(count: int, interval_s: float = 10.0) -> Timeline:
    """A timeline of so many iterations, each with a certificate issued after a second."""
    timeline = Timeline(interval_s)
    for n in range(count):
        for operation in (Operation.ITERATION, Operation.CERT_ISSUED):
            series = Series(operation, Phase.STEADY)
            timeline.due(series, float(n))
            timeline.start(series, float(n))
            timeline.settle(Sample(series, float(n), float(n), n + 1.0, Outcome.OK))
    return timeline


def _no_wire(_clock: Clock, _ca_file: str | None, _newest_tls: str) -> Wire:
    raise AssertionError("this test drives no devices")
