"""Everything a run needs on one machine: storage, the services under test, and the Functions host.

Azurite and the emulator start side by side; the host needs to know where both are. They stop in the other order, so
that the host can still write its last words.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.cli.environment import OTHER_STORES, TELEMETRY, connection_string, emulator_facts, host_environment
from engine.cli.errors import ChildDied, CommandFailed
from engine.cli.processes import Child, free_ports, is_free, kill_all, start, stop_all
from engine.cli.statedir import DEFAULT, ROOT, StateDir, held

EMULATOR_PORT: Final = 8883
HOST_PORT: Final = 7071
HUB_NAME: Final = "hub-{}.localhost"
"""Names under localhost are this machine's. Source: RFC 6761 section 6.3."""
TRIES: Final = 3
"""How often storage is started: the ports that were free may be taken a moment later."""

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to start and how; group_key, when given, is told to the host only, so that it may be the wrong one.

    quotas is the emulator's own JSON text of them, "" for none.
    attestation and transport are how devices reach the emulator's DPS, "" for the usual way; hubs is how many hubs it
    has, 0 for the one that is named like its host.
    """

    directory: Path = DEFAULT
    what: str = "up"
    with_emulator: bool = True
    faults: Mapping[str, Any] | None = None
    quotas: str = ""
    group_key: str = field(default="", repr=False)
    attestation: str = ""
    transport: str = ""
    hubs: int = 0


@dataclass(slots=True)
class Station:
    """The services, running; url is the host's, telemetry the file of what it sends, None where that goes elsewhere."""

    url: str = ""
    telemetry: Path | None = None
    children: list[Child] = field(default_factory=list)

    def check(self) -> None:
        """Raise ChildDied when one of them has ended."""
        for child in self.children:
            child.check()


@contextmanager
def open_station(order: Order, environ: Mapping[str, str], say: Say) -> Iterator[Station]:
    """The services, running inside the block; an interrupt in it kills them, any other end stops them."""
    station = Station()
    with held(order.directory, order.what) as directory:
        try:
            _start_all(station, order, directory=directory, environ=environ, say=say)
            yield station
        except KeyboardInterrupt:
            kill_all(station.children)
            raise
        finally:
            stop_all(station.children)


def _start_all(station: Station, order: Order, *, directory: StateDir, environ: Mapping[str, str], say: Say) -> None:
    for name in OTHER_STORES:
        if environ.get(name):
            say(f"{name} is not used: on this machine state is kept by Azurite")
    script = azurite_script(environ)
    emulator = _start_emulator(station, order, directory, environ=environ, say=say) if order.with_emulator else None
    capture = _start_capture(station, directory, environ, say)
    storage = _start_storage(station, directory, environ, script=script, say=say)
    known: dict[str, str] = {}
    if emulator is not None:
        ready = emulator.ready()
        chosen = {"faults": order.faults, "transport": order.transport, "attestation": order.attestation}
        known = {
            "LOCAL_EMULATOR": emulator_facts(ready, chosen),
            "LOCAL_GROUP_KEY": order.group_key or str(ready["groupKey"]),
            "LOCAL_ONBOARDING_CA": str(ready["onboardingCa"]),
        }
        say(f"emulator  mqtts://{ready['host']}:{ready['port']} as DPS and IoT Hub, CA in {_shown(ready['caFile'])}")
    logs = directory.log("host").parent
    told = host_environment(
        environ,
        storage=storage,
        state_key=directory.state_key(),
        emulator=known,
        logs=str(logs),
        telemetry=_captured(capture, directory.telemetry, say) if capture is not None else "",
    )
    port = _prefer(HOST_PORT, "the Functions host", say)
    command = host_command(port, directory.host)
    host = _start(station, "host", command, environ=told, log=directory.log("host"), grace_s=15)
    station.url = str(host.ready()["url"])
    say(f"host      {station.url}/api/runs, logs in {_shown(logs)}")


