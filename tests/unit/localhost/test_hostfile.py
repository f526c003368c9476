"""Tests for engine/localhost/hostfile.py."""

import json
from typing import Any

import pytest

from engine.localhost.errors import HostError
from engine.localhost.hostfile import HostFile, parse_host_file, parse_local_settings, resolve

PREFIX = "AzureFunctionsJobHost__extensions__"


def host_json(**extensions: Any) -> str:
    return json.dumps({"version": "2.0", "extensions": extensions})


def test_host_file_has_defaults() -> None:
    """A host.json with nothing but its version gives the defaults of the Functions host."""
    assert parse_host_file('{"version": "2.0"}', {}) == HostFile("TestHubName", 10, 10, "api")


def test_host_file_is_read() -> None:
    """Hub, limits and route prefix are taken from host.json, whatever the case of its names."""
    durable = {"hubName": "Hub", "maxConcurrentActivityFunctions": 3, "MaxConcurrentOrchestratorFunctions": 4}
    text = host_json(durableTask=durable, http={"routePrefix": "/v1/"})
    assert parse_host_file(text, {}) == HostFile("Hub", 3, 4, "v1")


def test_host_file_is_overridden_by_the_environment() -> None:
    """A variable wins over host.json, and gives a value that host.json does not have."""
    text = host_json(durableTask={"maxConcurrentActivityFunctions": 3})
    env = {
        f"{PREFIX}durableTask__maxConcurrentActivityFunctions": "16",
        f"{PREFIX}durabletask__maxconcurrentorchestratorfunctions": "5",
        f"{PREFIX}durableTask__hubName": "Other",
        f"{PREFIX}http__routePrefix": "",
    }
    assert parse_host_file(text, env) == HostFile("Other", 16, 5, "")


def test_host_file_resolves_settings_in_the_hub_name() -> None:
    """A hub name may be a setting."""
    text = host_json(durableTask={"hubName": "%HUB%"})
    assert parse_host_file(text, {"HUB": "Mine"}).hub == "Mine"


def test_host_file_leaves_threads_to_spare() -> None:
    """Every slot has a thread, and HTTP functions have some too."""
    assert HostFile("Hub", max_activities=40, max_orchestrators=10, route_prefix="api").threads > 50


@pytest.mark.parametrize(
    ("text", "env", "words"),
    [
        ("[]", {}, "host.json is list, expected an object"),
        ("{", {}, "host.json is not JSON"),
        ("{}", {}, 'version is null, expected "2.0"'),
        (host_json(durableTask=[]), {}, "extensions.durableTask.hubName: found [] on the way"),
        (host_json(durableTask={"hubName": 7}), {}, "hubName is 7, expected a string"),
        (host_json(durableTask={"hubName": "%HUB%"}), {}, "setting HUB is not set"),
        (host_json(durableTask={"maxConcurrentActivityFunctions": 0}), {}, "is 0, expected a whole number above 0"),
        (host_json(durableTask={"maxConcurrentActivityFunctions": True}), {}, "is true, expected"),
        (host_json(durableTask={"maxConcurrentOrchestratorFunctions": 1.5}), {}, "is 1.5, expected"),
        (host_json(), {f"{PREFIX}durableTask__maxConcurrentActivityFunctions": "many"}, f"{PREFIX}durableTask"),
    ],
)
def test_host_file_that_is_wrong_is_refused(text: str, env: dict[str, str], words: str) -> None:
    """The refusal says where the value was found, what it is and what was expected."""
    with pytest.raises(HostError) as refused:
        parse_host_file(text, env)
    assert words in str(refused.value)


def test_local_settings_are_the_values() -> None:
    """Only `Values` matters; there may be none."""
    assert parse_local_settings('{"Values": {"A": "1"}, "Host": {}}') == {"A": "1"}
    assert parse_local_settings("{}") == {}


@pytest.mark.parametrize("text", ['{"IsEncrypted": true}', '{"Values": []}', '{"Values": {"A": 1}}', "nonsense"])
def test_local_settings_that_are_wrong_are_refused(text: str) -> None:
    """Encrypted values, values that are not strings and text that is not JSON are refused by file name."""
    with pytest.raises(HostError, match=r"local\.settings\.json"):
        parse_local_settings(text)


def test_resolve_replaces_every_setting() -> None:
    """Text between percent signs is the name of a setting; the rest stays."""
    assert resolve("0 %MINUTE% %HOUR% * * *", {"MINUTE": "5", "HOUR": "3"}) == "0 5 3 * * *"
    assert resolve("100 %", {}) == "100 %"


def test_resolve_names_a_setting_that_is_missing() -> None:
    """The refusal has the setting's name and the text that asks for it."""
    with pytest.raises(HostError, match=r"setting HOUR is not set, named by '0 %HOUR%'"):
        resolve("0 %HOUR%", {})
