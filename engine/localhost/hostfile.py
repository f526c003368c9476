"""What host.json, local.settings.json and the environment say about the host.

Any value of host.json can be overridden by a variable: `AzureFunctionsJobHost__` and the value's path joined by two
underscores. Names are compared without regard to case, as .NET configuration does.
Source: host.json reference for Azure Functions, "Override host.json values".
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.localhost.errors import HostError

OVERRIDE = "AzureFunctionsJobHost"
HUB = ("extensions", "durableTask", "hubName")
ACTIVITIES = ("extensions", "durableTask", "maxConcurrentActivityFunctions")
ORCHESTRATORS = ("extensions", "durableTask", "maxConcurrentOrchestratorFunctions")
PREFIX = ("extensions", "http", "routePrefix")

SPARE_THREADS = 16
"""Threads left for HTTP and timer functions when every activity and orchestrator slot is taken."""


@dataclass(frozen=True, slots=True)
class HostFile:
    """The part of host.json that this host obeys."""

    hub: str
    max_activities: int
    max_orchestrators: int
    route_prefix: str

    @property
    def threads(self) -> int:
        """Threads the worker needs so that no slot waits for one."""
        return self.max_activities + self.max_orchestrators + SPARE_THREADS


def parse_host_file(text: str, env: Mapping[str, str]) -> HostFile:
    """The host file, from the text of host.json and the variables that override it. Raises HostError."""
    document = _parse_object(text, "host.json")
    if document.get("version") != "2.0":
        raise HostError(f'host.json: version is {json.dumps(document.get("version"))}, expected "2.0"')
    return HostFile(
        hub=resolve(_text(document, HUB, env=env, default="TestHubName"), env),
        max_activities=_count(document, ACTIVITIES, env=env),
        max_orchestrators=_count(document, ORCHESTRATORS, env=env),
        route_prefix=_text(document, PREFIX, env=env, default="api").strip("/"),
    )


def parse_local_settings(text: str) -> dict[str, str]:
    """The app settings in `Values` of local.settings.json. Raises HostError."""
    document = _parse_object(text, "local.settings.json")
    if document.get("IsEncrypted"):
        raise HostError("local.settings.json: IsEncrypted is true, expected false: encrypted values are not read")
    values = document.get("Values", {})
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise HostError("local.settings.json: Values must be an object of strings")
    return values


def resolve(text: str, env: Mapping[str, str]) -> str:
    """The text with every `%NAME%` replaced by that setting. Raises HostError naming one that is not set."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in env:
            raise HostError(f"setting {match[1]} is not set, named by {text!r}")
        return env[match[1]]

    return re.sub(r"%([^%]+)%", value, text)


def _parse_object(text: str, name: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise HostError(f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise HostError(f"{name} is {type(document).__name__}, expected an object")
    return document


def _text(document: Mapping[str, Any], path: Sequence[str], *, env: Mapping[str, str], default: str) -> str:
    value, where = _find(document, path, env)
    if value is None:
        return default
    if not isinstance(value, str):
        raise HostError(f"{where} is {json.dumps(value)}, expected a string")
    return value


def _count(document: Mapping[str, Any], path: Sequence[str], *, env: Mapping[str, str]) -> int:
    """A positive number; 10 when there is none, the extension's default on one core of Consumption."""
    value, where = _find(document, path, env)
    if value is None:
        return 10
    if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d*", str(value)):
        raise HostError(f"{where} is {json.dumps(value)}, expected a whole number above 0")
    return int(value)


def _find(document: Mapping[str, Any], path: Sequence[str], env: Mapping[str, str]) -> tuple[Any, str]:
    """The value and where it was found: the variable if there is one, else host.json; None if neither has it."""
    variable = "__".join((OVERRIDE, *path))
    for name in env:
        if name.lower() == variable.lower():
            return env[name], name
    where = f"host.json: {'.'.join(path)}"
    value: Any = document
    for key in path:
        if not isinstance(value, dict):
            raise HostError(f"{where}: found {json.dumps(value)} on the way, expected an object")
        value = next((inner for name, inner in value.items() if name.lower() == key.lower()), None)
        if value is None:
            break
    return value, where
