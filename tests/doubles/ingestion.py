"""The ingestion endpoint as a test wants it: on loopback, with or without TLS, each request answered by script.

What it takes is in `items`, in the form that it came; `tokens` holds what each request showed for itself.
"""

import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0f4ab1c2-0000-4000-8000-0000000000aa"


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of a request: after `gate` is open it is answered with status, or its connection ends where that
    is 0. Of a 206 the items in `refused` are not taken, each by its place and status."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[int, int] = field(default_factory=dict)
    body: bytes | None = None
    gate: threading.Event | None = None


class Ingestion:
    """Has a free port of loopback from the beginning, where connections are refused until `open`."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.turns: deque[Turn] = deque()
        """Each for one request, in order; after the last, everything is taken."""
        self.items: list[dict[str, Any]] = []
        self.requests: list[list[dict[str, Any]]] = []
        self.tokens: list[str | None] = []
        self.paths: list[str] = []
        self.came = threading.Semaphore(0)
        """Released with every request that was read."""
        self._gates: list[threading.Event] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self), bind_and_activate=False)
        self._server.server_bind()
        self._is_open = False
        self._scheme = "http" if context is None else "https"
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def connection_string(self) -> str:
        """What an exporter is told."""
        host = "localhost" if self._scheme == "https" else "127.0.0.1"
        return f"InstrumentationKey={KEY};IngestionEndpoint={self._scheme}://{host}:{self._server.server_port}/"

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The base data of all items of a type."""
        return [item["data"]["baseData"] for item in self.items if item["data"]["baseType"] == kind]

    def receive(self, path: str, token: str | None, body: bytes) -> tuple[Turn, bytes]:
        """One request: how it is answered, and with what."""
        items = json.loads(body)
        with self._lock:
            turn = self.turns.popleft() if self.turns else Turn()
            self.paths.append(path)
            self.tokens.append(token)
            self.requests.append(items)
            if turn.gate is not None:
                self._gates.append(turn.gate)
            if turn.status in (200, 206):
                self.items += [item for place, item in enumerate(items) if place not in turn.refused]
        self.came.release()
        if turn.gate is not None:
            turn.gate.wait()
        errors = [{"index": at, "statusCode": code, "message": "refused"} for at, code in turn.refused.items()]
        answer = {"itemsReceived": len(items), "itemsAccepted": len(items) - len(errors), "errors": errors}
        return turn, json.dumps(answer).encode() if turn.body is None else turn.body

    def open(self) -> None:
        """Answer from now on."""
        self._is_open = True
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """End; whoever waits for an answer is let go."""
        for gate in self._gates:
            gate.set()
        if self._is_open:
            self._server.shutdown()
        self._server.server_close()


@contextmanager
def run_ingestion(context: ssl.SSLContext | None = None, *, is_open: bool = True) -> Iterator[Ingestion]:
    """An endpoint for the time of a block."""
    found = Ingestion(context)
    if is_open:
        found.open()
    try:
        yield found
    finally:
        found.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave in the middle are what is tested."""


def _handler_of(endpoint: Ingestion) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

        def do_POST(self) -> None:
            """Take items."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            turn, answer = endpoint.receive(self.path, self.headers["Authorization"], body)
            if turn.status == 0:
                self.close_connection = True
                return
            self.send_response(turn.status)
            for name, value in {**turn.headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer)

    return Handler
