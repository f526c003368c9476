"""Asking the emulator what it counted."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.adapters.counters import read_counters


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """An address of loopback at which one request gets these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(10)
                peer.recv(65_536)
                peer.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def http(body: bytes, status: str = "200 OK") -> bytes:
    """An HTTP answer."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status.encode(), len(body), body)


def test_counts_are_read() -> None:
    """By name, kinds included."""
    with answering(http(b'{"connects": 3, "cert": {"200": 1}}')) as control:
        assert read_counters(control) == {"connects": 3, "cert": {"200": 1}}


def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator is on this machine, whatever the way to the outside is."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with answering(http(b"{}")) as control:
        assert read_counters(control) == {}


@pytest.mark.parametrize(
    "reply",
    [
        http(b"", "500 Internal Server Error"),
        http(b"not JSON"),
        http(b"[1]"),
        http(b"\xff"),
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    ],
)
def test_answer_that_makes_no_sense_is_none(reply: bytes) -> None:
    """The run does not depend on it."""
    with answering(reply) as control:
        assert read_counters(control) is None


def test_emulator_that_is_gone_is_none() -> None:
    """Nobody listens there any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert read_counters(f"http://127.0.0.1:{port}") is None
