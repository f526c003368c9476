"""The emulator on real sockets: TLS, its ports, its process."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from integration import emulator_client
from integration.emulator_client import Client
from integration.emulator_thread import Running, options, starter

from engine.emulator.faults import Fault, Faults
from engine.emulator.packet import Connack, Connect, Pingreq, Pingresp, Puback, Publish, Subscribe
from engine.emulator.server import main
from engine.emulator.service import Where
from engine.protocol import credentials, hub, x509

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """A starter of emulators on free ports, which all end with the test."""
    with starter(tmp_path) as run:
        yield run


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_device_provisions_connects_and_renews(start: Callable[..., Running], version: ssl.TLSVersion) -> None:
    """The whole way over both versions of TLS, and the new certificate is accepted."""
    running = start()
    key, chain = running.provision("d-1")
    context = running.context((key, chain))
    context.minimum_version = context.maximum_version = version
    with running.client(context) as client:
        assert emulator_client.hub_login(client, "127.0.0.1", "d-1") == 0
        client.subscribe(credentials.RESPONSES)
        renewed = emulator_client.renew(client, "d-1", x509.build_csr(key, "d-1"), "abcd-1")
        client.send(Publish(hub.events_topic("d-1"), b"{}", 1, 5), Pingreq())
        assert (client.receive(), client.receive()) == (Puback(5), Pingresp())
    assert x509.check_chain(renewed, key, time.time()) is None
    assert x509.check_signatures(renewed) is None
    assert renewed[0] != chain[0]
    assert running.login((key, renewed), "d-1") == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(start: Callable[..., Running]) -> None:
    """Nothing below 1.2."""
    running = start()
    context = running.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        running.client(context)


def test_certificates_outlive_a_restart(start: Callable[..., Running]) -> None:
    """A second emulator over the same directory knows the devices and the trust of the first."""
    first = start()
    identity, ready = first.provision("d-1"), first.emulator.ready
    first.stop()
    second = start()
    assert second.emulator.ready["groupKey"] == ready["groupKey"]
    assert second.login(identity, "d-1") == 0
    assert second.login(identity, "d-2") == 5


def test_revoked_certificates_are_refused_for_good(start: Callable[..., Running]) -> None:
    """After the call, after a restart, and until the device provisions again."""
    first = start()
    identity = first.provision("d-1")
    assert first.ask("POST", "/revoke", '{"deviceId": "d-1"}') == {"deviceId": "d-1", "revocations": 1}
    assert first.login(identity, "d-1") == 5
    first.stop()
    second = start()
    assert second.login(identity, "d-1") == 5
    assert second.login(second.provision("d-1"), "d-1") == 0


def test_expired_certificates_are_refused_by_the_hub(start: Callable[..., Running]) -> None:
    """TLS succeeds, and CONNACK says 5; the same for one that has not begun."""
    running, now = start(), time.time()
    assert running.login(running.forge(begins=now - 60, ends=now + 60), "d-1") == 0
    assert running.login(running.forge(begins=now - 120, ends=now - 60), "d-1") == 5
    assert running.login(running.forge(begins=now + 60, ends=now + 120), "d-1") == 5
    assert running.emulator.service.report()["tls.failed"] == {}


def test_expired_certificates_can_be_refused_by_tls(start: Callable[..., Running]) -> None:
    """The other reading of the documents."""
    running, now = start(options=options(expired=Where.ALERT)), time.time()
    assert refused_by_tls(running, running.forge(begins=now - 120, ends=now - 60))
    assert running.login(running.forge(begins=now - 60, ends=now + 60), "d-1") == 0


def test_foreign_certificates_are_refused_by_tls(start: Callable[..., Running], tmp_path: Path) -> None:
    """A chain of another authority never gets to CONNECT."""
    running, now = start(), time.time()
    other = start(data=tmp_path / "other")
    assert refused_by_tls(running, other.forge(begins=now - 60, ends=now + 60))


def test_foreign_certificates_can_be_refused_by_the_hub(start: Callable[..., Running], tmp_path: Path) -> None:
    """The other switch: TLS succeeds, and CONNACK says 5."""
    running, now = start(options=options(foreign=Where.CONNACK)), time.time()
    other = start(data=tmp_path / "other")
    assert running.login(other.forge(begins=now - 60, ends=now + 60), "d-1") == 5


def refused_by_tls(running: Running, identity: tuple[x509.PrivateKey, tuple[bytes, ...]]) -> bool:
    """Whether the handshake fails; with TLS 1.3 a client sees that when it reads."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = running.context(identity)
        context.minimum_version = context.maximum_version = version
        try:
            with running.client(context) as client:
                client.send(Connect("d-1", hub.username("127.0.0.1", "d-1")))
                if client.receive() is not None:
                    return False
        except (ssl.SSLError, ConnectionError):
            continue
    return True


