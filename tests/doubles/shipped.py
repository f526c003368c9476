"""The function package as Azure would have it: unpacked, beside an environment made of its own requirements alone.

The platform is what the package does not bring: the worker library, and the host that calls it. Here that is the local
host, in the same process as the app, as Azure's worker is. It gets an import path of its own behind everything that is
shipped, with no more on it than the local host and what that needs, less what is shipped anyway. So whatever the app
imports comes from the package or from what its requirements installed, unless it were named like one of those few.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from doubles.stage import Stage
from engine.cli.client import Api
from engine.cli.environment import TELEMETRY, connection_string, emulator_facts, host_environment
from engine.cli.lock import REQUIREMENTS, normal, parse_lock
from engine.cli.package import NAME
from engine.cli.processes import start, stop_all
from engine.cli.statedir import ROOT, held
from engine.cli.station import Station, azurite_script, emulator_command, free_ports, storage_command

PLATFORM = ("aiohttp", "azure-functions-runtime", "croniter")
"""What only the local host needs."""

HOST = """
import json, runpy, sys
app, lent, told, *rest = sys.argv[1:]
sys.path[:] = [app, *sys.path, lent]
import engine
engine.__path__.append(lent + "/engine")
sys.argv[1:] = [app, *rest]
try:
    runpy.run_module("engine.localhost", run_name="__main__", alter_sys=True)
finally:
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    with open(told, "w") as file:
        json.dump({name: where for name, where in files.items() if where}, file)
"""
"""The local host, which tells at its end what was imported from where."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """app is the unpacked package, python the interpreter of its environment, lent the platform's import path.

    imported is the JSON file that tells, once the host has ended, the file of every module that was imported in it.
    """

    app: Path
    python: Path
    lent: Path
    imported: Path

    def installed(self) -> dict[str, str]:
        """Versions by name of all that the environment holds, pip left out."""
        said = carried_out([str(self.python), "-m", "pip", "freeze", "--all"], self.app)
        pairs = (line.split("==") for line in said.splitlines())
        return {normal(name): version for name, version in pairs if name != "pip"}

    def carry_out(self, code: str, *, home: Path | None = None) -> str:
        """What Python code prints, with nothing to import from but the app, or another home, and the environment."""
        folder = home or self.app
        at_home = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        return carried_out([str(self.python), "-I", "-c", at_home + code], folder)


def unpack(dist: Path, folder: Path) -> Shipped:
    """What lies in dist, installed into a new folder: the package, and an environment for it."""
    app, environment, lent = folder / "app", folder / "environment", folder / "platform"
    with zipfile.ZipFile(dist / NAME) as package:
        package.extractall(app)
    carried_out([sys.executable, "-m", "venv", str(environment)], folder)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    carried_out([*pip, "--requirement", REQUIREMENTS], app)
    lend(lent, {package.name for package in parse_lock((app / REQUIREMENTS).read_text())})
    return Shipped(app, python, lent, folder / "imported.json")


def lend(folder: Path, shipped: set[str]) -> None:
    """Put the platform's import path into a folder, of what the tests themselves run with."""
    (folder / "engine").mkdir(parents=True)
    (folder / "engine" / "localhost").symlink_to(ROOT / "engine" / "localhost")
    waiting, seen = list(PLATFORM), set(shipped)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            (folder / top).symlink_to(Path(str(found.locate_file(top))))
        needs = map(Requirement, found.requires or ())
        waiting += [normal(one.name) for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})]


@contextmanager
def open_shipped(shipped: Shipped, folder: Path, environ: Mapping[str, str]) -> Iterator[Stage]:
    """Storage and emulator of this working tree, and the package's app under the local host."""
    station = Station()
    with held(folder, "shipped") as directory:
        try:
            script, ports = azurite_script(environ), free_ports(3)
            storage = start(
                "Azurite",
                storage_command(script, ports, directory.storage),
                env=environ,
                cwd=folder,
                log=directory.log("azurite"),
            )
            station.children.append(storage)
            emulator = start(
                "the emulator",
                emulator_command(0, directory.emulator),
                env=environ,
                cwd=ROOT,
                log=directory.log("emulator"),
            )
            station.children.append(emulator)
            for port in ports:
                storage.serves(port)
            ready = emulator.ready()
            told = host_environment(
                {**environ, TELEMETRY: "", "CLAIM_LEASE": "5s"},
                storage=connection_string(ports[0]),
                state_key=directory.state_key(),
                emulator={
                    "LOCAL_EMULATOR": emulator_facts(ready, {}),
                    "LOCAL_GROUP_KEY": str(ready["groupKey"]),
                    "LOCAL_ONBOARDING_CA": str(ready["onboardingCa"]),
                },
                logs=str(directory.log("host").parent),
            )
            command = [str(shipped.python), "-I", "-c", HOST, str(shipped.app), str(shipped.lent)]
            command += [str(shipped.imported), "--port", "0", "--state", str(directory.host)]
            host = start("the host", command, env=told, cwd=shipped.app, log=directory.log("host"), grace_s=15)
            station.children.append(host)
            station.url = str(host.ready()["url"])
            yield Stage(station, Api(station.url), str(ready["control"]))
        finally:
            stop_all(station.children)


def carried_out(command: list[str], cwd: Path) -> str:
    """What a program prints. Raises AssertionError with what it complains of when it fails."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
