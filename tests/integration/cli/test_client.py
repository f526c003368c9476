"""The HTTP API asked, against a server that answers what it is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from engine.cli.client import Api
from engine.cli.errors import CommandFailed, Refused, SpecRefused, Unreachable
from engine.cli.processes import free_ports
from engine.errors import Problem


class Answering(BaseHTTPRequestHandler):
    """Answers as its server says, and notes what it was asked."""

    def do_GET(self):
        """Any GET."""
        self._answer()

    def do_POST(self):
        """Any POST."""
        self._answer()

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, self.headers.get("Idempotency-Key"), body))
        self.server.keys.append(self.headers.get("x-functions-key"))
        status, answer = self.server.says
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def server():
    """A server on a port of its own; `says` is its answer, `asked` what came."""
    with HTTPServer(("127.0.0.1", 0), Answering) as found:
        found.says, found.asked, found.keys = (200, b"{}"), [], []
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def api(server):
    """An API of that server."""
    return Api(f"http://127.0.0.1:{server.server_address[1]}/")


def refusal(status, **body):
    """An answer that refuses."""
    return status, json.dumps(body).encode()


def test_run_is_posted_under_its_id(api, server):
    """The id goes where the host looks for it."""
    server.says = (202, b'{"runId": "run-1"}')
    assert api.post_run(b'{"scenario": "provision"}', "run-1") == {"runId": "run-1"}
    assert server.asked == [("POST", "/api/runs", "run-1", b'{"scenario": "provision"}')]


def test_run_without_an_id_sends_none(api, server):
    """The host makes one up."""
    api.post_run(b"{}", None)
    assert server.asked[0][2] is None


def test_calls_go_where_the_product_says(api, server):
    """One path each."""
    api.look("run-1")
    api.cancel("run-1")
    api.resume("run-1")
    api.compare("run-1", None)
    api.compare("run-1", "name:x&y")
    for name in ("summary.json", "timeline.csv", "report.md"):
        api.document("run-1", name)
    assert [(method, path) for method, path, *_ in server.asked] == [
        ("GET", "/api/runs/run-1"),
        ("POST", "/api/runs/run-1/cancel"),
        ("POST", "/api/runs/run-1/resume"),
        ("GET", "/api/runs/run-1/compare"),
        ("GET", "/api/runs/run-1/compare?to=name%3Ax%26y"),
        ("GET", "/api/runs/run-1/results"),
        ("GET", "/api/runs/run-1/intervals"),
        ("GET", "/api/runs/run-1/report"),
    ]


def test_run_id_stays_in_its_place(api, server):
    """An id with a slash asks for no other path."""
    api.look("../runs?x=1")
    assert server.asked[0][1] == "/api/runs/..%2Fruns%3Fx%3D1"


def test_live_runs_are_those_not_finished(api, server):
    """Finished ones need no attention."""
    runs = [{"runId": "run-1", "state": "finished"}, {"runId": "run-2", "state": "merging"}]
    server.says = (200, json.dumps({"runs": runs}).encode())
    assert api.live_runs() == ["run-2"]


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_refused_spec_carries_every_problem(api, server, status):
    """What the host says is kept, for a table."""
    problem = {"path": "/load/rate", "message": "needed", "allowed": "> 0"}
    server.says = refusal(status, code="spec-invalid", message="bad", errors=[problem])
    with pytest.raises(SpecRefused) as refused:
        api.post_run(b"{}", None)
    assert refused.value.problems == (Problem("/load/rate", "needed", "> 0"),)
    assert (refused.value.status, refused.value.reason) == (status, "spec-invalid")


@pytest.mark.parametrize("status", [429, 503])
def test_busy_host_is_one_to_ask_again(api, server, status):
    """Storage that is away comes back."""
    server.says = refusal(status, code="store-unavailable", message="blobs: refused", errors=[])
    with pytest.raises(Unreachable, match="store-unavailable: blobs: refused"):
        api.look("run-1")


def test_unknown_run_is_refused(api, server):
    """The host's words are the message."""
    server.says = refusal(404, code="not-found", message="no such run", errors=[])
    with pytest.raises(Refused, match="no such run") as refused:
        api.look("run-1")
    assert not isinstance(refused.value, SpecRefused)


def test_broken_host_is_told_by_its_status(api, server):
    """An answer that is no JSON is no traceback."""
    server.says = (500, b"<h1>oops</h1>")
    with pytest.raises(Refused, match="answered 500"):
        api.post_run(b"{}", None)


@pytest.mark.parametrize("body", [b"hello", b"[]", b""])
def test_answer_that_is_no_object_is_told(api, server, body):
    """Whatever listens there, it is not our host."""
    server.says = (200, body)
    with pytest.raises(CommandFailed, match="no JSON object"):
        api.look("run-1")


def test_host_that_is_not_there_is_unreachable():
    """The message names it."""
    [port] = free_ports(1)
    with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port} does not answer"):
        Api(f"http://127.0.0.1:{port}").look("run-1")


def test_key_goes_with_every_call(server):
    """Where there is one; without it nothing is sent."""
    url = f"http://127.0.0.1:{server.server_address[1]}"
    for api in (Api(url, key="the-key"), Api(url)):
        api.look("run-1")
    assert server.keys == ["the-key", None]


def test_key_is_not_sent_in_the_clear():
    """But to this machine."""
    with pytest.raises(CommandFailed, match="CERTFLEET_KEY is not sent without TLS"):
        Api("http://certfleet.example", key="the-key")
    Api("https://certfleet.example", key="the-key")


def test_redirect_gets_no_key(server):
    """It is told as it is, and nobody else is asked."""
    server.says = (302, b"")
    with pytest.raises(Refused, match="answered 302"):
        Api(f"http://127.0.0.1:{server.server_address[1]}", key="the-key").look("run-1")
    assert len(server.asked) == 1


def test_loopback_is_asked_past_a_proxy(api, monkeypatch):
    """A proxy could not reach this machine."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert api.look("run-1") == {}


@pytest.mark.parametrize("url", ["127.0.0.1:7071", "file:///etc/passwd", "http://"])
def test_url_that_is_none_is_refused(url):
    """Only http and https lead to a host."""
    with pytest.raises(CommandFailed, match="not the URL of a host"):
        Api(url)
