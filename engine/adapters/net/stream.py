"""What paho takes for a socket: a finished TLS connection that answers the way a non-blocking socket would.

HTTP talks over the same, and over TCP alone where it is not encrypted.
"""

import errno
import socket
from typing import ClassVar

from OpenSSL import SSL

from engine.adapters.net.tls import READ_BYTES, end_of, forget_errors
from engine.errors import Failure

HEAD_BYTES = 4
"""A CONNACK is four bytes. Source: MQTT 3.1.1 section 3.2."""


class TlsStream:
    """recv and send over pyOpenSSL, with its exceptions in the words that paho understands.

    A record is read whole and handed out in the small pieces paho asks for: one call into OpenSSL a packet, not
    four. `close` does nothing: the descriptor is the loop's, which must forget it before it is closed.
    A renegotiation can make a read wait for room to write and the other way round; the two flags tell the loop.
    A write that was refused is tried again with equal bytes from another buffer, which pyOpenSSL's contexts allow
    (SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER).
    """

    __slots__ = (
        "_at",
        "_connection",
        "_read",
        "_socket",
        "ended",
        "has_sent",
        "head",
        "read_wants_write",
        "write_wants_read",
    )

    is_open: ClassVar[bool] = True
    refusal: ClassVar[Failure | None] = None
    """A stream with a greeting of its own (`websocket`) is not open at once, and may be refused."""

    def __init__(self, connection: SSL.Connection, sock: socket.socket) -> None:
        """sock is what the connection runs on."""
        self._connection, self._socket = connection, sock
        self._read = b""
        self._at = 0
        self.head = b""
        """The first bytes that came: paho drops a CONNACK 1 without telling anyone."""
        self.ended = ""
        """The code of what ended the connection, "" while it lives."""
        self.has_sent = False
        self.read_wants_write = False
        self.write_wants_read = False

    def recv(self, size: int) -> bytes:
        """At least one byte, b"" at the end. Raises BlockingIOError when there is none yet, and ConnectionError."""
        start = self._at
        if start == 0:
            self._read = self._receive()
        piece = self._read[start : start + size]
        self._at = start + len(piece)
        if self._at == len(self._read):
            self._read, self._at = b"", 0
        return piece

    def send(self, data: bytes | bytearray) -> int:
        """How much of data went into a record. Raises BlockingIOError when nothing did, and ConnectionError."""
        self.write_wants_read = False
        try:
            sent = self._connection.send(data)
        except SSL.WantWriteError:
            raise BlockingIOError from None
        except SSL.WantReadError:
            self.write_wants_read = True
            raise BlockingIOError from None
        except SSL.Error as error:
            forget_errors()
            self.ended = self.ended or end_of(error)
            raise ConnectionError(self.ended) from error
        self.has_sent = True
        return sent

    def pending(self) -> bool:
        """True if bytes wait here that no event of the descriptor will announce."""
        return self._at > 0 or self._connection.pending() > 0

    def left_unread(self) -> bool:
        """True if the peer's last bytes lie in the kernel, where OpenSSL does not look after a write has failed."""
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def fileno(self) -> int:
        """The descriptor underneath."""
        return self._socket.fileno()

    def setblocking(self, _flag: bool) -> None:
        """Nothing: it never blocks."""

    def close(self) -> None:
        """Nothing: whoever made the descriptor closes it."""

    def _receive(self) -> bytes:
        self.read_wants_write = False
        try:
            data = self._connection.recv(READ_BYTES)
        except SSL.WantReadError:
            raise BlockingIOError from None
        except SSL.WantWriteError:
            self.read_wants_write = True
            raise BlockingIOError from None
        except SSL.Error as error:
            forget_errors()
            self.ended = self.ended or end_of(error)
            if self.ended == "EOF":
                return b""
            raise ConnectionError(self.ended) from error
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + data)[:HEAD_BYTES]
        return data


class PlainStream:
    """recv and send over TCP alone, with errors as `TlsStream` has them."""

    __slots__ = ("_socket", "ended", "has_sent")

    read_wants_write: ClassVar[bool] = False
    write_wants_read: ClassVar[bool] = False

    def __init__(self, sock: socket.socket) -> None:
        """sock is connected and does not block."""
        self._socket = sock
        self.ended = ""
        self.has_sent = False

    def recv(self, size: int) -> bytes:
        """At least one byte, b"" at the end. Raises BlockingIOError when there is none yet, and ConnectionError."""
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            raise
        except OSError as error:
            raise self._broken(error) from error
        if not data:
            self.ended = "EOF"
        return data

    def send(self, data: bytes | bytearray) -> int:
        """How much of data was taken. Raises BlockingIOError when nothing was, and ConnectionError."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            raise
        except OSError as error:
            raise self._broken(error) from error
        self.has_sent = True
        return sent

    def pending(self) -> bool:
        """Never: the descriptor announces every byte."""
        return False

    def left_unread(self) -> bool:
        """Never: there is no alert without TLS."""
        return False

    def _broken(self, error: OSError) -> ConnectionError:
        self.ended = self.ended or errno.errorcode.get(error.errno or 0, "EOF")
        return ConnectionError(self.ended)
