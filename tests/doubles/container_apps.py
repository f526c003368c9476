"""Azure Resource Manager with one Container Apps job, on loopback, without TLS.

It answers what the launcher asks: read the job, start it, list its executions, look at one, stop one. Shapes are those
of azure-mgmt-appcontainers 5.1.0, API 2026-07-01, and of its published examples; errors those of "Common API
details and error format" of Resource Manager. A start's body replaces the job's template, whole.

Beyond that tests say what goes wrong (`Trick`), and how executions are.
"""

import json
import re
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

API_VERSION = "2026-07-01"
TOKEN = "the-token-of-this-test"
SUBSCRIPTION, GROUP, NAME = "0f4ab1c2-0000-4000-8000-000000000001", "fleet-rg", "fleet-worker"
JOB_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.App/jobs/{NAME}"
OPERATIONS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.App/locations/northeurope/containerappsjobOperations"

_FIELDS = {"image", "name", "command", "args", "env", "resources"}
_PAIRS = {(step / 4, f"{step / 2:g}Gi") for step in range(1, 17)}


def job_document(*, parallelism: int = 4, completions: int | None = None) -> dict[str, Any]:
    """A job as it is deployed, with an init container, a secret and a second container."""
    worker = {
        "name": "worker",
        "image": "registry.example/certfleet:1",
        "env": [
            {"name": "STORAGE_ACCOUNT_URL", "value": "https://account.blob.example"},
            {"name": "STATE_KEY", "secretRef": "state-key"},
            {"name": "RUN_ID", "value": "nobody's"},
        ],
        "resources": {"cpu": 0.25, "memory": "0.5Gi", "ephemeralStorage": "1Gi"},
        "volumeMounts": [{"volumeName": "scratch", "mountPath": "/scratch"}],
    }
    aside = {"name": "aside", "image": "registry.example/aside:1", "args": ["--quiet"]}
    first = {"name": "first", "image": "registry.example/first:1", "command": ["/bin/true"]}
    completions = parallelism if completions is None else completions
    return {
        "id": JOB_ID,
        "name": NAME,
        "type": "Microsoft.App/jobs",
        "location": "North Europe",
        "properties": {
            "provisioningState": "Succeeded",
            "runningState": "Ready",
            "configuration": {
                "triggerType": "Manual",
                "replicaTimeout": 28800,
                "replicaRetryLimit": 1,
                "manualTriggerConfig": {"parallelism": parallelism, "replicaCompletionCount": completions},
                "secrets": [{"name": "state-key"}],
            },
            "template": {
                "containers": [aside, worker],
                "initContainers": [first],
                "volumes": [{"name": "scratch", "storageType": "EmptyDir"}],
            },
        },
    }


@dataclass(frozen=True, slots=True)
class Trick:
    """What goes wrong with one request.

    With a status that is the answer, and nothing is done unless is_done; without one the socket is closed instead of
    an answer, after the work was done if is_done. retry_after goes into the header of that name.
    """

    status: int = 0
    code: str = ""
    retry_after: str = ""
    is_done: bool = False


@dataclass(slots=True)
class Execution:
    """An execution of the job: the template it was started with, and its state in the service's words."""

    name: str
    template: dict[str, Any]
    status: str = "Running"

    def variable(self, name: str) -> str | None:
        """What the worker's environment has under the name."""
        for container in self.template["containers"]:
            for each in container.get("env", ()):
                if each["name"] == name and container["name"] == "worker":
                    return str(each.get("value", f"secret {each.get('secretRef')}"))
        return None