def test_garbage_ends_the_connection_and_nothing_else(start: Callable[..., Running]) -> None:
    """Bytes that are no TLS, bytes that are no MQTT, and a peer that just goes."""
    running = start()
    with socket.create_connection(("127.0.0.1", running.emulator.port)) as plain:
        plain.settimeout(10)
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            while plain.recv(1000):
                pass
    socket.create_connection(("127.0.0.1", running.emulator.port)).close()
    with running.client(running.context()) as client:
        client._tls.sendall(b"\xff" * 100)
        assert client.receive() is None
    assert running.login(running.provision("d-1"), "d-1") == 0
    assert running.emulator.service.report()["tls.failed"] != {}


def test_a_newer_connection_takes_over(start: Callable[..., Running]) -> None:
    """The older one is closed, on the wire too."""
    running = start()
    identity = running.provision("d-1")
    with running.client(running.context(identity)) as older, running.client(running.context(identity)) as newer:
        assert emulator_client.hub_login(older, "127.0.0.1", "d-1") == 0
        assert emulator_client.hub_login(newer, "127.0.0.1", "d-1") == 0
        assert older.receive() is None
        newer.send(Pingreq())
        assert newer.receive() == Pingresp()


def test_large_telemetry_arrives(start: Callable[..., Running]) -> None:
    """256 KiB in one message, in as many pieces as the network likes."""
    running = start()
    with running.client(running.context(running.provision("d-1"))) as client:
        assert emulator_client.hub_login(client, "127.0.0.1", "d-1") == 0
        client.send(Publish(hub.events_topic("d-1"), bytes(256 * 1024), 1, 1))
        assert client.receive() == Puback(1)
    assert running.emulator.service.report()["telemetryBytes"] == 256 * 1024


def test_slow_readers_get_all_or_are_cut_off(start: Callable[..., Running]) -> None:
    """Two megabytes wait for the reader; what piles up without end is thrown away, and counted."""
    running = start()
    with running.client(running.context(running.provision("d-1"))) as client:
        assert emulator_client.hub_login(client, "127.0.0.1", "d-1") == 0
        client.subscribe("$iothub/twin/res/#")
        patch = b'{"a": "' + b"x" * 200_000 + b'"}'
        client.send(Publish("$iothub/twin/PATCH/properties/reported/?$rid=1", patch))
        assert "/204/" in client.expect(Publish).topic
        get = Publish("$iothub/twin/GET/?$rid=1", b"")
        client.send(*[get] * 10)
        assert all(len(client.expect(Publish).payload) > 200_000 for _ in range(10))
        assert running.emulator.service.report()["undelivered"] == 0
        client.send(*[get] * 200)
        gives_up = time.monotonic() + 30
        while running.ask("GET", "/stats")["undelivered"] == 0:
            assert time.monotonic() < gives_up


def test_dropped_connections_get_their_certificate(start: Callable[..., Running]) -> None:
    """202, the end of the connection, and 200 after the next subscription."""
    running = start(options=options(faults=Faults({Fault.DROPPED: 1.0}, issue_delay_s=0.02)))
    identity = running.provision("d-1")
    with running.client(running.context(identity)) as client:
        emulator_client.hub_login(client, "127.0.0.1", "d-1")
        client.subscribe(credentials.RESPONSES)
        payload = credentials.request_payload("d-1", x509.build_csr(identity[0], "d-1"))
        client.send(Publish(credentials.request_topic("abcd"), payload))
        assert "/202/" in client.expect(Publish).topic
        assert client.receive() is None
    with running.client(running.context(identity)) as client:
        emulator_client.hub_login(client, "127.0.0.1", "d-1")
        client.subscribe(credentials.RESPONSES)
        assert "/200/" in client.expect(Publish).topic


