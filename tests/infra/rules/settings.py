"""Settings: what the function app and the job are given is what the code reads there, no more and no less.

What the code reads is found out by letting it read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tree_sitter import Node

from engine.errors import SettingsError
from engine.settings import Settings
from infra.bicep.source import Declaration, Source, Template
from infra.bicep.syntax import literal, parts, text_of, value_of, walk
from infra.findings import Finding
from infra.project import Project

PLATFORM: Final[Mapping[str, str]] = {
    "AzureWebJobsStorage__accountName": "the Functions host's own storage",
    "AzureWebJobsStorage__credential": "the same",
    "AzureWebJobsStorage__clientId": "the same",
    "AzureWebJobsStorage__blobServiceUri": "the same",
    "AzureWebJobsStorage__queueServiceUri": "the same",
    "AzureWebJobsStorage__tableServiceUri": "the same",
    "DURABLE_TASK_SCHEDULER_CONNECTION_STRING": "the Durable extension, where the scheduler is its backend",
    "PYTHON_ENABLE_OPENTELEMETRY": "the Python worker",
}
"""What the platform or a library reads, and the engine does not."""

HOST_JSON: Final = "AzureFunctionsJobHost__"
"""What such settings begin with as go before host.json."""

SET_BY_PLATFORM: Final[Mapping[str, str]] = {
    "AZURE_FUNCTIONS_ENVIRONMENT": "the Functions host sets it",
    "CONTAINER_APP_JOB_NAME": "Container Apps sets it",
    "WEBSITE_INSTANCE_ID": "App Service sets it",
    "WEBSITE_AUTH_ENABLED": "App Service sets it",
}
"""What the engine reads and the platform provides."""

LOCAL_ONLY: Final[Mapping[str, str]] = {
    "LOCAL_EMULATOR": "refused in Azure",
    "LOCAL_GROUP_KEY": "belongs to the emulator",
    "LOCAL_ONBOARDING_CA": "belongs to the emulator",
    "LOCAL_STORE": "refused in Azure",
    "LOCAL_WORKERS": "refused in Azure",
    "STORAGE_CONN_STR": "refused in Azure",
}
"""What only makes sense on one machine."""

NAMED_BY_TARGETS: Final[Mapping[str, str]] = {
    "DPS_GROUP_KEY": "the group key of the profile that certfleet target setup makes",
}
"""What a profile of TARGETS names as the place of a secret."""

NOT_OF_JOBS: Final[Mapping[str, str]] = {
    "ALLOWED_PRINCIPALS": "workers have no API",
    "API_AUTH": "workers have no API",
    "BATCH_JOB": "workers launch none",
}
"""What workers have no use for."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """Where a resource's settings are listed, and which it need not have."""

    path: tuple[str, ...]
    within: str
    never: Mapping[str, str]


_LISTED: Final = {
    "Microsoft.Web/sites": _Listed(("properties", "siteConfig", "appSettings"), "", {}),
    "Microsoft.App/jobs": _Listed(("properties", "template", "containers"), "env", NOT_OF_JOBS),
}


class _Environment(dict[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """The variable, as os.environ.get."""
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)


def read_by_code() -> frozenset[str]:
    """Every variable that the engine reads, on this machine or in Azure."""
    asked: set[str] = set()
    for given in ({}, {"LOCAL_EMULATOR": "{}"}, {"WEBSITE_INSTANCE_ID": "1"}, {"CONTAINER_APP_JOB_NAME": "1"}):
        environment = _Environment(given)
        try:
            Settings.from_env(environment)
        except SettingsError:
            asked |= environment.asked
        else:
            raise AssertionError("an environment without a state key is refused")
    return frozenset(asked)


def check(project: Project) -> Iterator[Finding]:
    """Settings that nobody reads, and settings that are read and not given."""
    read = read_by_code()
    needed = read - SET_BY_PLATFORM.keys() - LOCAL_ONLY.keys()
    for source in project.template:
        for declared in source.of("resource").values():
            listed = _LISTED.get(declared.resource_type[0])
            if listed is None or declared.is_existing:
                continue
            given = given_to(project.template, source, declared)
            yield from _unread(given, read)
            for name in sorted(needed - listed.never.keys() - {name for name, _, _ in given}):
                yield source.finding(declared.node, "setting-not-given", f"{declared.name}: the code reads {name}")


def given_to(template: Template, source: Source, declared: Declaration) -> list[tuple[str, Source, Node]]:
    """The settings of a function app or a job: the name of each, and where that stands."""
    listed = _LISTED[declared.resource_type[0]]
    found: list[tuple[str, Source, Node]] = []
    for body in declared.bodies:
        lists = [value_of(body, *listed.path)]
        if listed.within:
            lists = [value_of(item, listed.within) for item in parts(lists[0])] if lists[0] is not None else []
        for node in lists:
            if node is not None:
                found += _names(template, source, node, set())
    return found


def _unread(given: list[tuple[str, Source, Node]], read: frozenset[str]) -> Iterator[Finding]:
    misplaced = {**LOCAL_ONLY, **SET_BY_PLATFORM}
    for name, source, node in given:
        if name in misplaced:
            yield source.finding(node, "setting-misplaced", f"{name}: {misplaced[name]}")
        elif not (name in read or name in PLATFORM or name in NAMED_BY_TARGETS or name.startswith(HOST_JSON)):
            yield source.finding(node, "setting-unread", f"nobody reads {name}")


def _names(
    template: Template, source: Source, settings: Node, followed: set[tuple[Path, str]]
) -> Iterator[tuple[str, Source, Node]]:
    """The names in a list of settings; lists that are put together, chosen or handed over are all read."""
    for node in walk(settings):
        name = value_of(node, "name")
        if name is not None and name.type == "string":
            yield _spelled(source, name), source, name
        elif node.type == "member_expression" and (output := _output(template, source, node)):
            yield from _names(template, *output, followed)
        elif node.type == "identifier" and (source.path, text_of(node)) not in followed:
            followed.add((source.path, text_of(node)))
            for origin, value in _declared(template, source, text_of(node)):
                yield from _names(template, origin, value, followed)


def _spelled(source: Source, name: Node) -> str:
    """A name as it will be, as far as variables of the file make it."""
    spelled = text_of(name)[1:-1]
    for part in parts(name):
        if part.type == "interpolation":
            declared = source.of("var").get(text_of(parts(part)[0]))
            value = literal(declared.value) if declared else None
            spelled = spelled.replace(text_of(part), value) if value is not None else spelled
    return spelled


def _output(template: Template, source: Source, node: Node) -> tuple[Source, Node] | None:
    """What an output of a module is, and where that stands."""
    name, _, output = text_of(node).partition(".outputs.")
    module = source.of("module").get(name)
    target = template.module(source, module) if module else None
    declared = target.of("output").get(output) if target else None
    return (target, declared.value) if target and declared and declared.value is not None else None


def _declared(template: Template, source: Source, name: str) -> Iterator[tuple[Source, Node]]:
    """What a name stands for: a variable's value, or what a parameter is given by each who calls the module."""
    declared = source.of("var", "param").get(name)
    if declared is not None and declared.value is not None:
        yield source, declared.value
    if declared is None or declared.kind == "var":
        return
    for caller in template:
        for module in caller.of("module").values():
            if template.module(caller, module) is source:
                for body in module.bodies:
                    value = value_of(body, "params", name)
                    if value is not None:
                        yield caller, value
