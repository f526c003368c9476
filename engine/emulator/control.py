"""The control port: plain HTTP on loopback, for tests and for people.

GET /healthz, GET /stats, GET /issued, GET and PUT /faults, POST /revoke with {"deviceId": …}.
"""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from engine.emulator.faults import parse_faults
from engine.emulator.service import Service
from engine.errors import RemoteProtocolError, SpecError
from engine.protocol.body import read_object

MAX_BODY_BYTES = 64 * 1024

type Answer = tuple[int, Mapping[str, object]]


class Control:
    """Answers about a service and changes of it; each takes the lock that the service's loop takes."""

    def __init__(self, service: Service, lock: Lock, on_revoked: Callable[[Mapping[str, int]], None]) -> None:
        self._service, self._lock, self._on_revoked = service, lock, on_revoked

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Status and JSON body."""
        with self._lock:
            match method, path:
                case "GET", "/healthz":
                    return 200, {"status": "ok"}
                case "GET", "/stats":
                    return 200, self._service.report()
                case "GET", "/issued":
                    return 200, self._service.issued()
                case "GET", "/faults":
                    return 200, self._service.faults.to_json()
                case "PUT", "/faults":
                    return self._set_faults(body)
                case "POST", "/revoke":
                    return self._revoke(body)
                case _:
                    return 404, {"code": "not-found", "message": f"no {method} {path}", "errors": []}

    def _set_faults(self, body: bytes) -> Answer:
        try:
            self._service.faults = parse_faults(body.decode("utf-8", "replace"))
        except SpecError as error:
            problems = [{"path": p.path, "message": p.message, "allowed": p.allowed} for p in error.problems]
            return 400, {"code": error.code, "message": str(error), "errors": problems}
        return 200, self._service.faults.to_json()

    def _revoke(self, body: bytes) -> Answer:
        try:
            device_id = read_object(body).text("deviceId")
        except RemoteProtocolError as error:
            return 400, {"code": "bad-request", "message": str(error), "errors": []}
        self._service.registry.revoke(device_id)
        self._service.stats.add("revoked")
        self._on_revoked(self._service.registry.revocations)
        return 200, {"deviceId": device_id, "revocations": self._service.registry.revocations[device_id]}


class ControlServer(ThreadingHTTPServer):
    """A `Control` on a port of 127.0.0.1, 0 for any, in threads of its own."""

    daemon_threads = True

    def __init__(self, control: Control, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.control = control
        self._thread = Thread(target=self.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """HTTP around `Control.answer`."""

    protocol_version = "HTTP/1.1"
    timeout = 10

    def _handle(self) -> None:
        size = self.headers.get("Content-Length", "0")
        if not size.isascii() or not size.isdigit() or int(size) > MAX_BODY_BYTES:
            self.close_connection = True
            return self._write(413, {"code": "too-large", "message": f"at most {MAX_BODY_BYTES} bytes", "errors": []})
        server = self.server
        if not isinstance(server, ControlServer):
            return None
        return self._write(*server.control.answer(self.command, self.path, self.rfile.read(int(size))))

    def _write(self, status: int, document: Mapping[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = _handle  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Say nothing: the numbers are in /stats."""