def test_many_devices_are_counted_exactly(start: Callable[..., Running]) -> None:
    """Sixty devices at once: every number of the emulator is the devices' own."""
    running, count = start(options=options(faults=Faults({Fault.THROTTLED: 0.3}, issue_delay_s=0.01))), 60

    def live(number: int) -> str:
        device_id = f"d-{number}"
        key, chain = running.provision(device_id)
        with running.client(running.context((key, chain))) as client:
            assert emulator_client.hub_login(client, "127.0.0.1", device_id) == 0
            client.subscribe(credentials.RESPONSES)
            payload = credentials.request_payload(device_id, x509.build_csr(key, device_id))
            client.send(Publish(credentials.request_topic("abcd"), payload), Publish(hub.events_topic(device_id), b"x"))
            last = client.expect(Publish)
            return (client.expect(Publish) if "/202/" in last.topic else last).topic

    with ThreadPoolExecutor(8) as pool:
        topics = list(pool.map(live, range(count)))
    throttled = sum("/429/" in topic for topic in topics)
    report = running.emulator.service.report()
    assert 0 < throttled < count
    assert report["cert"] == {
        "200": count - throttled,
        "202": count - throttled,
        "429": throttled,
        "requests": count,
    }
    assert (report["dials"], report["connacks"], report["telemetry"]) == (2 * count, {"0": 2 * count}, count)
    assert (report["undelivered"], report["tls.failed"]) == (0, {})


def test_the_control_port_changes_faults(start: Callable[..., Running]) -> None:
    """A fault put over HTTP is the next answer's."""
    running = start()
    identity = running.provision("d-1")
    assert running.ask("GET", "/healthz") == {"status": "ok"}
    assert running.ask("PUT", "/faults", '{"server": 1}')["server"] == 1.0
    with running.client(running.context(identity)) as client:
        emulator_client.hub_login(client, "127.0.0.1", "d-1")
        client.subscribe(credentials.RESPONSES)
        client.send(Publish(credentials.request_topic("abcd"), credentials.request_payload("d-1", b"x")))
        assert "/503/" in client.expect(Publish).topic
    for body in ('{"flood": 1}', "x" * 70_000):
        with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)):
            running.ask("PUT", "/faults", body)
    assert running.ask("GET", "/stats")["cert"] == {"503": 1, "requests": 1}


def test_a_refused_login_is_told_before_the_end(start: Callable[..., Running]) -> None:
    """CONNACK 5 arrives although more was sent behind the CONNECT."""
    running = start()
    with running.client(running.context()) as client:
        client.send(Connect("d-1", hub.username("127.0.0.1", "d-1")), Subscribe(1, ((credentials.RESPONSES, 1),)))
        assert client.receive() == Connack(5)
        assert client.receive() is None


# The program.


def command(*arguments: str) -> list[str]:
    code = "import sys; from engine.emulator.server import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", code, *arguments]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_that_it_is_ready_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """One line of JSON on stdout, then service, then exit code 0 with nothing on stderr."""
    arguments = command("--port", "0", "--control-port", "0", "--data", str(tmp_path), "--hub", "127.0.0.1")
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert list(ready) == [
            *("ready", "host", "port", "hubs", "idScope", "groupKey", "onboardingCa", "caFile", "control")
        ]
        with Client("127.0.0.1", ready["port"], emulator_client.make_context(ready["caFile"])) as client:
            assert client.login("d-1", "nobody") == 5
        with urllib.request.urlopen(f"{ready['control']}/stats", timeout=10) as answer:
            assert json.load(answer)["connacks"] == {"5": 1}
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_taken_port_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and nothing on stdout."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--data", str(tmp_path)]) == 1
        assert main(["--port", "0", "--control-port", str(port), "--data", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert all(str(port) in line and "in use" in line for line in err.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--host", "example.com"], "--allow-remote"),
        (["--faults", '{"flood": 1}'], "flood"),
        (["--quotas", "[]"], "quotas"),
        (["--group-key", "???"], "base64"),
    ],
)
def test_wrong_options_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit code 1, before anything listens."""
    assert main(["--port", "0", "--data", str(tmp_path), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert words in err
