"""The emulator's web side on real sockets: HTTPS and WebSockets on the port of MQTT, asked by foreign clients."""

import base64
import http.client
import json
import os
import random
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from integration import emulator_client
from integration.emulator_client import WITHIN_S, Client
from integration.emulator_thread import Running, options, starter
from wsproto import ConnectionType, WSConnection
from wsproto import events as ws

from engine.emulator.mqtt import encode
from engine.emulator.packet import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
)
from engine.emulator.service import Where
from engine.protocol import adr, credentials, dps, hub, issuing, sas, x509
from engine.protocol.mqtt import WEBSOCKET_PATH, WEBSOCKET_PROTOCOL

NAMESPACE = adr.Namespace("sub-1", "group-1", "ns-1", "eastus")
type Key = tuple[x509.PrivateKey, tuple[bytes, ...]]
type Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """A starter of emulators on free ports, which all end with the test."""
    with starter(tmp_path) as run:
        yield run


class Browser:
    """The standard library's HTTP client on one connection."""

    def __init__(self, running: Running, identity: Key | None = None) -> None:
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", running.emulator.port, timeout=WITHIN_S, context=running.context(identity)
        )

    def ask(self, method: str, target: str, body: object = None, **headers: str) -> Answer:
        """Status, headers by lower-case name, and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, target, body, named)  # type: ignore[arg-type]
        answer = self.connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


class WebClient(Client):
    """A device whose packets go through a WebSocket of wsproto's, every byte a frame of its own if need be."""

    def __init__(self, running: Running, context: ssl.SSLContext, *, frame_bytes: int = 10_000) -> None:
        super().__init__("127.0.0.1", running.emulator.port, context)
        self.protocol, self.frame_bytes = WSConnection(ConnectionType.CLIENT), frame_bytes
        self.closed_by: int | None = None
        self.pongs: list[bytes] = []
        asked = ws.Request(host="127.0.0.1", target=WEBSOCKET_PATH, subprotocols=[WEBSOCKET_PROTOCOL])
        self._tls.sendall(self.protocol.send(asked))
        while not isinstance(event := next(self._events(), None), ws.AcceptConnection):
            assert event is None, event
        assert event.subprotocol == WEBSOCKET_PROTOCOL

    def tell(self, *events: ws.Event) -> None:
        """Send events of the WebSocket, all in one piece."""
        self._tls.sendall(b"".join(self.protocol.send(event) for event in events))

    def send(self, *packets: Packet) -> None:
        data = b"".join(encode(packet) for packet in packets)
        pieces = [data[at : at + self.frame_bytes] for at in range(0, len(data), self.frame_bytes)]
        self.tell(*[ws.BytesMessage(data=piece, message_finished=n % 2 == 1) for n, piece in enumerate(pieces)])

    def receive(self) -> Packet | None:
        while not self._packets and self.closed_by is None:
            for event in self._events():
                match event:
                    case ws.BytesMessage():
                        self._packets += self._decoder.feed(bytes(event.data))
                    case ws.Pong():
                        self.pongs.append(bytes(event.payload))
                    case ws.CloseConnection():
                        self.closed_by = event.code
        return self._packets.pop(0) if self._packets else None

    def _events(self) -> Iterator[ws.Event]:
        try:
            data = self._tls.recv(16384)
        except (ConnectionError, ssl.SSLEOFError):
            data = b""
        self.protocol.receive_data(data or None)
        return self.protocol.events()


def authority(running: Running) -> issuing.Issuer:
    """The onboarding CA, as the ready line tells it."""
    pem = base64.b64decode(str(running.emulator.ready["onboardingCa"]))
    return issuing.read_authority(pem)[0]


def onboarding(running: Running, device_id: str = "d-1", *, age_s: float = 60.0) -> Key:
    """A key and a certificate that proves the device to DPS for two minutes from age_s ago on."""
    issuer, key = authority(running), x509.generate_key(x509.KeyType.EC_P256)
    csr = issuing.read_csr(x509.build_csr(key, device_id))
    begins = time.time() - age_s
    return key, (issuing.issue_leaf(issuer, csr, mark=b"", begins=begins, ends=begins + 120), issuer.der)


