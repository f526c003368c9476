"""The ingestion endpoint as a program: one port of loopback for exporters, and under /control for tests and people."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import urlsplit

from engine.emulator.capture import Capture, Keep, Reply
from engine.emulator.ingestion import PATHS

KEY: Final = "00000000-0000-0000-0000-000000000001"
"""Nobody's instrumentation key; exporters want the form of one."""

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
MAX_IGNORED_BYTES: Final = 64 * 1024 * 1024
"""How much of a body that is too long is read, so that the client sees the 413, before the connection ends anyway."""

_ENDS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_CONTROL: Final = "/control"
_PIECE_BYTES: Final = 64 * 1024


class CaptureServer(ThreadingHTTPServer):
    """A `Capture` on a port of 127.0.0.1, 0 for any, in threads of its own; who hangs by order is let go at the end."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, capture: Capture, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.capture = capture
        self.is_over = Event()

    @property
    def ready(self) -> Mapping[str, object]:
        """What an exporter and a test have to know."""
        url = f"http://127.0.0.1:{self.server_port}"
        return {
            "ready": True,
            "url": url,
            "connectionString": f"InstrumentationKey={KEY};IngestionEndpoint={url}/",
            "controlUrl": f"{url}{_CONTROL}",
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave in the middle."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """End `serve_forever`, and answer no more; not from the thread that serves."""
        self.is_over.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """HTTP around `Capture`."""

    protocol_version = "HTTP/1.1"
    timeout = 300  # longer than any exporter's interval, so that none finds its connection closed

    def _handle(self) -> None:
        server, path = self.server, urlsplit(self.path).path
        body = self._read()
        if body is None or not isinstance(server, CaptureServer):
            return
        if path.startswith(f"{_CONTROL}/"):
            status, document = server.capture.control(self.command, path.removeprefix(_CONTROL), body)
            self._write(status, document)
        elif self.command == "POST" and path in PATHS:
            reply = server.capture.track(body, self.headers.get("Content-Encoding", ""))
            self._answer(reply, server.is_over)
        else:
            self._write(404, {"code": "not-found", "message": f"no {self.command} {path}", "errors": []})

    def _answer(self, reply: Reply, is_over: Event) -> None:
        if is_over.wait(reply.wait_s) or not reply.status:
            self.close_connection = True
            return
        asked = {} if reply.retry_after_s is None else {"Retry-After": str(reply.retry_after_s)}
        self._write(reply.status, reply.document, asked)

    def _read(self) -> bytes | None:
        """The body, None where it is refused."""
        text = self.headers.get("Content-Length", "" if "Transfer-Encoding" in self.headers else "0")
        if not text.isascii() or not text.isdigit():
            self._refuse(411, "a body needs its Content-Length")
            return None
        if (size := int(text)) <= MAX_BODY_BYTES:
            return self._whole(size)
        left = min(size, MAX_IGNORED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, _PIECE_BYTES))):
            left -= len(piece)
        self._refuse(413, f"at most {MAX_BODY_BYTES} bytes")
        return None

    def _whole(self, size: int) -> bytes | None:
        """All of the body, None when the client leaves before it is there."""
        body = self.rfile.read(size)
        self.close_connection = self.close_connection or len(body) < size
        return body if len(body) == size else None

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True
        self._write(status, {"code": "refused", "message": message, "errors": []}, {"Connection": "close"})

    def _write(self, status: int, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _handle  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Say nothing: the numbers are in /control/stats."""


def main(argv: Sequence[str]) -> int:
    """Capture until SIGTERM or SIGINT. The first line on stdout says that it is ready, and where.

    1 when it cannot start, with one line on stderr that says why.
    """
    arguments = _parser().parse_args(argv)
    try:
        keep = Keep(arguments.file)
    except OSError as error:
        return _complain(f"{arguments.file} cannot be written: {error.strerror or error}")
    try:
        server = CaptureServer(Capture(keep, time.monotonic), arguments.port)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        return _complain(f"cannot listen on 127.0.0.1:{arguments.port}: {reason.lower()}")
    # Waited for, and not handled: a handler that sets an Event may find this thread in the middle of its lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # before there are threads, which would take it
    serving = Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    serving.start()
    print(json.dumps(server.ready), flush=True)
    signal.sigwait(_ENDS)
    server.stop()
    serving.join()
    return 0


def _complain(message: str) -> int:
    print(f"capture: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="capture",
        description="The ingestion endpoint of Application Insights on this machine: it keeps what it gets.",
    )
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1, 0 for any (%(default)s)")
    parser.add_argument("--file", type=Path, required=True, help="where items are kept, a JSON text a line; made empty")
    return parser
