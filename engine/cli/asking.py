"""What a `run` asks for: a spec file or a built-in run, the predecessor's variables, and flags."""

import argparse
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.cli import legacy, specs
from engine.cli.errors import CommandFailed
from engine.plan.document import Json, parse_document
from engine.plan.spec.parse import LIMIT_BYTES
from engine.plan.target import ENV, LOCAL

_ABOUT_SERVICES: Final = frozenset({"PROVISIONING_HOST", "DEFAULT_TARGET"})
_DURATION: Final = "/load/duration"
_RUN_ID: Final = re.compile(r"[a-z0-9-]{4,64}")


@dataclass(frozen=True, slots=True)
class Asking:
    """The spec to post, the id its run is to have if any, and what to tell about how they came to be."""

    spec: Json
    run_id: str | None
    told: tuple[str, ...]
    with_emulator: bool


def of_spec(given: Json, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Asking:
    """What to ask for with a spec; flags maps JSON pointers to values, None where a flag was not given.

    A flag wins over the spec, that over a variable. Raises SettingsError.
    """
    spec, told = legacy.fill_in(given, environ)
    return _asking(spec, told, flags, environ=environ)


def of_scenario(scenario: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Asking:
    """What to ask for with the built-in run of a scenario, over which a variable wins. Raises SettingsError."""
    given, told = legacy.fill_in({"scenario": scenario}, environ)
    spec = specs.beneath(given)
    if flags.get(_DURATION) is not None:
        specs.put(spec, "/load/rampUp", None)  # made for the built-in duration; the server fits one to the new
    return _asking(spec, told, flags, environ=environ)


def asked(options: argparse.Namespace, environ: Mapping[str, str]) -> Asking:
    """What the options of a command ask for. Raises CommandFailed, SettingsError, SpecError, SpecTooLarge."""
    flags = {"/devices/count": options.devices, _DURATION: options.duration, "/target": options.target}
    if options.spec is not None:
        return of_spec(read_spec(options.spec), flags, environ)
    return of_scenario(options.scenario or specs.DEFAULT.value, flags, environ)


def elsewhere(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that count for a run on another host: which services that one talks to is its own affair."""
    return {name: value for name, value in environ.items() if name not in _ABOUT_SERVICES}


def read_spec(path: Path) -> Json:
    """The JSON object in a file, - for stdin. Raises CommandFailed, SpecError, SpecTooLarge."""
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            body = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise CommandFailed(f"the spec {path} cannot be read: {error.strerror or error}") from error
    return parse_document(body, limit_bytes=LIMIT_BYTES)


def folder_of(out: Path, run_id: str) -> Path:
    """Where a run's files go. Raises CommandFailed for an id that is no run id."""
    if not _RUN_ID.fullmatch(run_id):
        raise CommandFailed(f"{run_id!r} is no run id, expected {_RUN_ID.pattern}")
    return out / run_id


def _asking(spec: Json, told: list[str], flags: Mapping[str, Any], *, environ: Mapping[str, str]) -> Asking:
    for path, value in flags.items():
        if value is not None:
            specs.put(spec, path, value)
    default = environ.get("DEFAULT_TARGET", "").strip()
    if "target" not in spec and not default and environ.get("PROVISIONING_HOST", "").strip():
        spec["target"] = ENV
        told = [*told, f"PROVISIONING_HOST: target is {ENV}, so no emulator is started"]
    target = spec.get("target") or default or LOCAL
    return Asking(spec, legacy.run_id_of(environ), tuple(told), with_emulator=target == LOCAL)