def _start_emulator(
    station: Station, order: Order, directory: StateDir, *, environ: Mapping[str, str], say: Say
) -> Child:
    command = emulator_command(_prefer(EMULATOR_PORT, "the emulator", say), directory.emulator)
    command += ["--faults", json.dumps(dict(order.faults))] if order.faults else []
    command += ["--quotas", order.quotas] if order.quotas else []
    for number in range(1, order.hubs + 1):
        command += ["--hub", HUB_NAME.format(number)]
    return _start(station, "emulator", command, environ=environ, log=directory.log("emulator"), grace_s=5)


def _start_capture(station: Station, directory: StateDir, environ: Mapping[str, str], say: Say) -> Child | None:
    """What takes the place of Application Insights, None where the caller has one."""
    if environ.get(TELEMETRY, "").strip():
        say(f"telemetry goes where {TELEMETRY} says")
        return None
    station.telemetry = directory.telemetry
    station.telemetry.parent.mkdir(exist_ok=True)
    command = capture_command(0, station.telemetry)
    return _start(station, "capture", command, environ=environ, log=directory.log("capture"), grace_s=5)


def _captured(capture: Child, file: Path, say: Say) -> str:
    """The connection string of it, once it answers."""
    ready = capture.ready()
    say(f"telemetry {ready['url']} (what Application Insights would get), data in {_shown(file)}")
    return str(ready["connectionString"])


def _start_storage(station: Station, directory: StateDir, environ: Mapping[str, str], *, script: Path, say: Say) -> str:
    """Azurite's connection string, once it answers."""
    for attempt in range(TRIES):
        blob, queue, table = ports = free_ports(3)
        command = storage_command(script, ports, directory.storage)
        log = directory.log("azurite")
        child = start("Azurite", command, env=environ, cwd=ROOT, log=log, dies_by=signal.SIGTERM)
        station.children.append(child)
        try:
            for port in (blob, queue, table):
                child.serves(port)
        except ChildDied:
            station.children.remove(child)
            child.stop()
            if attempt + 1 == TRIES:
                raise
        else:
            break
    say(f"storage   http://127.0.0.1:{blob} (Azurite), data in {_shown(directory.storage)}")
    return connection_string(blob)


def storage_command(script: Path, ports: Sequence[int], data: Path) -> list[str]:
    """Azurite on ports of its own, those of blobs, queues and tables; it keeps in data what it is told."""
    command = ["node", str(script), "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(data)]
    for service, port in zip(("blob", "queue", "table"), ports, strict=True):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    return command


def emulator_command(port: int, data: Path) -> list[str]:
    """The emulator on a port, 0 for any, with a control port; its ready line tells both."""
    options = ["--port", str(port), "--control-port", "0", "--data", str(data)]
    return [sys.executable, "-m", "engine", "emulate", *options]


def capture_command(port: int, file: Path) -> list[str]:
    """The captured ingestion on a port, 0 for any; it keeps in the file what it gets, and that alone."""
    return [sys.executable, "-m", "engine", "capture", "--port", str(port), "--file", str(file)]


def host_command(port: int, state: Path) -> list[str]:
    """The Functions host on a port, 0 for any; orchestrations in the state file outlive it."""
    return [sys.executable, "-m", "engine.localhost", str(ROOT), "--port", str(port), "--state", str(state)]


def azurite_script(environ: Mapping[str, str]) -> Path:
    """Where Azurite is: AZURITE_JS, else where `make install` puts it. Raises CommandFailed."""
    script = Path(environ.get("AZURITE_JS") or DEFAULT / "azurite/node_modules/azurite/dist/src/azurite.js")
    if not script.is_file():
        raise CommandFailed(f"Azurite is not installed, there is no {script}: run `make install`, or set AZURITE_JS")
    return script


def _start(
    station: Station, name: str, command: list[str], *, environ: Mapping[str, str], log: Path, grace_s: float
) -> Child:
    child = start(f"the {name}", command, env=environ, cwd=ROOT, log=log, grace_s=grace_s)
    station.children.append(child)
    return child


def _prefer(port: int, whose: str, say: Say) -> int:
    """The port if it is free, else 0, which picks a free one."""
    if is_free(port):
        return port
    say(f"port {port} is in use, so {whose} takes another one")
    return 0


def _shown(path: str | Path) -> str:
    """A path as short as it can be said."""
    return min(str(path), os.path.relpath(path), key=len)
