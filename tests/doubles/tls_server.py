"""A small MQTT 3.1.1 server over TLS, on a thread per connection, that misbehaves when a topic asks it to.

`echo/...` is published back, `close` and `reset` end the connection, `raw` writes the payload on the wire as it is.
Everything else is acknowledged. What came in is in `Visit.packets`.
"""

import contextlib
import datetime
import queue
import socket
import ssl
import struct
import threading
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine.protocol.mqtt import Identity

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


class Authority:
    """A root, an intermediate for devices, and whatever certificate a test needs."""

    def __init__(self, folder: Path, name: str = "test-root") -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._issue(name, self._key, days=(-1, 30), is_ca=True)
        self._device_key = ec.generate_private_key(ec.SECP256R1())
        self.device_ca = self._issue(f"{name}-devices", self._device_key, days=(-1, 30), is_ca=True)
        self.ca_file = str(folder / f"{name}.pem")
        Path(self.ca_file).write_bytes(self.root.public_bytes(Encoding.PEM))

    def identity(self, common_name: str) -> Identity:
        """A device's key and chain."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._issue(common_name, key, days=(-1, 30), issuer=(self.device_ca, self._device_key))
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return Identity(der, (leaf.public_bytes(Encoding.DER), self.device_ca.public_bytes(Encoding.DER)))

    def server_files(self, names: tuple[str, ...], days: tuple[int, int]) -> tuple[str, str]:
        """PEM files of a server's certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._issue(names[0], key, days=days, names=names)
        files = self._folder / "server.pem", self._folder / "server.key"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(files[0]), str(files[1])

    def _issue(self, subject, key, *, days, is_ca=False, names=(), issuer=None):
        now = datetime.datetime.now(datetime.UTC)
        issued_by, signing_key = issuer or (None, self._key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(issued_by.subject if issued_by else _name(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(signing_key, hashes.SHA256())


class Visit:
    """One connection, from the server's side."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        certificate = sock.getpeercert()
        subject = dict(pair[0] for pair in certificate["subject"]) if certificate else {}
        self.common_name = subject.get("commonName")
        self.packets: queue.Queue[tuple[int, bytes]] = queue.Queue()

    def next(self, kind: int) -> bytes:
        """The body of the next packet of this kind; others are dropped."""
        while True:
            found, body = self.packets.get(timeout=20)
            if found == kind:
                return body


class TlsServer:
    """Listens on a free port of loopback from construction until close; a context manager."""

    def __init__(
        self,
        authority: Authority,
        *,
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
        days: tuple[int, int] = (-1, 30),
        tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        connack: int | None = 0,
        granted: int | None = None,
        pings: bool = True,
        trusted: Authority | None = None,
        before_tls: str = "",
    ) -> None:
        """connack None closes instead; granted overrides the QoS asked for; trusted demands client certificates.

        before_tls "reset" or "close" ends every connection before its handshake.
        """
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.server_files(names, days))
        self._context.maximum_version = tls
        self._context.minimum_version = tls
        if trusted is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(cadata=trusted.root.public_bytes(Encoding.PEM).decode())
        self._connack, self._granted, self._pings, self._before_tls = connack, granted, pings, before_tls
        self.gate = threading.Event()
        """Nothing is read while it is cleared."""
        self.gate.set()
        self.visits: queue.Queue[Visit] = queue.Queue()
        self._socks: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> "TlsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and every thread."""
        self.gate.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(20)
        with self._lock:
            for sock in self._socks:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # leaves the TLS state to its thread
        for thread in self._threads:
            thread.join(20)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._host, args=(sock,), daemon=True)
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()

    def _host(self, raw: socket.socket) -> None:
        sock = raw
        with self._lock:
            self._socks.add(raw)
        try:
            if self._before_tls:
                _reset(raw) if self._before_tls == "reset" else None
                return
            sock = self._context.wrap_socket(raw, server_side=True)
            with self._lock:
                self._socks = (self._socks - {raw}) | {sock}
            visit = Visit(sock)
            self.visits.put(visit)
            self._talk(visit)
        except OSError:
            pass
        finally:
            with self._lock:
                self._socks.discard(sock)
            sock.close()

    def _talk(self, visit: Visit) -> None:
        while True:
            self.gate.wait()
            head = _exactly(visit.sock, 1)[0]
            body = _exactly(visit.sock, _length(visit.sock))
            visit.packets.put((head >> 4, body))
            if not self._answer(visit.sock, head, body):
                return

    def _answer(self, sock: ssl.SSLSocket, head: int, body: bytes) -> bool:
        match head >> 4:
            case 1:
                if self._connack is None:
                    return False
                sock.sendall(packet(CONNACK, bytes([0, self._connack])))
                return self._connack == 0
            case 8:
                granted = body[-1] if self._granted is None else self._granted
                sock.sendall(packet(SUBACK, body[:2] + bytes([granted])))
            case 12:
                if self._pings:
                    sock.sendall(packet(PINGRESP, b""))
            case 14:
                return False
            case 3:
                return self._published(sock, head, body)
        return True

    def _published(self, sock: ssl.SSLSocket, head: int, body: bytes) -> bool:
        size = int.from_bytes(body[:2])
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        qos = head >> 1 & 3
        mid, payload = (rest[:2], rest[2:]) if qos else (b"", rest)
        match topic.partition("/")[0]:
            case "close":
                return False
            case "reset":
                _reset(sock)
                return False
            case "raw":
                sock.sendall(payload)
                return True
        if qos:
            sock.sendall(packet(PUBACK, mid))
        if topic.startswith("echo/"):
            sock.sendall(publish(topic.encode(), payload))
        return True


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """An MQTT packet."""
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind << 4 | flags]) + bytes(length) + body


def publish(topic: bytes, payload: bytes, mid: int = 7) -> bytes:
    """A PUBLISH at QoS 1."""
    return packet(PUBLISH, struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + payload, 2)


def _length(sock: ssl.SSLSocket) -> int:
    size, shift = 0, 0
    while True:
        digit = _exactly(sock, 1)[0]
        size |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return size


def _exactly(sock: ssl.SSLSocket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return bytes(data)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
