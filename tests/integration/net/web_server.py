"""Servers on the doubles' TLS: HTTP/1.1 that misbehaves where the path asks for it, and MQTT in a WebSocket."""

import queue
import socket
import struct

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, RejectConnection, Request

from doubles.tls_server import TlsServer

REPLIES = {
    "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    "/moved": b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/\r\nContent-Length: 0\r\n\r\n",
    "/garbage": b"220 mail.test ESMTP\r\n",
    "/long": b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1024 * 1024 + 1),
    "/closing": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
    "/until-the-end": b"HTTP/1.0 200 OK\r\n\r\nabc",
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
    "/two": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb",
    "/goodbye": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    "/half": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
}
CLOSED_AFTER = {"/closing", "/until-the-end", "/cut", "/goodbye", "/long"}


class PlainSocket(socket.socket):
    """A socket where the doubles expect TLS."""

    def getpeercert(self):
        return None


class Plain:
    """A context of no TLS."""

    def wrap_socket(self, sock, **_):
        return PlainSocket(fileno=sock.detach())


class HttpServer(TlsServer):
    """Answers by path. `requests` holds (visit, method, path, headers, body) of every request that came whole.

    `/drop` is never answered, `/second-drop` on a connection's second request and later only; both close. `/silent`
    keeps still. `/slow` sends its answer byte by byte. Everything else is echoed.
    """

    def __init__(self, authority, *, plain=False, **options):
        super().__init__(authority, **options)
        self.requests = queue.Queue()
        if plain:
            self._context = Plain()
        self.scheme = "http" if plain else "https"

    def url(self, path, host="localhost"):
        """Where a path is."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def _talk(self, visit):
        served = 0
        while True:
            method, path, headers, body = read_request(visit.sock)
            self.requests.put((visit, method, path, headers, body))
            self.gate.wait()
            served += 1
            if path == "/drop" or (path == "/second-drop" and served > 1):
                return
            if path == "/reset":
                visit.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if path == "/silent":
                continue
            reply = REPLIES.get(path) or b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            if path == "/continue":
                reply = b"HTTP/1.1 100 Continue\r\n\r\n" + reply
            for piece in [bytes([byte]) for byte in reply] if path == "/slow" else [reply]:
                visit.sock.sendall(piece)
            if path in CLOSED_AFTER:
                return


class WebSocketServer(TlsServer):
    """MQTT as the doubles have it, in frames. The topic `frames` writes its payload on the wire as it is.

    A status refuses the upgrade; answer replaces it altogether. cut sends everything in pieces of so many bytes.
    """

    def __init__(self, authority, *, status=0, answer=b"", cut=0, **options):
        super().__init__(authority, **options)
        self._status, self._reply, self._cut = status, answer, cut
        self.upgrades = queue.Queue()
        self.closes = queue.Queue()

    def _talk(self, visit):
        self.gate.wait()
        framed = Framed(visit.sock, self._cut, self.closes)
        self.upgrades.put(request := framed.upgrade())
        if self._reply:
            visit.sock.sendall(self._reply)
            return
        if self._status:
            refused = RejectConnection(status_code=self._status, headers=[])
            framed.write(framed.frames.send(refused))
            return
        framed.write(framed.frames.send(AcceptConnection(subprotocol=request.subprotocols[0])))
        visit.sock = framed
        super()._talk(visit)

    def _published(self, sock, head, body):
        size = int.from_bytes(body[:2])
        if body[2 : 2 + size] == b"frames":
            sock.write(body[2 + size :])
            return True
        return super()._published(sock, head, body)


class Framed:
    """A socket whose bytes travel in binary frames."""

    def __init__(self, sock, cut, closes):
        self._sock, self._cut, self._closes = sock, cut, closes
        self.frames = WSConnection(ConnectionType.SERVER)
        self._read = bytearray()

    def upgrade(self):
        """The request that came."""
        while True:
            self.frames.receive_data(some(self._sock))
            for event in self.frames.events():
                assert isinstance(event, Request)
                return event

    def recv(self, size):
        while not self._read:
            self.frames.receive_data(some(self._sock))
            for event in self.frames.events():
                if isinstance(event, CloseConnection):
                    self._closes.put(event.code)
                    return b""
                if isinstance(event, BytesMessage):
                    self._read += event.data
        piece = bytes(self._read[:size])
        del self._read[:size]
        return piece

    def sendall(self, data):
        self.write(self.frames.send(BytesMessage(data)))

    def write(self, data):
        """Bytes as they are."""
        size = self._cut or max(1, len(data))
        for at in range(0, len(data), size):
            self._sock.sendall(data[at : at + size])

    def setsockopt(self, *option):
        self._sock.setsockopt(*option)

    def close(self):
        self._sock.close()


def read_request(sock):
    """(method, path, headers by name in lower case, body)."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += some(sock)
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += some(sock)
    method, path, _ = first.split(" ")
    return method, path, headers, body


def some(sock):
    """At least one byte."""
    if not (data := sock.recv(65_536)):
        raise ConnectionError
    return data