def registration(running: Running, device_id: str, rest: str = "/register") -> str:
    return f"/{running.settings.id_scope}/registrations/{device_id}{rest}?api-version=2025-07-01-preview"


def group_key(running: Running) -> bytes:
    return base64.b64decode(str(running.emulator.ready["groupKey"]))


def token(running: Running, device_id: str) -> str:
    resource = dps.sas_resource(running.settings.id_scope, device_id)
    return sas.token(resource, sas.derive_key(group_key(running), device_id), int(time.time()) + 60)


def statistics(running: Running) -> dict[str, object]:
    return running.ask("GET", "/stats")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_share_a_connection_and_the_port(start: Callable[..., Running], version: ssl.TLSVersion) -> None:
    """A page, nothing, and the page again over one connection, beside a device that speaks MQTT."""
    running = start()
    browser = Browser(running)
    browser.connection._context.minimum_version = version  # type: ignore[attr-defined]
    browser.connection._context.maximum_version = version  # type: ignore[attr-defined]
    with running.client(running.context(running.provision("d-1"))) as client:
        assert emulator_client.hub_login(client, "127.0.0.1", "d-1") == 0
        status, headers, body = browser.ask("GET", "/")
        assert (status, headers["content-type"], b"emulator" in body) == (200, "text/html; charset=utf-8", True)
        assert browser.ask("GET", "/healthz")[0] == 404
        assert browser.ask("GET", "/")[0] == 200
        client.send(Pingreq())
        assert client.receive() == Pingresp()
    report = statistics(running)
    assert (report["http.get"], report["dials"], report["closes"]) == (2, 3, {"by peer": 2})


def test_a_device_of_the_registry_lives_and_dies(start: Callable[..., Running]) -> None:
    """Created, asked for until it is there, changed and deleted, with the token that follows from the group key."""
    running = start()
    browser, bearer = Browser(running), f"Bearer {adr.local_token(group_key(running))}"
    target = NAMESPACE.device_url("d-1").removeprefix(NAMESPACE.endpoint)
    body = json.dumps({"location": "eastus", "properties": {"enabled": True}})
    status, headers, _ = browser.ask("PUT", target, body, authorization=bearer, if_none_match="*")
    assert status == 201
    operation = headers["azure-asyncoperation"]
    assert operation.startswith(f"https://127.0.0.1:{running.emulator.port}/subscriptions/")
    asked_at = operation.partition(str(running.emulator.port))[2]
    gives_up = time.monotonic() + WITHIN_S
    while json.loads(browser.ask("GET", asked_at, authorization=bearer)[2])["status"] != "Succeeded":
        assert time.monotonic() < gives_up
    assert browser.ask("PUT", target, body, authorization=bearer, if_none_match="*")[0] == 412
    # An iterator is sent in chunks.
    assert browser.ask("PATCH", target, iter([b'{"properties": ', b'{"a": 1}}']), authorization=bearer)[0] == 202
    assert json.loads(browser.ask("GET", target, authorization=bearer)[2])["properties"]["a"] == 1
    assert browser.ask("GET", target)[0] == 401
    assert browser.ask("DELETE", target, authorization=bearer)[0] == 202
    counted = statistics(running)["adr"]
    assert isinstance(counted, dict)
    assert counted.pop("poll.200") > 1
    assert counted == dict.fromkeys(("create.201", "create.412", "patch.202", "get.200", "get.401", "delete.202"), 1)


@pytest.mark.parametrize("proof", ["token", "certificate"])
def test_a_device_provisions_over_https(start: Callable[..., Running], proof: str) -> None:
    """With a token or with a certificate of the onboarding CA; the chain that it gets opens the hub."""
    running = start()
    key, csr = emulator_client.new_device("d-1")
    browser = Browser(running, onboarding(running) if proof == "certificate" else None)
    headers = {"authorization": token(running, "d-1")} if proof == "token" else {}
    body = dps.register_payload("d-1", csr)
    status, answered, accepted = browser.ask("PUT", registration(running, "d-1"), body, **headers)
    assert (status, answered["retry-after"]) == (202, "1")
    operation = json.loads(accepted)["operationId"]
    status, _, final = browser.ask("GET", registration(running, "d-1", f"/operations/{operation}"), **headers)
    assignment = dps.read_reply(status, final, None).assignment
    assert assignment is not None
    assert running.login((key, assignment.chain), "d-1") == 0
    assert statistics(running)["hub.connects"] == {"127.0.0.1": 1}


