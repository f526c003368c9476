"""Picks the adapters and puts them together; the only place that does."""

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.durable_functions import DurableFunctionsClient
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from durabletask import task

from engine.adapters import functions
from engine.adapters.blobs import BlobStore
from engine.adapters.clock import SystemClock
from engine.adapters.counters import read_counters
from engine.adapters.descriptors import raise_descriptors
from engine.adapters.directory import DirectoryStore
from engine.adapters.durable import DurableOrchestration
from engine.adapters.jobs.launcher import ContainerAppsLauncher
from engine.adapters.net.wire import EpollWire
from engine.adapters.processes import LocalLauncher
from engine.adapters.secrets import EnvironmentSecrets
from engine.adapters.telemetry.ingestion import Ingestion
from engine.adapters.telemetry.logs import lines_told, tell_lines
from engine.adapters.telemetry.outbox import Outbox
from engine.adapters.telemetry.source import source_of
from engine.adapters.tokens import TokenKeeper
from engine.device.bundle import WrappingKey
from engine.errors import HarnessError, LaunchError, Problem, SettingsError, SpecError
from engine.plan.target import ENV, LOCAL, LOCAL_SECRET, Target, Targets, env_profile, parse_targets
from engine.ports import Clock, Launcher, Secrets, Store, Telemetry, Wire
from engine.protocol import adr, dps_service
from engine.run import answers, workflow
from engine.run import tick as ticking
from engine.run.access import Access, Guard, admit
from engine.run.means import Means
from engine.run.orchestration import Ask, Orchestration
from engine.run.results import VERSION
from engine.settings import Settings

type Orchestrator = Callable[[Orchestration, Mapping[str, Any]], Ask]

SEED_BITS = 53

APP_ROLE, WORKER_ROLE = "app", "worker"
"""What a process is called in telemetry."""

ROOT = Path(__file__).resolve().parents[1]
"""Where the package is found."""

WORKER = (sys.executable, "-m", "engine", "worker")
"""What a worker process carries out, before its run id and options."""

_VARIABLES = {LOCAL: "LOCAL_EMULATOR", ENV: "PROVISIONING_HOST"}
"""The profiles that are not in TARGETS, and the variable that makes them."""

_log = logging.getLogger("certfleet")


@cache
def means(role: str = APP_ROLE) -> Means:
    """What this process works with, under the name it has in telemetry: ask with the same one everywhere.

    Raises SettingsError naming every variable that is missing or wrong.
    """
    try:
        return make_means(Settings.from_env(os.environ), os.environ, role)
    except SettingsError as wrong:
        _tell_once(str(wrong))
        raise


@cache
def _tell_once(text: str) -> None:
    """An app that is not set up says so once, and not with every request and every tick."""
    _log.error("the settings are missing or wrong: %s", text)


def make_means(settings: Settings, environ: Mapping[str, str], role: str = APP_ROLE) -> Means:
    """The means that these settings describe. role is APP_ROLE or WORKER_ROLE."""
    targets = make_targets(settings)
    clock = SystemClock()
    vault = EnvironmentSecrets(environ, base64=_secret_variables(targets))
    tokens = _Tokens(settings, vault, clock)
    store = _store(settings, settings.storage_container_name)
    return Means(
        store=store,
        results=_store(settings, settings.results_container_name),
        clock=clock,
        secrets=vault,
        targets=targets,
        wire=_wire,
        descriptors=raise_descriptors,
        counters=read_counters,
        tokens=tokens.of,
        service_tokens=tokens.for_services,
        wrapping_key=WrappingKey(settings.state_key, settings.state_key_old),
        counter_prefix=settings.counter_blob_prefix,
        data_prefix=settings.device_data_blob_prefix,
        lease_s=settings.claim_lease_s,
        max_devices=settings.max_devices,
        min_descriptors=settings.min_file_descriptors,
        strict_descriptors=settings.strict_fd_check,
        retention_days=settings.retention_days,
        launcher=_launcher(settings, environ, store, clock),
        new_run_id=_new_run_id,
        new_holder=_new_holder,
        new_seed=lambda: secrets.randbits(SEED_BITS),
        access=_access(settings),
        telemetry=_telemetry(settings, environ, role),
    )


