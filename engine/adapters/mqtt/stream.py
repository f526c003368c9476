"""What paho takes for a socket: a finished TLS connection that answers the way a non-blocking socket would."""

from OpenSSL import SSL

from engine.adapters.mqtt.tls import READ_BYTES, end_of, forget_errors

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

    __slots__ = ("_at", "_connection", "_read", "ended", "head", "read_wants_write", "write_wants_read")

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self._read = b""
        self._at = 0
        self.head = b""
        """The first bytes that came: paho drops a CONNACK 1 without telling anyone."""
        self.ended = ""
        """The code of what ended the connection, "" while it lives."""
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
            return self._connection.send(data)
        except SSL.WantWriteError:
            raise BlockingIOError from None
        except SSL.WantReadError:
            self.write_wants_read = True
            raise BlockingIOError from None
        except SSL.Error as error:
            forget_errors()
            self.ended = self.ended or self._last_words() or end_of(error)
            raise ConnectionError(self.ended) from error

    def pending(self) -> bool:
        """True if bytes wait here that no event of the descriptor will announce."""
        return self._at > 0 or self._connection.pending() > 0

    def fileno(self) -> int:
        """The descriptor underneath."""
        return int(self._connection.fileno())

    def setblocking(self, _flag: bool) -> None:
        """Nothing: it never blocks."""

    def close(self) -> None:
        """Nothing: whoever made the descriptor closes it."""

    def _last_words(self) -> str:
        """The alert that a peer sent before it hung up on us, "" if it sent none.

        With TLS 1.3 a refused client certificate is told after our side of the handshake is done, so that our first
        write can meet the reset while the alert still waits to be read.
        """
        try:
            self._connection.recv(READ_BYTES)
        except SSL.Error as error:
            forget_errors()
            ended = end_of(error)
            return ended if ended.startswith("alert ") else ""
        return ""

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