@dataclass(slots=True)
class ContainerApps:
    """The service's state. Tests set what it does; `asked` has method and last words of the path of every request.

    tricks: by "read", "start", "list", "look", "stop" or "operation", the first is for the next such request. A start
    is answered with 202 where accepts has a number: of polls until the operation is over; its Location is elsewhere
    if it says so. hides_env leaves the template out of what is listed; late is how many lists do not show the newest.
    run is called for each start, in a thread of its own.
    """

    document: dict[str, Any] = field(default_factory=job_document)
    executions: dict[str, Execution] = field(default_factory=dict)
    tricks: dict[str, deque[Trick]] = field(default_factory=lambda: defaultdict(deque))
    asked: list[str] = field(default_factory=list)
    accepts: int | None = None
    elsewhere: str = ""
    hides_env: bool = False
    late: int = 0
    run: Callable[[Execution, int], None] | None = None
    url: str = ""
    threads: list[threading.Thread] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _operations: dict[str, list[Any]] = field(default_factory=dict)

    def trick(self, operation: str, *tricks: Trick) -> None:
        """The next requests of the kind go wrong so."""
        self.tricks[operation].extend(tricks)

    def count(self, ending: str) -> int:
        """How many requests ended so, such as "POST start"."""
        return sum(each.endswith(ending) for each in self.asked)

    def start(self, body: bytes) -> Execution:
        """A new execution. Raises Refused."""
        template = json.loads(body) if body else deepcopy(self.document["properties"]["template"])
        if body:
            self._check(template)
        execution = Execution(f"{NAME}-{len(self.executions):07x}", template)
        self.executions[execution.name] = execution
        if self.run is not None:
            parallelism = self.document["properties"]["configuration"]["manualTriggerConfig"]["parallelism"]
            self.threads.append(threading.Thread(target=self.run, args=(execution, parallelism)))
            self.threads[-1].start()
        return execution

    def _check(self, template: Mapping[str, Any]) -> None:
        if unknown := set(template) - {"containers", "initContainers"}:
            raise Refused(400, "InvalidRequestContent", f"unknown: {sorted(unknown)}")
        secrets = {each["name"] for each in self.document["properties"]["configuration"]["secrets"]}
        for container in (*template.get("containers", ()), *template.get("initContainers", ())):
            if unknown := set(container) - _FIELDS:
                raise Refused(400, "InvalidRequestContent", f"unknown: {sorted(unknown)}")
            if not container.get("image"):
                raise Refused(400, "ContainerAppImageRequired", "a container has no image")
            if container.get("resources"):
                pair = (container["resources"].get("cpu"), container["resources"].get("memory"))
                if pair not in _PAIRS or set(container["resources"]) != {"cpu", "memory"}:
                    raise Refused(400, "ContainerAppInvalidResourceTotal", f"no such pair: {pair}")
            for each in container.get("env", ()):
                if each.get("secretRef") and each["secretRef"] not in secrets:
                    raise Refused(400, "ContainerAppSecretRefNotFound", each["secretRef"])
        if not template.get("containers"):
            raise Refused(400, "ContainerAppContainersRequired", "there is no container")

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        """Status, headers and document of a request that nothing is wrong with. Raises Refused."""
        rest = path.removeprefix(JOB_ID).strip("/").split("/")
        match method, rest:
            case "GET", [""]:
                return 200, {}, self.document
            case "POST", ["start"]:
                return self._started(self.start(body))
            case "GET", ["executions"]:
                return 200, {}, {"value": [self._shown(each) for each in self._listed()]}
            case "GET", ["executions", name]:
                return 200, {}, self._shown(self._execution(name))
            case "POST", ["executions", name, "stop"]:
                execution = self._execution(name)
                if execution.status not in ("Running", "Processing"):
                    raise Refused(409, "JobExecutionNotRunning", "it has ended")
                execution.status = "Stopped"
                return 202, {"Location": f"{self.url}{OPERATIONS}/stop?api-version={API_VERSION}"}, None
            case _:
                raise Refused(404, "ResourceNotFound", f"nothing at {path}")

    def poll(self, name: str) -> tuple[int, dict[str, str], Any]:
        """How an accepted start is."""
        if name not in self._operations:
            raise Refused(404, "OperationNotFound", name)
        left, execution = self._operations[name]
        if left > 1:
            self._operations[name][0] -= 1
            return 202, self._place(name), None
        return 200, {}, self._named(execution)

    def _started(self, execution: Execution) -> tuple[int, dict[str, str], Any]:
        if self.accepts is None:
            return 200, {}, self._named(execution)
        operation = f"operation-{len(self._operations)}"
        self._operations[operation] = [self.accepts, execution]
        return 202, self._place(operation), None

    def _place(self, operation: str) -> dict[str, str]:
        host = self.elsewhere or self.url
        return {"Location": f"{host}{OPERATIONS}/{operation}?api-version={API_VERSION}", "Retry-After": "2"}

    def _named(self, execution: Execution) -> dict[str, str]:
        return {"name": execution.name, "id": f"{JOB_ID}/executions/{execution.name}"}

    def _listed(self) -> list[Execution]:
        found = list(self.executions.values())
        if self.late:
            self.late -= 1
            return found[:-1]
        return found

    def _shown(self, execution: Execution) -> dict[str, Any]:
        properties: dict[str, Any] = {"status": execution.status, "startTime": "2026-11-23T06:00:00+00:00"}
        if not self.hides_env:
            properties["template"] = execution.template
        return {**self._named(execution), "type": "Microsoft.App/jobs/executions", "properties": properties}

    def _execution(self, name: str) -> Execution:
        if name not in self.executions:
            raise Refused(404, "JobExecutionNotFound", name)
        return self.executions[name]