def make_targets(settings: Settings) -> Targets:
    """The target profiles of these settings. Raises SettingsError naming the variables that are wrong."""
    try:
        return parse_targets(
            settings.targets,
            allowed_hosts=settings.allowed_hosts,
            default=settings.default_target,
            env=env_profile(settings.provisioning_host, settings.provisioning_idscope, settings.adr),
            local=settings.local_emulator,
        )
    except SpecError as wrong:
        raise SettingsError(_by_variable(wrong.problems)) from wrong


def auth_level(environ: Mapping[str, str]) -> func.AuthLevel:
    """What the host asks of a request before it comes here: a function key, unless the platform checks tokens of Entra
    ID. An app whose settings are wrong asks for the key, whatever they say."""
    try:
        is_entra = _access(Settings.from_env(environ)).guard is Guard.ENTRA
    except SettingsError:
        is_entra = False
    return func.AuthLevel.ANONYMOUS if is_entra else func.AuthLevel.FUNCTION


def tell_warnings(environ: Mapping[str, str]) -> None:
    """Warnings of this process are telemetry from now on, where there is any: its host no longer forwards them."""
    try:
        is_told = bool(Settings.from_env(environ).appinsights_connection_string)
    except SettingsError:
        return
    if is_told:
        tell_lines(lambda: _way_out(means()), {"runId": "", "scenario": ""})


def warnings_told(run_id: str) -> AbstractContextManager[None]:
    """Inside the block warnings of this worker are telemetry, where there is any; at its end they are sent."""
    return lines_told(lambda: _way_out(means(WORKER_ROLE)), {"runId": run_id, "scenario": ""})


async def answer(
    handler: answers.Handler, request: func.HttpRequest, client: DurableFunctionsClient
) -> func.HttpResponse:
    """A request answered, and the orchestration it concerns started or told. Storage blocks, so it has a thread."""
    asked = answers.Request(
        body=request.get_body(),
        query=dict(request.params),
        headers=functions.headers_of(request),
        run_id=str(request.route_params.get("id", "")),
        name=str(request.route_params.get("name", "")),
    )
    found = await asyncio.to_thread(_answered, handler, asked)
    try:
        await _carry_out(found, client)
    except LaunchError as failed:
        found = answers.refusal(failed)
    return functions.response(found.status, found.body, headers=found.headers, content_type=found.content_type)


async def tick(client: DurableFunctionsClient) -> None:
    """What is due is started as soon as that is known; what cannot be is logged."""
    due = await asyncio.to_thread(lambda: ticking.tick(means()))
    while (found := await asyncio.to_thread(next, due, None)) is not None:
        if found.status >= HTTPStatus.BAD_REQUEST:
            _log.error("what was due was refused: %s", found.body.decode())
        try:
            await _carry_out(found, client)
        except LaunchError as failed:
            _log.error("what was due was not started, the next tick will: %s", failed)


def orchestrate(asks: Orchestrator, context: task.OrchestrationContext, order: Mapping[str, Any]) -> Ask:
    """An orchestrator over Durable Functions."""
    return asks(DurableOrchestration(context), order)


def _answered(handler: answers.Handler, asked: answers.Request) -> answers.Answer:
    try:
        found = means()
        asked = replace(asked, principal=admit(asked.headers, found.access))
    except HarnessError as refused:
        return answers.refusal(refused)
    return answers.answer(handler, asked, found)


async def _carry_out(found: answers.Answer, client: DurableFunctionsClient) -> None:
    if found.start is not None:
        await functions.start(client, found.orchestrator, *found.start)
    if found.cancel is not None:
        await functions.tell(client, found.cancel, workflow.CANCEL)
    for instance_id in found.purge:
        await functions.purge(client, instance_id)


def _access(settings: Settings) -> Access:
    guard = Guard(settings.api_auth) if settings.is_in_azure else Guard.NONE
    return Access(guard, frozenset(settings.allowed_principals))