def dps_login(running: Running, identity: Key, device_id: str = "d-1") -> int:
    with running.client(running.context(identity)) as client:
        return client.login(device_id, dps.username(running.settings.id_scope, device_id))


def test_onboarding_certificates_open_dps_over_mqtt(start: Callable[..., Running]) -> None:
    """The device's own and a valid one, and no hub; an operational certificate does not open DPS."""
    running = start()
    assert dps_login(running, onboarding(running)) == 0
    assert dps_login(running, onboarding(running, "d-2")) == 5
    assert dps_login(running, onboarding(running, age_s=200.0)) == 5
    assert running.login(onboarding(running), "d-1") == 5
    assert dps_login(running, running.provision("d-1")) == 5
    assert statistics(running)["tls.failed"] == {}


def test_certificates_that_only_look_like_onboarding_are_refused(start: Callable[..., Running], tmp_path: Path) -> None:
    """The onboarding CA of another emulator, with the same name, gets no further than TLS or CONNACK 5."""
    other = start(data=tmp_path / "other")
    running = start(options=options(foreign=Where.CONNACK))
    assert dps_login(running, onboarding(other)) == 5
    strict = start(data=tmp_path / "strict")
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        dps_login(strict, onboarding(other))


@pytest.mark.parametrize("frame_bytes", [1, 10_000])
def test_a_device_lives_in_a_websocket(start: Callable[..., Running], frame_bytes: int) -> None:
    """Provisioning, telemetry, a twin and a renewal, with packets in one frame or one byte in each."""
    running = start()
    key, chain = running.provision("d-1")
    with WebClient(running, running.context((key, chain)), frame_bytes=frame_bytes) as client:
        assert emulator_client.hub_login(client, "127.0.0.1", "d-1") == 0
        client.subscribe(credentials.RESPONSES)
        renewed = emulator_client.renew(client, "d-1", x509.build_csr(key, "d-1"), "abcd-1")
        client.send(Publish(hub.events_topic("d-1"), b"x" * 5000, 1, 5), Pingreq())
        assert (client.receive(), client.receive()) == (Puback(5), Pingresp())
        client.tell(ws.Ping(payload=b"alive?"))
        client.send(Pingreq())
        assert client.receive() == Pingresp()
        assert client.pongs == [b"alive?"]
        client.send(Disconnect())
        assert (client.receive(), client.closed_by) == (None, 1000)
    assert x509.check_chain(renewed, key, time.time()) is None
    report = statistics(running)
    assert (report["websockets"], report["telemetryBytes"], report["closes"]) == (1, 5000, {"asked": 1, "by peer": 1})


def test_dps_is_behind_the_websocket_too(start: Callable[..., Running]) -> None:
    """With a token as password, as devices do behind a firewall."""
    running = start()
    with WebClient(running, running.context()) as client:
        assert client.login("d-1", dps.username(running.settings.id_scope, "d-1"), token(running, "d-1")) == 0
        client.send(Subscribe(1, ((dps.RESPONSES, 1),)), Publish(dps.register_topic("1"), b"{}"))
        assert client.receive() == Suback(1, (1,))
        assert "/202/" in client.expect(Publish).topic


def test_large_telemetry_arrives_through_a_websocket(start: Callable[..., Running]) -> None:
    """256 KiB in one message, which TLS cuts into records."""
    running = start()
    with WebClient(running, running.context(running.provision("d-1")), frame_bytes=1_000_000) as client:
        assert emulator_client.hub_login(client, "127.0.0.1", "d-1") == 0
        client.send(Publish(hub.events_topic("d-1"), os.urandom(256 * 1024), 1, 1))
        assert client.receive() == Puback(1)


def test_a_refused_login_is_told_in_the_websocket(start: Callable[..., Running]) -> None:
    """CONNACK 5, then a close frame."""
    running = start()
    with WebClient(running, running.context()) as client:
        client.send(Connect("d-1", hub.username("127.0.0.1", "d-1")))
        assert client.receive() == Connack(5)
        assert (client.receive(), client.closed_by) == (None, 1000)


