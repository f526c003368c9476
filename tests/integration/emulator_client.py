"""A device by hand: blocking TLS from the standard library, and packets written and read one by one."""

import base64
import os
import socket
import ssl
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from engine.emulator.mqtt import Decoder, encode
from engine.emulator.packet import Connack, Connect, Packet, Publish, Suback, Subscribe
from engine.protocol import credentials, dps, hub, sas, x509

WITHIN_S = 20.0


def make_context(ca_file: str) -> ssl.SSLContext:
    """TLS that trusts one CA."""
    return ssl.create_default_context(cafile=ca_file)


def pem(label: str, der: bytes) -> str:
    """The bytes as PEM text."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def present(context: ssl.SSLContext, key: bytes, chain: Sequence[bytes]) -> None:
    """Have the context present a client certificate."""
    text = pem("PRIVATE KEY", key) + "".join(pem("CERTIFICATE", der) for der in chain)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        os.chmod(file.name, 0o600)
        file.write(text)
        file.flush()
        context.load_cert_chain(file.name)


class Client:
    """One connection."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._tls = context.wrap_socket(socket.create_connection((host, port), WITHIN_S), server_hostname=host)
        self._tls.settimeout(WITHIN_S)
        self._decoder = Decoder()
        self._packets: list[Packet] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tls.close()

    def send(self, *packets: Packet) -> None:
        """Write packets, all in one piece."""
        self._tls.sendall(b"".join(encode(packet) for packet in packets))

    def receive(self) -> Packet | None:
        """The next packet, None when the peer closed."""
        while not self._packets:
            try:
                data = self._tls.recv(16384)
            except (ConnectionError, ssl.SSLEOFError):
                data = b""
            if not data:
                return None
            self._packets += self._decoder.feed(data)
        return self._packets.pop(0)

    def expect[T: Packet](self, kind: type[T]) -> T:
        """The next packet, which must be of that kind."""
        packet = self.receive()
        assert isinstance(packet, kind), packet
        return packet

    def login(self, client_id: str, username: str, password: str | None = None, *, clean: bool = True) -> int:
        """The CONNACK's code."""
        secret = None if password is None else password.encode()
        self.send(Connect(client_id, username, secret, clean_session=clean))
        return self.expect(Connack).return_code

    def subscribe(self, topic: str) -> None:
        """Subscribe, and see that it is granted."""
        self.send(Subscribe(1, ((topic, 1),)))
        assert self.expect(Suback).granted == (1,)


def provision(
    host: str, port: int, context: ssl.SSLContext, *, id_scope: str, group_key: bytes, device_id: str, csr: bytes | None
) -> dps.Assignment:
    """The assignment of a device that proves itself by its derived key."""
    resource = dps.sas_resource(id_scope, device_id)
    token = sas.token(resource, sas.derive_key(group_key, device_id), 4_000_000_000, sas.POLICY)
    with Client(host, port, context) as client:
        assert client.login(device_id, dps.username(id_scope, device_id), token) == 0
        client.subscribe(dps.RESPONSES)
        client.send(Publish(dps.register_topic("1"), dps.register_payload(device_id, csr)))
        while True:
            answer = client.expect(Publish)
            reply = dps.parse_reply(answer.topic, answer.payload)
            assert reply.failure is None, reply
            if reply.assignment is not None:
                return reply.assignment
            client.send(Publish(dps.poll_topic("1", reply.operation_id), b""))


def renew(client: Client, device_id: str, csr: bytes, rid: str) -> tuple[bytes, ...]:
    """The chain that a connected and subscribed device is issued."""
    client.send(Publish(credentials.request_topic(rid), credentials.request_payload(device_id, csr)))
    accepted = client.expect(Publish)
    assert isinstance(credentials.parse_response(accepted.topic, accepted.payload), credentials.Accepted)
    issued = client.expect(Publish)
    answer = credentials.parse_response(issued.topic, issued.payload)
    assert isinstance(answer, credentials.Issued)
    return answer.chain


def new_device(device_id: str) -> tuple[x509.PrivateKey, bytes]:
    """A key and a request for a certificate."""
    key = x509.generate_key(x509.KeyType.EC_P256)
    return key, x509.build_csr(key, device_id)


def hub_login(client: Client, name: str, device_id: str, *, clean: bool = True) -> int:
    """The CONNACK's code of a hub for a device with a certificate."""
    return client.login(device_id, hub.username(name, device_id), clean=clean)
