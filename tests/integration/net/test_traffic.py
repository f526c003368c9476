"""The bytes that cross a wire, counted by the kernel and by somebody in between."""

import contextlib
import socket
import threading

from integration.net.caller import BIG, Caller
from integration.net.web_server import HttpServer

from engine.ports import Traffic
from engine.protocol import http
from engine.protocol.mqtt import Disconnect, Disconnected

PATIENT_S = 20


class Relay:
    """Stands between a client and a server, and counts what it passes on."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent = self.received = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def join(self) -> None:
        """Wait until the one client has left."""
        for thread in self._threads:
            thread.join(PATIENT_S)
            assert not thread.is_alive()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._to))
        self._threads.append(threading.Thread(target=self._pass_on, args=(server, client, "received"), daemon=True))
        self._threads[-1].start()
        self._pass_on(client, server, "sent")

    def _pass_on(self, source: socket.socket, sink: socket.socket, count: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                setattr(self, count, getattr(self, count) + len(data))
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def test_wire_counts_what_crosses_its_sockets(caller: Caller, server) -> None:
    """Handshake and records of TLS included; what was counted stays when the connection is gone."""
    assert caller.wire.traffic == Traffic()
    with Relay(server.port) as relay:
        caller.up(1, relay.port)
        caller.publish_and_hear(1, "echo/x", bytes(BIG))
        now = caller.wire.traffic
        assert (now.received, now.sent > BIG, now.received > BIG) == (relay.received, True, True)
        caller.wire.send(1, Disconnect())
        caller.next(1, Disconnected)
        relay.join()
        left = caller.wire.traffic
        assert (left.sent, left.received >= now.received) == (relay.sent, True)
        assert caller.wire.open_connections == 0


def test_requests_count_too(caller: Caller, authority) -> None:
    """On a connection that is kept, and after the wire is closed."""
    with HttpServer(authority) as web, Relay(web.port) as relay:
        caller.ask(1, f"https://localhost:{relay.port}/echo", "PUT", body=b"x" * 1000)
        caller.next(1, http.Responded)
        assert caller.wire.traffic.received == relay.received > 1000
        caller.wire.close()
        relay.join()
        assert caller.wire.traffic.sent == relay.sent > 1000
