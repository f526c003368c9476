"""Adapters picked from settings; requests answered; and an app that is not set up, which says so."""

import asyncio
import base64
import json
import logging
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import grpc
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

import function_app
from doubles.container_apps import JOB_ID
from engine import wiring
from engine.adapters.blobs import BlobStore
from engine.adapters.directory import DirectoryStore
from engine.adapters.jobs.launcher import ContainerAppsLauncher
from engine.adapters.processes import LocalLauncher
from engine.device.bundle import WrappingKey
from engine.errors import SettingsError
from engine.measure.signal import Delivery
from engine.protocol.adr import local_token
from engine.run import api, cleaning, schedules, state, workflow
from engine.run.answers import Handler
from engine.run.workflow import CANCEL
from engine.settings import Settings

STATE_KEY = base64.b64encode(bytes(64)).decode()
LOCAL = {"host": "127.0.0.1", "port": 8883, "idScope": "0ne00000000"}


def environ_for(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which everything is there."""
    group_key = base64.b64encode(b"group").decode()
    local = {"LOCAL_EMULATOR": json.dumps(LOCAL), "LOCAL_GROUP_KEY": group_key, "LOCAL_STORE": str(folder)}
    return {"STATE_KEY": STATE_KEY, **local, **more}


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A process with these settings; what it remembers of them is forgotten afterwards."""
    for name, value in environ_for(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in ("STORAGE_CONN_STR", "STORAGE_ACCOUNT_URL"):
        monkeypatch.delenv(name, raising=False)
    wiring.means.cache_clear()
    wiring._tell_once.cache_clear()
    yield monkeypatch
    wiring.means.cache_clear()
    wiring._tell_once.cache_clear()


class Client:
    """A Durable Functions client that notes what it is asked, and fails when it is told to."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.started: list[Any] = []
        self.told: list[Any] = []
        self._is_away = is_away

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
        """Start one."""
        if self._is_away:
            raise _Away
        self.started.append((name, instance_id))
        return instance_id

    async def raise_orchestration_event(self, instance_id: str, name: str, *, data: Any) -> None:
        """Tell one."""
        self.told.append((instance_id, name))


class _Away(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE


def ask(handler: Handler, client: Client, body: bytes = b"", *, run_id: str = "", key: str = "") -> Any:
    """The answer to a request, as Functions gets it."""
    headers = {"Idempotency-Key": key} if key else {}
    route = {"id": run_id} if run_id else {}
    request = func.HttpRequest("POST", "/api/runs", headers=headers, route_params=route, body=body)
    return asyncio.run(wiring.answer(handler, request, client))  # type: ignore[arg-type]


SPEC = b'{"scenario": "cert-renewal"}'


def test_accepted_run_is_started(set_up: pytest.MonkeyPatch) -> None:
    """The orchestration is asked for before the answer goes out."""
    client = Client()
    found = ask(api.post_run, client, SPEC, key="nightly")
    assert (found.status_code, found.headers["Location"]) == (202, "/api/runs/nightly")
    assert client.started == [("run", "nightly")]


def test_refused_run_is_not_started(set_up: pytest.MonkeyPatch) -> None:
    """Nothing is asked of Durable Functions."""
    client = Client()
    assert ask(api.post_run, client, b"{}").status_code == 400
    assert client.started == []


def test_cancel_tells_the_orchestration(set_up: pytest.MonkeyPatch) -> None:
    """By the run's id, after the flag is up."""
    client = Client()
    ask(api.post_run, client, SPEC, key="nightly")
    assert ask(api.post_cancel, client, run_id="nightly").status_code == 202
    assert client.told == [("nightly", CANCEL)]


def test_run_whose_orchestration_cannot_be_started_is_told(set_up: pytest.MonkeyPatch) -> None:
    """503, and the same request starts it when Durable Functions is back."""
    found = ask(api.post_run, Client(is_away=True), SPEC, key="nightly")
    assert (found.status_code, json.loads(found.get_body())["code"]) == (503, "launch")
    assert found.headers["Retry-After"]
    client = Client()
    assert ask(api.post_run, client, SPEC, key="nightly").status_code == 200
    assert client.started == [("run", "nightly")]


def test_missing_settings_are_named_in_every_answer_and_once_in_the_log(
    set_up: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with every variable; the log says what is wrong with each, and says it once."""
    set_up.delenv("STATE_KEY")
    set_up.delenv("LOCAL_STORE")
    set_up.setenv("MAX_DEVICES", "canary")
    with caplog.at_level(logging.ERROR):
        answers = [ask(api.post_run, Client(), SPEC), ask(api.get_targets, Client())]
    for found in answers:
        body = json.loads(found.get_body())
        assert (found.status_code, body["code"]) == (500, "settings-invalid")
        assert {problem["path"] for problem in body["errors"]} == {"STATE_KEY", "STORAGE_ACCOUNT_URL", "MAX_DEVICES"}
        assert "canary" not in found.get_body().decode()
    told = [record.getMessage() for record in caplog.records if record.name == "certfleet"]
    assert len(told) == 1
    assert all(name in told[0] for name in ("STATE_KEY", "STORAGE_ACCOUNT_URL", "MAX_DEVICES"))


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"TARGETS": '{"staging": {"hubs": ["hub.example"]}}'}, "TARGETS"),
        ({"TARGETS": '{"staging": {"hubs": 5}}'}, "TARGETS"),
        ({"LOCAL_EMULATOR": '{"host": "127.0.0.1", "idScope": "0ne1", "port": 0}'}, "LOCAL_EMULATOR"),
        ({"DEFAULT_TARGET": "moon"}, "TARGETS"),
        (
            {
                "PROVISIONING_HOST": "dps.example",
                "PROVISIONING_IDSCOPE": "0ne1",
                "PROVISIONING_SAS_KEY": base64.b64encode(b"key").decode(),
            },
            "PROVISIONING_HOST",
        ),
    ],
)
def test_wrong_profiles_are_wrong_settings(tmp_path: Path, variables: dict[str, str], name: str) -> None:
    """The server's fault, not the client's: the variable is named that holds the profile."""
    environ = environ_for(tmp_path, **variables)
    with pytest.raises(SettingsError) as wrong:
        wiring.make_means(Settings.from_env(environ), environ)
    assert set(wrong.value.problems) == {name}


def test_every_problem_of_a_variable_is_told(tmp_path: Path) -> None:
    """Two profiles that are wrong are one message about TARGETS."""
    environ = environ_for(tmp_path, TARGETS='{"one": {"hubs": ["a.example"]}, "two": {"hubs": ["b.example"]}}')
    with pytest.raises(SettingsError) as wrong:
        wiring.make_targets(Settings.from_env(environ))
    text = wrong.value.problems["TARGETS"]
    assert "/one/hubs/0 a.example" in text
    assert "/two/hubs/0 b.example" in text


def test_store_is_the_one_that_is_set(tmp_path: Path) -> None:
    """Files, or blobs by connection string, or blobs by managed identity; results apart from state."""
    files = environ_for(tmp_path)
    means = wiring.make_means(Settings.from_env(files), files)
    assert isinstance(means.store, DirectoryStore)
    means.store.create("a/b", b"1")
    assert (tmp_path / "scale" / "a" / "b").is_file()
    assert means.results.read("a/b") is None
    blobs = {**files, "LOCAL_STORE": "", "STORAGE_ACCOUNT_URL": "https://account.blob.example"}
    assert isinstance(wiring.make_means(Settings.from_env(blobs), blobs).store, BlobStore)
    assert isinstance(
        wiring.make_means(Settings.from_env({**blobs, "AZURE_CLIENT_ID": "an-id"}), blobs).results, BlobStore
    )


def test_secrets_are_variables_named_by_the_profiles(tmp_path: Path) -> None:
    """`dps-group-key` is looked up in DPS_GROUP_KEY."""
    dps = [{"host": "dps.example", "idScope": "0ne1", "secret": "dps-group-key"}]
    environ = environ_for(
        tmp_path,
        TARGETS=json.dumps({"staging": {"dps": dps}}),
        ALLOWED_HOSTS="dps.example",
        DPS_GROUP_KEY=base64.b64encode(b"the key").decode(),
    )
    means = wiring.make_means(Settings.from_env(environ), environ)
    assert means.secrets.read("dps-group-key") == b"the key"
    assert means.secrets.read("local-group-key") == b"group"


def test_ids_and_seeds_are_new_every_time(tmp_path: Path) -> None:
    """Run ids can be run ids; holders are told apart; seeds stay exact in JSON."""
    environ = environ_for(tmp_path)
    means = wiring.make_means(Settings.from_env(environ), environ)
    assert len({means.new_run_id() for _ in range(20)}) == 20
    assert all(api._RUN_ID.fullmatch(means.new_run_id()) for _ in range(20))
    assert len({means.new_holder() for _ in range(20)}) == 20
    assert all(0 <= means.new_seed() < 2**53 for _ in range(20))


def due(name: str, scenario: str) -> None:
    """A schedule that was due a second ago."""
    now = wiring.means().clock.wall()
    wish = schedules.Wish({"scenario": scenario, "devices": {"prefix": f"{name}-"}}, at=now - 1.0)
    schedules.put(wiring.means().store, name, wish, {}, now=now - 60.0)


def test_tick_starts_what_is_due(set_up: pytest.MonkeyPatch) -> None:
    """A schedule's firing becomes a run."""
    due("nightly", "cert-renewal")
    client = Client()
    asyncio.run(wiring.tick(client))  # type: ignore[arg-type]
    assert [instance_id.startswith("nightly-20") for _, instance_id in client.started] == [True]


def test_tick_logs_a_spec_that_is_refused(set_up: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody else would hear of it; what else is due is started."""
    due("a", "nothing")
    due("b", "cert-renewal")
    client = Client()
    with caplog.at_level(logging.ERROR):
        asyncio.run(wiring.tick(client))  # type: ignore[arg-type]
    assert [instance_id[:2] for _, instance_id in client.started] == ["b-"]
    assert "/scenario" in caplog.text


def test_tick_logs_an_orchestration_that_cannot_be_started(
    set_up: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each by itself: a later tick finds the runs accepted and starts them."""
    due("a", "cert-renewal")
    due("b", "cert-renewal")
    with caplog.at_level(logging.ERROR):
        asyncio.run(wiring.tick(Client(is_away=True)))  # type: ignore[arg-type]
    assert [record.getMessage()[:8] for record in caplog.records if record.name == "certfleet"] == 2 * ["what was"]
    assert len(list(state.list_runs(wiring.means().store))) == 2


def test_app_has_every_function_that_is_asked_for_by_name() -> None:
    """Strings name functions across Durable Functions: what orchestrators and the client say must exist."""
    names = {builder._function.get_function_name() for builder in function_app.app._function_builders}
    asked: set[str] = set()
    for module in (workflow, cleaning):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        asked |= set(re.findall(r'run\.(?:activity|child)\(\s*"(\w+)"', text))
    assert asked >= {"plan_run", "begin_wave", "block", "run_batch", "look_at_block", "watch", "close_run", "give_up"}
    assert asked | {"run", "clean"} <= names


ADR = {"subscription": "s", "resourceGroup": "r", "namespace": "n", "location": "l"}


def test_registry_of_the_emulator_takes_what_its_group_key_makes(tmp_path: Path) -> None:
    """No identity of Azure is asked for anything."""
    environ = environ_for(tmp_path)
    made = wiring.make_means(Settings.from_env(environ), environ)
    assert made.tokens(made.targets.by_name["local"])() == local_token(b"group")


def test_registry_in_azure_takes_the_identitys_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each endpoint, however often it is asked for; without one the settings are wrong."""
    asked: list[str] = []

    class Identity:
        """A credential that gives what it was asked for, or nothing at all."""

        def __init__(self, **_: str) -> None:
            pass

        def get_token(self, *scopes: str, **_: object) -> AccessToken:
            """A token that lasts for an hour."""
            asked.extend(scopes)
            if "refused" in scopes[0]:
                raise ClientAuthenticationError
            return AccessToken(f"for {scopes[0]}", int(time.time()) + 3600)

    monkeypatch.setattr(wiring, "ManagedIdentityCredential", Identity)
    profiles = {
        "one": {"adr": ADR},
        "two": {"adr": {**ADR, "namespace": "other"}},
        "refused": {"adr": {**ADR, "endpoint": "https://refused.example"}},
    }
    environ = environ_for(
        tmp_path, TARGETS=json.dumps(profiles), ALLOWED_HOSTS="refused.example", AZURE_CLIENT_ID="an-identity"
    )
    made = wiring.make_means(Settings.from_env(environ), environ)
    shown = [made.tokens(made.targets.by_name[name])() for name in ("one", "two", "one")]
    assert shown == ["for https://management.azure.com/.default"] * 3
    assert asked == ["https://management.azure.com/.default"]
    assert made.service_tokens()() == "for https://azure-devices-provisioning.net/.default"
    with pytest.raises(SettingsError, match="AZURE_CLIENT_ID"):
        made.tokens(made.targets.by_name["refused"])


def test_launcher_is_made_only_where_workers_may_run(tmp_path: Path) -> None:
    """Without a folder for their messages there are no workers on this machine."""
    assert wiring.make_means(Settings.from_env(environ_for(tmp_path)), {}).launcher is None
    environ = environ_for(tmp_path, LOCAL_WORKERS=str(tmp_path))
    assert isinstance(wiring.make_means(Settings.from_env(environ), environ).launcher, LocalLauncher)


def test_launcher_is_the_job_that_is_named(tmp_path: Path) -> None:
    """With the resource id of a Container Apps job, workers are its replicas; nobody asks Azure for anything yet."""
    environ = environ_for(tmp_path, BATCH_JOB=JOB_ID)
    assert isinstance(wiring.make_means(Settings.from_env(environ), environ).launcher, ContainerAppsLauncher)


def test_access_is_guarded_in_azure_only(tmp_path: Path) -> None:
    """On one's own machine nobody is asked; in Azure a key is, or Entra ID where that is said."""
    here = environ_for(tmp_path)
    there = {
        "STATE_KEY": STATE_KEY,
        "STORAGE_ACCOUNT_URL": "https://account.blob.example",
        "WEBSITE_INSTANCE_ID": "1",
        "WEBSITE_AUTH_ENABLED": "True",
    }
    settings = [Settings.from_env(environ) for environ in (here, there, {**there, "API_AUTH": "entra"})]
    assert [wiring.make_means(each, {}).access.guard for each in settings] == ["none", "key", "entra"]


def test_former_state_key_may_still_open(tmp_path: Path) -> None:
    """STATE_KEY_OLD is read along with the present one."""
    environ = environ_for(tmp_path, STATE_KEY_OLD=base64.b64encode(b"o" * 64).decode())
    assert wiring.make_means(Settings.from_env(environ), environ).wrapping_key == WrappingKey(bytes(64), b"o" * 64)


CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"
SOMEWHERE = "InstrumentationKey=0f4ab1c2-0000-4000-8000-0000000000aa;IngestionEndpoint=https://region.example/"
AAD = {"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Authorization=AAD"}
ONE, OTHER = "0f4ab1c2-0000-4000-8000-000000000001", "0f4ab1c2-0000-4000-8000-000000000002"


def test_telemetry_is_off_unless_it_leads_somewhere(tmp_path: Path) -> None:
    """With a connection string everybody gets a way out of their own; nobody is asked for anything yet."""
    environ = environ_for(tmp_path)
    assert wiring.make_means(Settings.from_env(environ), environ).telemetry is None
    environ = environ_for(tmp_path, **{CONNECTION: SOMEWHERE})
    make = wiring.make_means(Settings.from_env(environ), environ).telemetry
    assert make is not None
    ways = make(), make()
    assert ways[0] is not ways[1]
    assert [way.close(0.0) for way in ways] == [Delivery()] * 2


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, []),
        ({"AZURE_CLIENT_ID": ONE}, []),
        ({"AZURE_CLIENT_ID": ONE, **AAD}, [ONE]),
        ({"AZURE_CLIENT_ID": ONE, **{name: f"{text};ClientId={OTHER}" for name, text in AAD.items()}}, [OTHER]),
    ],
)
def test_identity_of_telemetry_is_made_only_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], asked: list[str]
) -> None:
    """The one that the authentication string names, or else the app's."""
    found: list[str] = []
    monkeypatch.setattr(wiring, "ManagedIdentityCredential", lambda client_id: found.append(client_id))
    environ = environ_for(tmp_path, **{CONNECTION: SOMEWHERE}, **variables)
    wiring.make_means(Settings.from_env(environ), environ)
    assert found == asked


@pytest.mark.parametrize("changes", [{}, {"STATE_KEY": ""}])
def test_warnings_stay_where_telemetry_is_off(tmp_path: Path, changes: dict[str, str]) -> None:
    """Also where nothing is set up: no handler, no signal."""
    log = logging.getLogger("certfleet")
    before = list(log.handlers), signal.getsignal(signal.SIGTERM)
    wiring.tell_warnings(environ_for(tmp_path) | changes)
    assert (list(log.handlers), signal.getsignal(signal.SIGTERM)) == before
