"""What becomes of a service's refusals, silences and lost answers, against a scripted one on loopback.

That blobs are a store at all is shown in contract/test_store.py.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Thread
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ServiceRequestError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient

from engine.adapters.blobs import ATTEMPTS, REFUSALS, BlobStore, retries
from engine.errors import AlreadyExists, StoreUnavailable, VersionConflict
from engine.ports import Held

KEY = "c2VjcmV0LWFjY291bnQta2V5"


@dataclass
class Script:
    """What the service does with each request: `faults` one after the other, then it behaves.

    A fault is a status with the service's code, or "reset" (closed before it is read), "lost" (carried out, then
    closed without an answer), "cut" (half of the body, then closed), "silent" (no answer until the end).
    """

    faults: list[str | tuple[int, str]] = field(default_factory=list)
    always: str | tuple[int, str] | None = None
    requests: list[str] = field(default_factory=list)
    blobs: dict[str, tuple[bytes, str, str]] = field(default_factory=dict)
    containers: set[str] = field(default_factory=lambda: {"/account/box"})
    over: Event = field(default_factory=Event)
    etags: Iterator[int] = field(default_factory=lambda: count(1))


class Service(BaseHTTPRequestHandler):
    """As much of the Blob service as one store needs."""

    protocol_version = "HTTP/1.1"
    script: Script

    def do_PUT(self) -> None:
        """Put Blob, or Create Container."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(lambda: self._put(body))

    def do_GET(self) -> None:
        """Get Blob."""
        self._answer(self._get)

    do_HEAD = do_GET  # noqa: N815  # the name http.server looks for

    def do_DELETE(self) -> None:
        """Delete Blob."""
        self._answer(lambda: (202 if self.script.blobs.pop(self._name, None) else 404, "BlobNotFound", b"", {}))

    def log_message(self, *_: Any) -> None:
        """Nothing: tests look at what was asked."""

    @property
    def _name(self) -> str:
        return self.path.partition("?")[0]

    def _put(self, body: bytes) -> tuple[int, str, bytes, dict[str, str]]:
        if "restype=container" in self.path:
            self.script.containers.add(self._name)
            return 201, "", b"", {}
        if self._name.rpartition("/")[0] not in self.script.containers:
            return 404, "ContainerNotFound", b"", {}
        held = self.script.blobs.get(self._name)
        if held and self.headers.get("If-None-Match") == "*":
            return 409, "BlobAlreadyExists", b"", {}
        wanted = self.headers.get("If-Match")
        if wanted and (not held or held[1] != wanted):
            return 412, "ConditionNotMet", b"", {}
        etag = f'"{next(self.script.etags)}"'
        self.script.blobs[self._name] = (body, etag, self.headers.get("x-ms-meta-write", ""))
        return 201, "", b"", {"ETag": etag}

    def _get(self) -> tuple[int, str, bytes, dict[str, str]]:
        held = self.script.blobs.get(self._name)
        if held is None:
            return 404, "BlobNotFound", b"", {}
        body, etag, write = held
        headers = {"ETag": etag, "x-ms-meta-write": write, "x-ms-blob-type": "BlockBlob"}
        if self.command == "HEAD":
            return 200, "", body, headers
        return 206, "", body, {**headers, "Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"}

    def _answer(self, carry_out: Any) -> None:
        self.script.requests.append(f"{self.command} {self._name}")
        fault = self.script.faults.pop(0) if self.script.faults else self.script.always
        match fault:
            case None:
                self._send(*carry_out())
            case (int(status), str(code)):
                self._send(status, code, b"", {})
            case "cut":
                self._send(*carry_out(), cut=True)
            case "lost":
                carry_out()
            case "silent":
                self.script.over.wait(30)
        if isinstance(fault, str):
            self.close_connection = True
            self.connection.close()

    def _send(self, status: int, code: str, body: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if status >= 400:
            self.send_header("x-ms-error-code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
            self.wfile.flush()


@dataclass(frozen=True)
class Served:
    """A scripted service and the way to it."""

    script: Script
    connection_string: str

    def store(self, **options: Any) -> BlobStore:
        """A store that tries as often as the product's, without its pauses; options are the client's."""
        return BlobStore(
            ContainerClient.from_connection_string(
                self.connection_string,
                "box",
                retry_policy=retries(0),
                connection_timeout=5,
                read_timeout=0.2,
                **options,
            )
        )


@pytest.fixture
def served() -> Iterator[Served]:
    """A service on a free port of loopback."""
    script = Script()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Scripted", (Service,), {"script": script}))
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/account"
    yield Served(script, f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={KEY};BlobEndpoint={url};")
    script.over.set()
    server.shutdown()
    server.server_close()


def test_create_makes_the_container_that_is_missing(served: Served) -> None:
    """The first create makes the container, the next ones do not ask again."""
    served.script.containers.clear()
    store = served.store()
    store.create("a", b"one")
    store.create("b", b"two")
    puts = [request for request in served.script.requests if request.startswith("PUT")]
    assert puts == ["PUT /account/box/a", "PUT /account/box", "PUT /account/box/a", "PUT /account/box/b"]


def test_create_survives_that_another_made_the_container(served: Served) -> None:
    """Two who make the container at once both go on."""
    served.script.faults = [(404, "ContainerNotFound"), (409, "ContainerAlreadyExists")]
    assert served.store().create("a", b"one") == '"1"'


def test_create_waits_for_nobody_who_deletes_the_container(served: Served) -> None:
    """A container on its way out cannot be made anew yet: the caller may try again."""
    served.script.faults = [(404, "ContainerNotFound"), (409, "ContainerBeingDeleted")]
    with pytest.raises(StoreUnavailable, match="409 ContainerBeingDeleted"):
        served.store().create("a", b"one")


def test_create_whose_answer_was_lost_is_our_success(served: Served) -> None:
    """The retry meets our own first write, and is told apart from somebody else's."""
    served.script.faults = ["lost"]
    store = served.store()
    version = store.create("a", b"one")
    assert store.read("a") == Held(b"one", version)
    assert served.script.requests[:3] == ["PUT /account/box/a", "PUT /account/box/a", "HEAD /account/box/a"]


def test_create_after_anothers_is_refused_whatever_was_lost(served: Served) -> None:
    """An equal body is not enough: it was another write."""
    served.store().create("a", b"one")
    served.script.faults = ["reset"]
    with pytest.raises(AlreadyExists):
        served.store().create("a", b"one")


def test_create_is_refused_when_the_other_blob_is_gone_at_once(served: Served) -> None:
    """A blob that was there for the write and is gone for the second look was not ours."""
    served.script.faults = [(409, "BlobAlreadyExists")]
    with pytest.raises(AlreadyExists):
        served.store().create("a", b"one")


def test_create_is_unclear_when_the_second_look_fails(served: Served) -> None:
    """While nobody can say whose write it was, the store is unavailable."""
    served.script.faults = ["lost", (409, "BlobAlreadyExists"), *[(500, "InternalError")] * ATTEMPTS]
    with pytest.raises(StoreUnavailable):
        served.store().create("a", b"one")


def test_replace_whose_answer_was_lost_is_our_success(served: Served) -> None:
    """A lost answer does not turn into a conflict with ourselves, so no increment is counted twice."""
    store = served.store()
    version = store.create("a", b"one")
    served.script.faults = ["lost"]
    second = store.replace("a", b"two", version)
    assert store.read("a") == Held(b"two", second)


def test_replace_says_conflict_when_another_was_faster(served: Served) -> None:
    """A lost answer that hides somebody else's write is still a conflict."""
    store = served.store()
    version = store.create("a", b"one")
    store.replace("a", b"two", version)
    served.script.faults = ["lost"]
    with pytest.raises(VersionConflict):
        store.replace("a", b"three", version)


def test_replace_says_conflict_when_the_blob_is_gone(served: Served) -> None:
    """404 and 412 mean the same to a replace."""
    served.script.faults = [(404, "BlobNotFound")]
    with pytest.raises(VersionConflict):
        served.store().replace("a", b"one", '"1"')


def test_delete_whose_answer_was_lost_is_done(served: Served) -> None:
    """The retry finds nothing, which is what was wanted."""
    store = served.store()
    store.create("a", b"one")
    served.script.faults = ["lost"]
    store.delete("a")
    assert store.read("a") is None


@pytest.mark.parametrize("fault", [(500, "InternalError"), (503, "ServerBusy"), "reset", "lost", "cut", "silent"])
def test_read_tries_again(served: Served, fault: str | tuple[int, str]) -> None:
    """One failure of the service is not ours."""
    store = served.store()
    version = store.create("a", b"one" * 100)
    served.script.faults = [fault]
    assert store.read("a") == Held(b"one" * 100, version)


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        ((500, "InternalError"), "500 InternalError"),
        ((503, "ServerBusy"), "503 ServerBusy"),
        ((403, "AuthorizationPermissionMismatch"), "403 AuthorizationPermissionMismatch"),
        ((400, "InvalidHeaderValue"), "400 InvalidHeaderValue"),
        ((412, "LeaseIdMissing"), "412 LeaseIdMissing"),
        ((409, "ContainerBeingDeleted"), "409 ContainerBeingDeleted"),
        ("reset", "ServiceResponseError"),
        ("silent", "ServiceResponseTimeoutError"),
    ],
)
def test_what_does_not_pass_is_unavailable(served: Served, fault: str | tuple[int, str], detail: str) -> None:
    """The store says status and code or the kind of failure, in one line without a secret, and keeps the cause."""
    served.script.always = fault
    with pytest.raises(StoreUnavailable) as caught:
        served.store().read("runs/a")
    assert caught.value.key == "runs/a"
    assert caught.value.detail == detail
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, AzureError)
    assert len(served.script.requests) <= ATTEMPTS