class Refused(Exception):
    """An answer that is an error of Resource Manager."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.document = status, {"error": {"code": code, "message": message}}


@contextmanager
def run_container_apps(**state: Any) -> Iterator[ContainerApps]:
    """The service inside the block; `url` is where it is."""
    apps = ContainerApps(**state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(apps))
    server.daemon_threads = True
    apps.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield apps
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for each in apps.threads:
            each.join()


def _handler(apps: ContainerApps) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._handle()

        do_POST = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
            pass

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            with apps.lock:
                apps.asked.append(f"{self.command} {parts.path.rsplit('/', 1)[-1]}")
                trick = self._trick(parts.path)
                status, headers, document = self._done(parts.path, parts.query, body, trick)
            if trick is not None and not trick.status:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(status, headers, document)

        def _trick(self, path: str) -> Trick | None:
            waiting = apps.tricks[_operation(self.command, path)]
            return waiting.popleft() if waiting else None

        def _done(self, path: str, query: str, body: bytes, trick: Trick | None) -> tuple[int, dict[str, str], Any]:
            try:
                self._admit(query)
                if trick is not None and not trick.is_done:
                    found: tuple[int, dict[str, str], Any] = (200, {}, None)
                elif path.startswith(OPERATIONS):
                    found = apps.poll(path.rsplit("/", 1)[-1])
                else:
                    found = apps.answer(self.command, path, body)
            except Refused as refused:
                return refused.status, {}, refused.document
            if trick is None or not trick.status:
                return found
            headers = {"Retry-After": trick.retry_after} if trick.retry_after else {}
            # As the real one may: the message repeats what was sent.
            return trick.status, headers, {"error": {"code": trick.code, "message": f"sent was {body.decode()}"}}

        def _admit(self, query: str) -> None:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "AuthenticationFailed", "no token, or not the one")
            version = parse_qs(query).get("api-version", [""])[0]
            if not version:
                raise Refused(400, "MissingApiVersionParameter", "the api-version query parameter is required")
            if version != API_VERSION:
                raise Refused(400, "InvalidApiVersionParameter", f"{version} is not known")

        def _send(self, status: int, headers: Mapping[str, str], document: Any) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if body:
                self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _operation(method: str, path: str) -> str:
    if path.startswith(OPERATIONS):
        return "operation"
    rest = path.removeprefix(JOB_ID)
    if method == "POST":
        return "start" if rest == "/start" else "stop"
    if re.fullmatch("/executions/[^/]+", rest):
        return "look"
    return "list" if rest == "/executions" else "read"


class Bearer(SansIOHTTPPolicy[Any, Any]):
    """The token of this test on every request; the client's own policy sends none without TLS."""

    def __init__(self, token: str = TOKEN) -> None:
        self._token = token

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Adds it."""
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


class NoCredential:
    """A credential that nobody may ask."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        """Nothing."""
        raise AssertionError(scopes)