def test_garbage_in_a_websocket_ends_it(start: Callable[..., Running]) -> None:
    """What is no MQTT is told with code 1002."""
    running = start()
    with WebClient(running, running.context()) as client:
        client.tell(ws.BytesMessage(data=b"\xff" * 10))
        assert (client.receive(), client.closed_by) == (None, 1002)
    assert statistics(running)["closes"] == {"by peer": 1}


def test_devices_are_dealt_over_hubs(start: Callable[..., Running]) -> None:
    """Each is let in at its own and refused at the other, and the counts say how many came where."""
    names = ("127.0.0.1", "localhost")
    running = start(hubs=names)
    assert running.emulator.ready["hubs"] == list(names)
    dealt = dict.fromkeys(names, 0)
    for device in [f"d-{number}" for number in range(8)]:
        own = running.emulator.service.registry.hub_of(device)
        dealt[own] += 1
        for name in names:
            resource, key = hub.sas_resource(name, device), sas.derive_key(group_key(running), device)
            secret = sas.token(resource, key, int(time.time()) + 60)
            with Client(name, running.emulator.port, running.context()) as client:
                code = client.login(device, hub.username(name, device), secret)
            assert code == (0 if name == own else 5)
    assert 0 < dealt["localhost"] < 8
    assert statistics(running)["hub.connects"] == dealt


def test_too_long_a_body_is_told(start: Callable[..., Running]) -> None:
    """A client that sends everything first still reads the 413, and finds the connection closed."""
    running = start()
    browser = Browser(running)
    status, headers, _ = browser.ask("PUT", "/", bytes(1024 * 1024))
    assert (status, headers["connection"]) == (413, "close")
    assert running.login(running.provision("d-1"), "d-1") == 0


def attack(running: Running, data: bytes) -> None:
    """Send bytes after TLS, and read until the emulator has closed."""
    context, address = running.context(), ("127.0.0.1", running.emulator.port)
    with (
        context.wrap_socket(socket.create_connection(address, WITHIN_S), server_hostname="127.0.0.1") as tls,
        suppress(OSError, ValueError),
    ):
        tls.sendall(data)
        tls.unwrap()


def test_random_bytes_crash_nothing(start: Callable[..., Running]) -> None:
    """Bytes of no protocol, and of each protocol with a few changed: the emulator goes on, and so does its work."""
    running, dice = start(), random.Random(7)
    upgrade = (
        f"GET {WEBSOCKET_PATH} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    ).encode()
    frame = b"\x82\x82\x00\x00\x00\x00\xc0\x00\x89\x80\x00\x00\x00\x00\x88\x82\x00\x00\x00\x00\x03\xe8"
    put = registration(running, "d-1").encode()
    seeds = [
        b"PUT " + put + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\nHost: b\r\n\r\n",
        upgrade + frame,
        encode(Connect("d-1", hub.username("127.0.0.1", "d-1"))) + encode(Pingreq()),
        dice.randbytes(200),
    ]

    def change(number: int) -> bytes:
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(dice.randrange(1, 5)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data[: dice.randrange(1, len(data) + 1)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: attack(running, data), [change(number) for number in range(200)]))
    assert running.thread.is_alive()
    assert Browser(running).ask("GET", "/")[0] == 200
    assert running.login(running.provision("d-9"), "d-9") == 0


def test_peers_that_just_go_leave_nothing_behind(start: Callable[..., Running]) -> None:
    """A reset in the middle of a request, of a body and of a WebSocket."""
    running = start()
    for data in (b"GET / HT", b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nxy"):
        tls = running.context().wrap_socket(
            socket.create_connection(("127.0.0.1", running.emulator.port), WITHIN_S), server_hostname="127.0.0.1"
        )
        tls.sendall(data)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tls.close()
    with WebClient(running, running.context(running.provision("d-1"))) as client:
        assert emulator_client.hub_login(client, "127.0.0.1", "d-1") == 0
    gives_up = time.monotonic() + WITHIN_S
    while running.emulator._loop._links:
        assert time.monotonic() < gives_up
    assert running.emulator.service._chains == {}