def _store(settings: Settings, container: str) -> Store:
    if settings.local_store:
        return DirectoryStore(Path(settings.local_store) / container)
    if settings.storage_conn_str:
        return BlobStore.from_connection_string(settings.storage_conn_str, container)
    return BlobStore.from_account_url(settings.storage_account_url, container, _credential(settings))


def _launcher(settings: Settings, environ: Mapping[str, str], store: Store, clock: Clock) -> Launcher | None:
    """Where the workers of the runner job run; None where that is not set up."""
    if settings.batch_job:
        return ContainerAppsLauncher(store, clock, job=settings.batch_job, credential=_credential(settings))
    if not settings.local_workers:
        return None
    logs = Path(settings.local_workers)
    return LocalLauncher(store, clock, command=WORKER, environ=environ, folder=ROOT, logs=logs)


def _telemetry(settings: Settings, environ: Mapping[str, str], role: str) -> Callable[[], Telemetry] | None:
    """What makes ways out for signals, which share connections; None where telemetry is off."""
    if not settings.appinsights_connection_string:
        return None
    own = replace(settings, azure_client_id=settings.appinsights_client_id or settings.azure_client_id)
    credential = _credential(own) if settings.appinsights_auth == "entra" else None
    found = Ingestion(
        settings.appinsights_connection_string, source_of(role, environ, version=VERSION), credential=credential
    )
    return lambda: Outbox(found.opened())  # opened by whoever asks, and not in the middle of a load


def _way_out(found: Means) -> Telemetry | None:
    return found.telemetry() if found.telemetry is not None else None


def _credential(settings: Settings) -> ManagedIdentityCredential | DefaultAzureCredential:
    client_id = settings.azure_client_id
    return ManagedIdentityCredential(client_id=client_id) if client_id else DefaultAzureCredential()


class _Tokens:
    """The tokens of device registries: the emulator's follows from its group key, Azure gives one per endpoint. And
    that of the service API of provisioning services."""

    def __init__(self, settings: Settings, vault: Secrets, clock: Clock) -> None:
        self._settings, self._vault, self._clock = settings, vault, clock
        self._keepers: dict[str, TokenKeeper] = {}

    def of(self, target: Target) -> Callable[[], str]:
        """What shows the target's token. Raises SettingsError where there is none."""
        registry = target.profile.adr
        assert registry is not None, "the target has no device registry"
        if target.is_local:
            token = adr.local_token(self._vault.read(LOCAL_SECRET))
            return lambda: token
        return self._of_scope(adr.token_scope(registry.endpoint))

    def for_services(self) -> Callable[[], str]:
        """What shows the token of all provisioning services' service API. Raises SettingsError where there is none."""
        return self._of_scope(dps_service.TOKEN_SCOPE)

    def _of_scope(self, scope: str) -> Callable[[], str]:
        if scope not in self._keepers:
            self._keepers.setdefault(scope, TokenKeeper(_credential(self._settings), scope, self._clock))
        self._keepers[scope].open()
        return self._keepers[scope].read


def _by_variable(problems: Iterable[Problem]) -> dict[str, str]:
    """What is wrong with the profiles, by the variable that each was made of."""
    told: dict[str, str] = {}
    for problem in problems:
        variable = _VARIABLES.get(problem.path.partition("/")[2].partition("/")[0], "TARGETS")
        line = f"{problem.path} {problem.message}".strip()
        told[variable] = f"{told[variable]}; {line}" if variable in told else line
    return told


def _secret_variables(targets: Targets) -> Mapping[str, str]:
    """The variable of each secret a profile names: `dps-group-key` is looked up in DPS_GROUP_KEY."""
    names = {dps.secret for target in targets.by_name.values() for dps in target.profile.dps}
    return {name: name.upper().replace("-", "_").replace(".", "_") for name in names | {LOCAL_SECRET}}


def _wire(clock: Clock, ca_file: str | None, newest_tls: str) -> Wire:
    return EpollWire(clock, ca_file=ca_file, newest_tls=newest_tls)


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _new_holder() -> str:
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
