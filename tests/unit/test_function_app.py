"""The app's triggers: nobody gets past access, whichever function is asked."""

import asyncio
import base64
import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from engine import wiring

FILE = Path(__file__).parents[2] / "function_app.py"
CLIENT = json.dumps({"taskHubName": "Hub", "connectionName": "Storage", "rpcBaseUrl": "http://127.0.0.1:1"})
"""What the host tells of Durable Functions; nobody is there."""

GUARDED = {"API_AUTH": "entra", "WEBSITE_AUTH_ENABLED": "True", "ALLOWED_PRINCIPALS": ""}
ALICE = "aaaaaaaa-0000-4000-8000-000000000001"
PRINCIPAL = {
    f"X-MS-CLIENT-PRINCIPAL-{what}": value for what, value in (("ID", ALICE), ("NAME", "alice"), ("IDP", "aad"))
}


@pytest.fixture
def in_azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A process with an app's settings in Azure, whose storage is never reached."""
    profile = {"dps": [{"host": "dps.example", "idScope": "0ne1", "secret": "staging-key"}]}
    given = {
        "STATE_KEY": base64.b64encode(bytes(64)).decode(),
        "STORAGE_ACCOUNT_URL": "https://account.blob.example",
        "WEBSITE_INSTANCE_ID": "1",
        "TARGETS": json.dumps({"staging": profile}),
        "ALLOWED_HOSTS": "dps.example",
        "DEFAULT_TARGET": "staging",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    unset = ("STORAGE_CONN_STR", "LOCAL_STORE", "LOCAL_EMULATOR", "LOCAL_WORKERS", "AZURE_FUNCTIONS_ENVIRONMENT")
    for name in (*unset, *GUARDED):
        monkeypatch.delenv(name, raising=False)
    wiring.means.cache_clear()
    yield monkeypatch
    wiring.means.cache_clear()


def http_functions() -> dict[str, Any]:
    """The functions that HTTP calls, by name, as a process with the present settings has them."""
    found = runpy.run_path(str(FILE))["app"].get_functions()
    triggers = {one.get_function_name(): one for one in found if one.get_trigger().get_binding_name() == "httpTrigger"}
    assert len(triggers) >= 8
    return triggers


def levels() -> set[func.AuthLevel]:
    """What the host asks of their callers."""
    return {one.get_trigger().auth_level for one in http_functions().values()}


def called(function: Any, headers: dict[str, str]) -> Any:
    """What a function answers, when the host lets a request through."""
    request = func.HttpRequest("POST", "/api", headers=headers, route_params={"id": "../run", "name": "!"}, body=b"")
    return asyncio.run(function.get_user_function()(req=request, client=CLIENT))


def test_every_function_asks_for_a_key_unless_the_platform_checks_tokens(in_azure: pytest.MonkeyPatch) -> None:
    """Entra that is not set up, and settings that are wrong in any other way, leave the key in place."""
    assert levels() == {func.AuthLevel.FUNCTION}
    in_azure.setenv("API_AUTH", "entra")
    assert levels() == {func.AuthLevel.FUNCTION}
    in_azure.setenv("WEBSITE_AUTH_ENABLED", "True")
    assert levels() == {func.AuthLevel.ANONYMOUS}
    in_azure.delenv("STATE_KEY")
    assert levels() == {func.AuthLevel.FUNCTION}


def test_no_function_answers_strangers(in_azure: pytest.MonkeyPatch) -> None:
    """Under Entra ID every one of them says 401 to nobody, and 403 to somebody who is not listed."""
    for name, value in GUARDED.items():
        in_azure.setenv(name, value)
    functions = http_functions()
    for name, function in functions.items():
        found = called(function, {})
        assert (found.status_code, json.loads(found.get_body())["code"]) == (401, "unauthorized"), name
        assert found.headers["WWW-Authenticate"] == "Bearer"
    in_azure.setenv("ALLOWED_PRINCIPALS", ALICE.replace("1", "2"))
    wiring.means.cache_clear()
    for name, function in functions.items():
        found = called(function, PRINCIPAL)
        assert (found.status_code, json.loads(found.get_body())["code"]) == (403, "forbidden"), name


def test_no_function_works_without_the_platform_that_entra_needs(in_azure: pytest.MonkeyPatch) -> None:
    """500 that names the setting, also to who says they are somebody: the header could be anybody's."""
    in_azure.setenv("API_AUTH", "entra")
    for name, function in http_functions().items():
        found = called(function, PRINCIPAL)
        body = json.loads(found.get_body())
        assert (found.status_code, [problem["path"] for problem in body["errors"]]) == (500, ["API_AUTH"]), name


def test_principal_gets_an_answer(in_azure: pytest.MonkeyPatch) -> None:
    """Whoever the platform vouches for is let in, and so is whoever the host found a key with."""
    assert called(http_functions()["get_targets"], {}).status_code == 200
    for name, value in GUARDED.items():
        in_azure.setenv(name, value)
    wiring.means.cache_clear()
    assert called(http_functions()["get_targets"], PRINCIPAL).status_code == 200
