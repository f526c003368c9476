"""The HTTP API asked, against a server that answers what it is told."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine.cli.client import Api
from engine.cli.errors import CommandFailed, Refused, SpecRefused, Unreachable
from engine.cli.processes import free_ports
from engine.emulator.vault import open_vault
from engine.errors import Problem
from engine.protocol import issuing


class Answering(BaseHTTPRequestHandler):
    """Answers as its server says, and notes what it was asked."""

    def do_GET(self):
        """Any GET."""
        self._answer()

    def do_POST(self):
        """Any POST."""
        self._answer()

    def do_PUT(self):
        """Any PUT."""
        self._answer()

    def do_DELETE(self):
        """Any DELETE."""
        self._answer()

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, self.headers.get("Idempotency-Key"), body))
        self.server.keys.append(self.headers.get("x-functions-key"))
        self.server.tokens.append(self.headers.get("Authorization"))
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
        found.says, found.asked, found.keys, found.tokens = (200, b"{}"), [], [], []
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
    for name in ("summary.json", "timeline.csv", "report.md", "report.html"):
        api.document("run-1", name)
    assert [(method, path) for method, path, *_ in server.asked] == [
        ("GET", "/api/runs/run-1"),
        ("POST", "/api/runs/run-1/cancel"),
        ("POST", "/api/runs/run-1/resume"),
        ("GET", "/api/runs/run-1/compare"),
        ("GET", "/api/runs/run-1/compare?to=name%3Ax%26y"),
        ("GET", "/api/runs/run-1/results"),
        ("GET", "/api/runs/run-1/intervals"),
        ("GET", "/api/runs/run-1/report?format=md"),
        ("GET", "/api/runs/run-1/report"),
    ]


def test_lists_and_schedules_are_where_the_product_says(api, server):
    """And what is deleted is nothing to read."""
    api.runs({})
    api.runs({"label": "team=iot", "next": "run-9"})
    api.estimate(b"{}")
    api.delete_devices("run-1")
    api.schedules()
    api.schedule("nightly")
    api.put_schedule("nightly", {"cron": "x"})
    server.says = (204, b"")
    api.delete_run("run-1")
    api.delete_schedule("nightly")
    assert [(method, path) for method, path, *_ in server.asked] == [
        ("GET", "/api/runs"),
        ("GET", "/api/runs?label=team%3Diot&next=run-9"),
        ("POST", "/api/runs?dryRun=true"),
        ("DELETE", "/api/runs/run-1/devices"),
        ("GET", "/api/schedules"),
        ("GET", "/api/schedules/nightly"),
        ("PUT", "/api/schedules/nightly"),
        ("DELETE", "/api/runs/run-1"),
        ("DELETE", "/api/schedules/nightly"),
    ]
    assert server.asked[6][3] == b'{"cron": "x"}'


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


def test_refused_spec_carries_the_limit_in_the_way(api, server):
    """By the estimate as by the run."""
    limit = {"name": "MAX_DEVICES", "value": "5", "need": "7", "unit": "devices", "source": "a setting"}
    server.says = refusal(422, code="over-quota", message="too many", errors=[], limit=limit)
    for ask in (lambda: api.post_run(b"{}", None), lambda: api.estimate(b"{}"), lambda: api.put_schedule("x", {})):
        with pytest.raises(SpecRefused, match="too many") as refused:
            ask()
        assert refused.value.limit == limit


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


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_of_who_asks_says_what_to_do(server, status):
    """The Functions host has no words for it; what was sent is named, and never shown."""
    url = f"http://127.0.0.1:{server.server_address[1]}"
    server.says = (status, b"")
    with pytest.raises(Refused, match=f"answered {status}; set CERTFLEET_KEY to a function key, or CERTFLEET_TOKEN"):
        Api(url).look("run-1")
    with pytest.raises(Refused, match="CERTFLEET_KEY did not help") as refused:
        Api(url, key="the-key").look("run-1")
    assert "the-key" not in str(refused.value)


def test_somebody_else_behind_the_url_is_told(api, server):
    """A page of another server's is no answer of ours."""
    server.says = (404, b"<h1>not here</h1>")
    with pytest.raises(Refused, match="answered 404, in words that are not certfleet's: is it behind"):
        api.look("run-1")


def test_token_is_not_sent_in_the_clear(server):
    """Not even to this machine, which asks nobody who they are."""
    Api(f"http://127.0.0.1:{server.server_address[1]}", token="the-token").look("run-1")
    assert server.tokens == [None]
    with pytest.raises(CommandFailed, match="CERTFLEET_TOKEN is not sent without TLS"):
        Api("http://certfleet.example", token="the-token")


def test_token_goes_with_every_call_over_tls(server, tmp_path, monkeypatch):
    """As the platform expects it."""
    vault, own = open_vault(tmp_path, time.time()), tmp_path / "own.pem"
    made = issuing.new_server(vault.server_root, ["localhost"], now=time.time())
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own.write_bytes(key + issuing.to_pem(made.der))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(vault.ca_file))
    for token in ("the-token", "Bearer the-token"):
        Api(f"https://localhost:{server.server_address[1]}", token=token, key="the-key").look("run-1")
    assert (server.tokens, server.keys) == (["Bearer the-token"] * 2, ["the-key"] * 2)


@pytest.mark.parametrize("secret", ["two words", "line\nline", "schlüssel"])
@pytest.mark.parametrize(("name", "variable"), [("key", "CERTFLEET_KEY"), ("token", "CERTFLEET_TOKEN")])
def test_secret_that_no_header_can_carry_is_refused(secret, name, variable):
    """The message names the variable, and not what it holds."""
    with pytest.raises(CommandFailed, match=f"{variable} is no") as refused:
        Api("https://certfleet.example", **{name: secret})
    assert secret not in str(refused.value)


def test_token_in_its_json_is_refused():
    """What the tool prints unless it is told otherwise; what to tell it is said."""
    with pytest.raises(CommandFailed, match="expected what `az account get-access-token --query accessToken"):
        Api("https://certfleet.example", token='{"accessToken":"x"}')


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


@pytest.mark.parametrize(
    "url", ["https://x.example/?code=hidden", "https://me:hidden@x.example", "https://x.example/#hidden"]
)
def test_url_with_more_than_a_host_is_not_repeated(url):
    """It may hold a key."""
    with pytest.raises(CommandFailed, match="more than a host") as refused:
        Api(url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:7071", "file:///etc/passwd", "http://", "http://x.example:port", "http://[::1"]
)
def test_url_that_is_none_is_refused(url):
    """Only http and https lead to a host."""
    with pytest.raises(CommandFailed, match="not the URL of a host"):
        Api(url)
