"""Runs of empty batches through the product's own orchestrators, on a local host of their own."""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.localhost.hosting import ENDED, ROOT, Host

APP = ROOT / "tests/data/orchestrator_app"
LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Empty:
    """What a run of empty batches came to: its end, the seconds it took, and the events in each instance's history."""

    output: Mapping[str, Any]
    wall_s: float
    histories: Mapping[str, int]

    @property
    def events(self) -> int:
        """In all histories."""
        return sum(self.histories.values())

    @property
    def largest(self) -> tuple[int, ...]:
        """The lengths of the histories, the largest first."""
        return tuple(sorted(self.histories.values(), reverse=True))


def run_empty_batches(folder: Path, *, batches: int, at_once: int) -> Empty:
    """A run of so many batches, so many of them in a wave."""
    state = folder / "orchestrations.sqlite"
    host = Host(folder, "--state", str(state), app=APP)
    try:
        plan = json.dumps({"batches": batches, "atOnce": at_once, "launches": False})
        begun = time.monotonic()
        instance_id = host.start("run", {"runId": plan, "attempt": 1})["id"]
        while (found := host.state(instance_id).json)["runtimeStatus"] not in ENDED:
            time.sleep(LOOK_EVERY_S)
        wall_s = time.monotonic() - begun
    finally:
        host.stop()
    assert found["runtimeStatus"] == "Completed", found
    with sqlite3.connect(state) as kept:
        rows = kept.execute("SELECT instance, count(*) FROM event GROUP BY instance").fetchall()
    return Empty(found["output"], wall_s, {name.removeprefix(instance_id): count for name, count in rows})
