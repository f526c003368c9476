"""The whole product on this machine for a test: services, runs through HTTP, and what the emulator counted."""

import json
import os
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cli.client import Api
from engine.cli.environment import TELEMETRY
from engine.cli.station import Order, Station, open_station

PATIENCE_S = 180.0
LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Stage:
    """The running services; control is the emulator's, "" where there is none."""

    station: Station
    api: Api
    control: str

    def run(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The summary of a run of this spec, once it is finished."""
        return self.summary(self.start(spec))

    def start(self, spec: Mapping[str, Any]) -> str:
        """The id of a run of this spec that has been accepted."""
        return str(self.api.post_run(json.dumps(spec).encode(), None)["runId"])

    def summary(self, run_id: str) -> dict[str, Any]:
        """What the run has come to, once it is finished."""
        self.wait(run_id, lambda view: view["state"] == "finished")
        found: dict[str, Any] = json.loads(self.api.document(run_id, "summary.json"))
        return found

    def wait(self, run_id: str, until: Any) -> dict[str, Any]:
        """The first view of the run for which until holds. Raises TimeoutError."""
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            view = self.api.look(run_id)
            if until(view):
                return view
            self.station.check()
            time.sleep(LOOK_EVERY_S)
        raise TimeoutError(f"{run_id}: {json.dumps(view)[:2000]}")

    def set_faults(self, faults: Mapping[str, Any]) -> None:
        """From now on the emulator misbehaves like this, and no other way."""
        body = json.dumps(dict(faults)).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.control}/faults", body, method="PUT"), timeout=10).close()


@contextmanager
def open_stage(directory: Path, **options: Any) -> Iterator[Stage]:
    """The services with their state in a directory; options are those of `Order`, and environ adds to ours.

    Telemetry goes nowhere but to this machine, unless environ has another place for it.
    """
    environ = {**os.environ, TELEMETRY: "", "CLAIM_LEASE": "5s", **options.pop("environ", {})}
    with open_station(Order(directory, **options), environ, lambda _line: None) as station:
        ready = [child.ready() for child in station.children if child.name == "the emulator"]
        yield Stage(station, Api(station.url), str(ready[0]["control"]) if ready else "")


def counts_of(summary: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """One operation's numbers in a summary."""
    found: dict[str, Any] = summary["operations"][operation]
    return found


def emulator_counted(summary: Mapping[str, Any], what: str) -> int:
    """What the emulator counted during the run, as the summary says."""
    return next(int(row["emulator"]) for row in summary["emulator"] if row["what"] == what)
