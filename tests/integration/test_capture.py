"""The captured ingestion on real sockets."""

import gzip
import http.client
import json
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.capture import ROOT, WITHIN_S, Endpoint, open_capture, run_capture
from doubles.envelopes import event, metric
from engine.emulator.capture_server import MAX_BODY_BYTES

ITEMS = [event("loadtest.run", status="started"), metric("loadtest.operations")]


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """A capture of this test's own."""
    with open_capture(tmp_path / "items.jsonl") as found:
        yield found


def hang(endpoint: Endpoint) -> socket.socket:
    """The connection of a request that has arrived and waits for its answer for ten minutes."""
    endpoint.script({"hang_s": 600})
    connection = socket.create_connection(("127.0.0.1", endpoint.port), timeout=WITHIN_S)
    body = json.dumps(ITEMS).encode()
    connection.sendall(f"POST /v2.1/track HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    while endpoint.stats()["requests"] == 0:
        pass
    return connection


@pytest.mark.parametrize("path", ["/v2.1/track", "/v2/track", "/v2.1/track?x=1"])
def test_items_are_taken_and_kept(endpoint: Endpoint, path: str) -> None:
    """The answer is the service's, and the file has the items as they came."""
    status, headers, answer = endpoint.ask("POST", path, json.dumps(ITEMS).encode())
    assert (status, answer) == (200, {"itemsReceived": 2, "itemsAccepted": 2, "errors": []})
    assert headers["Content-Type"] == "application/json"
    assert endpoint.items() == ITEMS


def test_gzip_is_taken(endpoint: Endpoint) -> None:
    """As the header says."""
    body = gzip.compress(json.dumps(ITEMS).encode())
    assert endpoint.ask("POST", "/v2.1/track", body, {"Content-Encoding": "gzip"})[0] == 200
    assert endpoint.ask("POST", "/v2.1/track", body)[0] == 400
    assert endpoint.items() == ITEMS


def test_connection_is_used_again(endpoint: Endpoint) -> None:
    """An exporter keeps one for its life."""
    connection = endpoint.connect()
    for _ in range(3):
        connection.request("POST", "/v2.1/track", json.dumps(ITEMS))
        assert connection.getresponse().read()
        assert connection.sock is not None
    assert endpoint.stats()["items"]["kept"] == 6


def test_script_decides_what_comes_next(endpoint: Endpoint) -> None:
    """429 with its header, 500, and then the usual answer; each is counted."""
    endpoint.script({"status": 429, "retryAfter": 2, "times": 2}, {"status": 500})
    answers = [endpoint.track(ITEMS) for _ in range(4)]
    assert [status for status, _, _ in answers] == [429, 429, 500, 200]
    assert [headers.get("Retry-After") for _, headers, _ in answers] == ["2", "2", None, None]
    assert endpoint.stats()["answers"] == {"429": 2, "500": 1, "200": 1}
    assert endpoint.stats()["items"] == {"received": 8, "accepted": 2, "kept": 2}


def test_wrong_script_is_refused(endpoint: Endpoint) -> None:
    """With the path of what is wrong."""
    status, _, answer = endpoint.ask("POST", "/control/script", b'[{"statsu": 429}]')
    assert (status, answer["errors"][0]["path"]) == (400, "/0/statsu")


def test_connection_ends_without_an_answer(endpoint: Endpoint) -> None:
    """The client sees it closed, and the next one is served."""
    endpoint.script({"close": True})
    with pytest.raises(http.client.RemoteDisconnected):
        endpoint.track(ITEMS)
    assert endpoint.track(ITEMS)[0] == 200


def test_who_hangs_keeps_nobody_from_being_served(endpoint: Endpoint) -> None:
    """One request waits for its answer, the next one has it."""
    hung = hang(endpoint)
    assert endpoint.track(ITEMS)[0] == 200
    assert endpoint.stats()["answers"] == {"none": 1, "200": 1}
    assert select.select([hung], [], [], 0)[0] == []
    hung.close()


def test_end_of_the_server_lets_those_go_that_hang(tmp_path: Path) -> None:
    """Their connections end without an answer."""
    with open_capture(tmp_path / "items.jsonl") as endpoint:
        hung = hang(endpoint)
    assert hung.recv(1000) == b""
    hung.close()


def test_body_over_the_limit_is_read_and_refused(endpoint: Endpoint) -> None:
    """The client sees the 413, and not a broken connection."""
    status, headers, _ = endpoint.ask("POST", "/v2.1/track", b" " * (MAX_BODY_BYTES + 1))
    assert (status, headers["Connection"]) == (413, "close")
    assert endpoint.stats()["requests"] == 0


@pytest.mark.parametrize("head", ["Transfer-Encoding: chunked", "Content-Length: -1", "Content-Length: 1e3"])
def test_body_of_unknown_length_is_refused(endpoint: Endpoint, head: str) -> None:
    """No exporter sends one."""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=WITHIN_S) as raw:
        raw.sendall(f"POST /v2.1/track HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode())
        assert raw.makefile("rb").readline() == b"HTTP/1.1 411 Length Required\r\n"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2.1/track"), ("POST", "/v1/track"), ("GET", "/control/x")])
def test_other_paths_are_not_found(endpoint: Endpoint, method: str, path: str) -> None:
    """There is nothing else."""
    assert endpoint.ask(method, path)[0] == 404


def test_client_that_leaves_in_the_middle_is_not_spoken_of(
    endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its items are not taken, and the next client is served."""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=WITHIN_S) as raw:
        raw.sendall(
            b"POST /v2.1/track HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n" + json.dumps(ITEMS[0]).encode()
        )
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(1000) == b""
    assert endpoint.track(ITEMS)[0] == 200
    assert endpoint.items() == ITEMS
    assert capfd.readouterr().err == ""


def test_process_says_where_it_is_and_ends_with_sigterm(tmp_path: Path) -> None:
    """Its ready line is an exporter's connection string, its file begins empty, and it ends with 0."""
    file = tmp_path / "items.jsonl"
    file.write_text("{}\n")
    with run_capture(file, "--port", "0") as (process, endpoint):
        assert endpoint.ready["ready"] is True
        assert f"IngestionEndpoint=http://127.0.0.1:{endpoint.port}/" in endpoint.connection_string
        endpoint.script({"status": 200}, {"hang_s": 600})
        assert endpoint.track(ITEMS)[0] == 200
        hung = endpoint.connect()
        hung.request("POST", "/v2.1/track", b"[]")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    assert endpoint.items() == ITEMS


def test_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A port that is taken, a file in no folder: one line, and 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, told in (
            (["--port", port, "--file", str(tmp_path / "x")], f"cannot listen on 127.0.0.1:{port}"),
            (["--port", "70000", "--file", str(tmp_path / "x")], "cannot listen on 127.0.0.1:70000"),
            (["--file", str(tmp_path / "none" / "x")], "cannot be written: No such file or directory"),
        ):
            command = [sys.executable, "-m", "engine", "capture", *options]
            ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
            assert (ended.returncode, ended.stdout) == (1, "")
            assert told in ended.stderr
            assert len(ended.stderr.splitlines()) == 1
