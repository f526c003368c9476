"""The double of Resource Manager: it does what is documented, and what tests tell it to."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import pytest

from doubles.container_apps import API_VERSION, JOB_ID, NAME, TOKEN, ContainerApps, Trick, run_container_apps

VERSION = f"?api-version={API_VERSION}"
ONE = {"containers": [{"name": "worker", "image": "i"}]}


@pytest.fixture
def apps() -> Iterator[ContainerApps]:
    """A service."""
    with run_container_apps() as found:
        yield found


def ask(
    apps: ContainerApps, method: str, path: str, body: Any = None, *, token: str = TOKEN
) -> tuple[int, Any, HTTPResponse]:
    """Status, document and response of a request."""
    connection = HTTPConnection(urlsplit(apps.url).netloc, timeout=10)
    try:
        sent = b"" if body is None else json.dumps(body).encode()
        connection.request(method, path, sent, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None, answer
    finally:
        connection.close()


def code(apps: ContainerApps, method: str, path: str, body: Any = None, *, token: str = TOKEN) -> tuple[int, str]:
    """Status and code of an error."""
    status, document, _ = ask(apps, method, path, body, token=token)
    return status, document["error"]["code"]


def test_token_and_version_are_required(apps: ContainerApps) -> None:
    """As Resource Manager does, before anything else."""
    assert code(apps, "GET", JOB_ID + VERSION, token="x") == (401, "AuthenticationFailed")
    assert code(apps, "GET", JOB_ID) == (400, "MissingApiVersionParameter")
    assert code(apps, "GET", f"{JOB_ID}?api-version=2020-01-01") == (400, "InvalidApiVersionParameter")
    assert code(apps, "GET", f"{JOB_ID}x{VERSION}") == (404, "ResourceNotFound")
    assert ask(apps, "GET", JOB_ID + VERSION)[1]["name"] == NAME


def test_start_replaces_the_template(apps: ContainerApps) -> None:
    """What the body leaves out is gone; without a body the job's own is used."""
    status, named, _ = ask(apps, "POST", f"{JOB_ID}/start{VERSION}", ONE)
    assert (status, named["id"]) == (200, f"{JOB_ID}/executions/{named['name']}")
    assert apps.executions[named["name"]].template == ONE
    assert apps.executions[named["name"]].variable("STATE_KEY") is None
    _, other, _ = ask(apps, "POST", f"{JOB_ID}/start{VERSION}")
    assert apps.executions[other["name"]].variable("STATE_KEY") == "secret state-key"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({}, "ContainerAppContainersRequired"),
        ({**ONE, "volumes": []}, "InvalidRequestContent"),
        ({"containers": [{"name": "worker"}]}, "ContainerAppImageRequired"),
        ({"containers": [{"image": "i", "volumeMounts": []}]}, "InvalidRequestContent"),
        (
            {"containers": [{"image": "i", "resources": {"cpu": 1, "memory": "1Gi"}}]},
            "ContainerAppInvalidResourceTotal",
        ),
        ({"containers": [{"image": "i", "env": [{"name": "a", "secretRef": "b"}]}]}, "ContainerAppSecretRefNotFound"),
    ],
)
def test_start_with_a_template_that_cannot_be_is_refused(
    apps: ContainerApps, template: dict[str, Any], expected: str
) -> None:
    """Nothing is started."""
    assert code(apps, "POST", f"{JOB_ID}/start{VERSION}", template) == (400, expected)
    assert apps.executions == {}


def test_accepted_start_is_polled(apps: ContainerApps) -> None:
    """202 with a place and a pause, until the place names the execution."""
    apps.accepts = 2
    status, document, answer = ask(apps, "POST", f"{JOB_ID}/start{VERSION}", ONE)
    place = answer.headers["Location"].removeprefix(apps.url)
    assert (status, document, answer.headers["Retry-After"]) == (202, None, "2")
    assert [ask(apps, "GET", place)[0] for _ in range(2)] == [202, 200]
    assert ask(apps, "GET", place)[1]["name"] == next(iter(apps.executions))
    assert code(apps, "GET", place.replace("operation-0", "operation-1")) == (404, "OperationNotFound")


def test_executions_are_listed_shown_and_stopped(apps: ContainerApps) -> None:
    """With their templates; what has ended cannot be stopped."""
    name = ask(apps, "POST", f"{JOB_ID}/start{VERSION}", ONE)[1]["name"]
    (listed,) = ask(apps, "GET", f"{JOB_ID}/executions{VERSION}")[1]["value"]
    shown = ask(apps, "GET", f"{JOB_ID}/executions/{name}{VERSION}")[1]
    assert listed == shown
    assert (shown["properties"]["status"], shown["properties"]["template"]) == ("Running", ONE)
    assert ask(apps, "POST", f"{JOB_ID}/executions/{name}/stop{VERSION}")[0] == 202
    assert apps.executions[name].status == "Stopped"
    assert code(apps, "POST", f"{JOB_ID}/executions/{name}/stop{VERSION}") == (409, "JobExecutionNotRunning")
    assert code(apps, "GET", f"{JOB_ID}/executions/x{VERSION}") == (404, "JobExecutionNotFound")


def test_tricks_are_played_in_order_and_once(apps: ContainerApps) -> None:
    """Refused and not done, done and not answered, done and answered wrongly; then all is well again."""
    apps.trick("start", Trick(429, "TooManyRequests", "9"), Trick(is_done=True), Trick(500, "Oops", is_done=True))
    start = f"{JOB_ID}/start{VERSION}"
    status, document, answer = ask(apps, "POST", start, ONE)
    assert (status, document["error"]["code"], answer.headers["Retry-After"]) == (429, "TooManyRequests", "9")
    assert len(apps.executions) == 0
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        ask(apps, "POST", start, ONE)
    assert len(apps.executions) == 1
    assert code(apps, "POST", start, ONE) == (500, "Oops")
    assert len(apps.executions) == 2
    assert ask(apps, "POST", start, ONE)[0] == 200
    assert apps.count("POST start") == 4


def test_what_is_listed_may_lack(apps: ContainerApps) -> None:
    """The newest for a while, and variables for ever."""
    ask(apps, "POST", f"{JOB_ID}/start{VERSION}", ONE)
    apps.late, apps.hides_env = 1, True
    listed = [ask(apps, "GET", f"{JOB_ID}/executions{VERSION}")[1]["value"] for _ in range(2)]
    assert listed[0] == []
    assert "template" not in listed[1][0]["properties"]
