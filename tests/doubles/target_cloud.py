"""Azure's REST endpoints for one target, on loopback, without TLS: hosts are told apart as they are in Azure, by name.

`Detour` is the way there for who speaks to https://management.azure.com and the others.
"""

import json
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport

from doubles.target_services import ARM, DPS, OPERATIONS, VAULT, VERSIONS, Refused, Services, of_arm

SCOPES = {
    ARM: "https://management.azure.com/.default",
    DPS: "https://azure-devices-provisioning.net/.default",
    VAULT: "https://vault.azure.net/.default",
}


@dataclass(frozen=True, slots=True)
class Trick:
    """What goes wrong with one request: a status instead of the answer, or with none the connection is closed.

    Nothing is done unless is_done.
    """

    status: int = 0
    code: str = ""
    retry_after: str = ""
    is_done: bool = False


@dataclass(slots=True)
class Cloud:
    """The endpoints. asked has method and path of every request, with the host's first label; tricks are by the
    beginning and the end of such a line, as in ("PUT", "adr-one")."""

    services: Services
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tricks: dict[tuple[str, str], deque[Trick]] = field(default_factory=lambda: defaultdict(deque))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def trick(self, method: str, ending: str, *tricks: Trick) -> None:
        """The next requests of the kind go wrong so."""
        self.tricks[method, ending].extend(tricks)

    def count(self, method: str, ending: str = "") -> int:
        """How many requests of the kind there were."""
        return sum(each.startswith(method) and each.endswith(ending) for each in self.asked)

    @property
    def writes(self) -> list[str]:
        """What was asked for that changes something: neither a question, nor a harmless order."""
        harmless = ("attestationmechanism", "synchronize")
        return [each for each in self.asked if not each.startswith("GET") and not each.endswith(harmless)]

    def take(self, line: str) -> Trick | None:
        """The trick for a request, None where it is answered as it should be."""
        for (method, ending), waiting in self.tricks.items():
            if waiting and line.startswith(method) and line.endswith(ending):
                return waiting.popleft()
        return None

    def answer(self, method: str, host: str, target: str, body: bytes, token: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and document. Raises Refused."""
        parts = urlsplit(target)
        document = json.loads(body) if body else None
        if host not in SCOPES or token != f"Bearer token for {SCOPES[host]}":
            raise of_arm(401, "AuthenticationFailed")
        version = parse_qs(parts.query).get("api-version", [""])[0]
        registry, enrollment = VERSIONS[self.services.model]
        if host == VAULT:
            self._expect(version, "7.4")
            return self.services.keep(method, parts.path, document)
        if host == DPS:
            self._expect(version, enrollment)
            return self.services.enroll(method, parts.path, document)
        if not parts.path.startswith(OPERATIONS):
            is_registry = "/Microsoft.DeviceRegistry/" in parts.path
            known = {each for each, _ in VERSIONS.values()} if method == "GET" else {registry}
            self._expect(version, *(known if is_registry else ("2026-03-01-preview",)))
        return self.services.manage(method, parts.path, document)

    def _expect(self, found: str, *known: str) -> None:
        if found not in known:
            raise of_arm(400, "NoRegisteredProviderFound", f"{found} is none of {', '.join(known)}")


class Detour(RequestsTransport):  # type: ignore[misc]
    """Brings every request to the cloud on loopback, whichever host it is for."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = url

    def send(self, request: Any, **options: Any) -> Any:
        """See RequestsTransport."""
        parts = urlsplit(request.url)
        assert parts.scheme == "https"
        request.headers["Host"] = parts.netloc
        request.url = f"{self._to}{parts.path}?{parts.query}"
        return super().send(request, **options)


class SignedIn:
    """A credential whose tokens say what they are for; none for those who are signed out."""

    def __init__(self, *, is_out: bool = False) -> None:
        self._is_out = is_out

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """See TokenCredential."""
        if self._is_out:
            raise ClientAuthenticationError("tried: this and that")
        return AccessToken(f"token for {scopes[0]}", 2**33)


@contextmanager
def run_cloud(services: Services) -> Iterator[Cloud]:
    """The endpoints inside the block; `url` is where they are."""
    cloud = Cloud(services)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cloud))
    server.daemon_threads = True
    cloud.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host = self.headers["Host"]
            line = f"{self.command} {host.partition('.')[0]}{urlsplit(self.path).path}"
            with cloud.lock:
                cloud.asked.append(line)
                trick = cloud.take(line)
                found: tuple[int, Mapping[str, str], Any] = (200, {}, None)
                if trick is None or trick.is_done:
                    found = self._done(host, body)
            if trick is not None and not trick.status:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if trick is not None:
                wait = {"Retry-After": trick.retry_after} if trick.retry_after else {}
                # As the real one may: the message repeats what was sent.
                found = (trick.status, wait, {"error": {"code": trick.code, "message": f"sent was {body.decode()}"}})
            self._send(*found)

        do_PUT = do_PATCH = do_POST = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
            pass

        def _done(self, host: str, body: bytes) -> tuple[int, Mapping[str, str], Any]:
            try:
                return cloud.answer(self.command, host, self.path, body, self.headers.get("Authorization", ""))
            except Refused as refused:
                return refused.status, {}, refused.document

        def _send(self, status: int, headers: Mapping[str, str], document: Any) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
