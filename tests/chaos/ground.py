"""Storage, emulator and Functions host, each of which can be ended and started again where it was.

Everything ends with this process, whatever happens to it: the kernel sees to the services, and to the workers, which
end with the host that started them.
"""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from engine import wiring
from engine.cli.client import Api
from engine.cli.environment import TELEMETRY, connection_string, emulator_facts, host_environment
from engine.cli.processes import Child, free_ports, start, stop_all
from engine.cli.statedir import ROOT, StateDir, held
from engine.cli.station import azurite_script, emulator_command, host_command, storage_command
from engine.run.means import Means
from engine.settings import Settings

LEASE_S: Final = 5.0
"""As short as the settings allow."""

TIMEOUT_S: Final = 10.0


class Ground:
    """The services of a directory, once they have begun."""

    def __init__(self, directory: StateDir) -> None:
        self._directory = directory
        self._ports = free_ports(4)
        self._starts = 0
        self._running: dict[str, Child] = {}
        self._ready: Mapping[str, Any] = {}
        self._environ: Mapping[str, str] = {}
        self.api = Api(f"http://127.0.0.1:{self._ports[3]}", timeout_s=TIMEOUT_S)

    def begin(self) -> None:
        """Start all of them; they answer when this returns."""
        emulator = self._start("emulator", emulator_command(0, self._directory.emulator), os.environ)
        self.start_storage()
        ready = self._ready = emulator.ready()
        known = {
            "LOCAL_EMULATOR": emulator_facts(ready, {}),
            "LOCAL_GROUP_KEY": str(ready["groupKey"]),
            "LOCAL_ONBOARDING_CA": str(ready["onboardingCa"]),
        }
        self._environ = host_environment(
            {**os.environ, "CLAIM_LEASE": f"{LEASE_S:g}s", TELEMETRY: ""},
            storage=connection_string(self._ports[0]),
            state_key=self._directory.state_key(),
            emulator=known,
            logs=str(self._directory.log("host").parent),
        )
        self.start_host()

    @property
    def emulator_port(self) -> int:
        """Where devices connect."""
        return int(self._ready["port"])

    def means(self) -> Means:
        """What reads the storage beside the host."""
        return wiring.make_means(Settings.from_env(self._environ), self._environ)

    def ask_emulator(self, what: str) -> dict[str, Any]:
        """What the emulator says of itself: `stats` or `issued`."""
        with urllib.request.urlopen(f"{self._ready['control']}/{what}", timeout=TIMEOUT_S) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def start_storage(self) -> None:
        """Start Azurite, again on the same ports and data; it answers when this returns."""
        command = storage_command(azurite_script(os.environ), self._ports[:3], self._directory.storage)
        child = self._start("storage", command, os.environ, dies_by=signal.SIGTERM)
        for port in self._ports[:3]:
            child.serves(port)

    def stop_storage(self) -> None:
        """End Azurite in order: killed, it would forget what it has acknowledged."""
        self._running["storage"].stop()

    def start_host(self) -> None:
        """Start the host, again on the same port and state; it answers when this returns."""
        command = host_command(self._ports[3], self._directory.host)
        self._start("host", command, self._environ, grace_s=15).ready()

    def stop_host(self, *, in_order: bool) -> None:
        """End the host, and with it the workers that it started."""
        host = self._running["host"]
        if in_order:
            host.stop()
        else:
            host.kill()

    def check(self) -> None:
        """Raise ChildDied when a service has ended that nobody ended."""
        for child in self._running.values():
            child.check()

    def stop(self) -> None:
        """Nothing of it runs any more."""
        stop_all([self._running[name] for name in ("emulator", "storage", "host") if name in self._running])

    def _start(self, name: str, command: list[str], environ: Mapping[str, str], **options: Any) -> Child:
        """A service that writes its messages to a file of its own, however often it is started."""
        self._starts += 1
        log = self._directory.log(f"{self._starts:02d}-{name}")
        child = self._running[name] = start(f"the {name}", command, env=environ, cwd=ROOT, log=log, **options)
        return child


@contextmanager
def open_ground(directory: Path) -> Iterator[Ground]:
    """The services, running inside the block."""
    with held(directory, "chaos") as mine:
        ground = Ground(mine)
        try:
            ground.begin()
            yield ground
        finally:
            ground.stop()
