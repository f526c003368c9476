"""`Means` for tests: everything in memory and in virtual time, and nothing that reaches the outside."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from doubles.clock import VirtualClock
from engine.adapters.memory import MemoryStore
from engine.errors import SettingsError
from engine.plan.target import Targets, parse_targets
from engine.ports import Clock, Store, Wire
from engine.run.means import Means

WRAPPING_KEY = bytes(range(64))
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
        new_run_id=lambda: f"run-{next(ids):04d}",
        new_holder=lambda: f"holder-{next(holders)}",
        new_seed=itertools.count(4711).__next__,
        wrapping_key=WRAPPING_KEY,
    )
    return replace(means, **changes)


def contents(store: Store) -> dict[str, bytes]:
    """Everything a store holds."""
    return {key: held.body for key in store.keys("") if (held := store.read(key))}


def _no_wire(_clock: Clock, _ca_file: str | None) -> Wire:
    raise AssertionError("this test drives no devices")