def test_every_method_says_unavailable(served: Served) -> None:
    """A refusal comes out as our error, whichever way it was met."""
    served.script.always = (403, "AuthorizationFailure")
    store = served.store()
    for call in (
        lambda: store.read("a"),
        lambda: store.create("a", b""),
        lambda: store.replace("a", b"", '"1"'),
        lambda: store.delete("a"),
        lambda: list(store.keys("a")),
    ):
        with pytest.raises(StoreUnavailable, match="403 AuthorizationFailure"):
            call()


def test_a_body_cut_short_is_never_taken_for_whole(served: Served) -> None:
    """A connection that ends amid a body, every time, is an error."""
    store = served.store()
    store.create("a", b"one" * 100)
    served.script.always = "cut"
    with pytest.raises(StoreUnavailable):
        store.read("a")


def test_the_product_gives_up_after_its_attempts(served: Served) -> None:
    """A service that only fails is asked three times."""
    served.script.always = (500, "InternalError")
    store = BlobStore.from_connection_string(served.connection_string, "box")
    with pytest.raises(StoreUnavailable):
        store.create("a", b"one")
    assert len(served.script.requests) == ATTEMPTS


def test_nobody_listening_is_unavailable() -> None:
    """A refused connection names neither address nor key."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        port = server.server_port
    url = f"http://127.0.0.1:{port}/account"
    nobody = f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={KEY};BlobEndpoint={url};"
    with pytest.raises(StoreUnavailable) as caught:
        Served(Script(), nobody).store().read("a")
    assert caught.value.detail == "ServiceRequestError"


class Late(RequestsTransport):
    """A way to a service where nobody listens at first: so many requests are refused."""

    def __init__(self, refused: int) -> None:
        super().__init__()
        self.refused = refused

    def send(self, request: Any, **options: Any) -> Any:
        """See HttpTransport."""
        if self.refused:
            self.refused -= 1
            raise ServiceRequestError("connection refused")
        return super().send(request, **options)


def test_service_that_is_started_again_is_waited_for(served: Served) -> None:
    """Connections are refused more often than answers may fail, and the write is made in the end, once."""
    assert REFUSALS > ATTEMPTS
    assert served.store(transport=Late(REFUSALS)).create("a", b"one") == '"1"'
    assert served.script.requests == ["PUT /account/box/a"]
    with pytest.raises(StoreUnavailable, match="ServiceRequestError"):
        served.store(transport=Late(REFUSALS + 1)).read("a")


class NoTokens:
    """A credential of which nothing comes."""

    asked = 0

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """No token."""
        self.asked += 1
        raise AzureError("no token for a-secret-client")


def test_identity_is_asked_for_a_token() -> None:
    """A store reached by identity asks its credential, and its failure is a store that cannot be reached."""
    credential = NoTokens()
    store = BlobStore.from_account_url("https://127.0.0.1:1", "box", credential)
    with pytest.raises(StoreUnavailable) as caught:
        store.read("a")
    assert credential.asked >= 1
    assert "secret" not in str(caught.value)


def test_requests_are_not_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Even where everything is logged, the client's lines about every request are not."""
    caplog.set_level(logging.INFO)
    served.store().create("a", b"one")
    assert [record for record in caplog.records if record.name.startswith("azure")] == []
