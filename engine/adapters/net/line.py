"""One HTTP connection: a stream that is ready, and the exchange that is on it, if any."""

import select
import socket

import h11

from engine.adapters.net.codec import ENDED, Codec
from engine.adapters.net.dial import Dial
from engine.adapters.net.tls import READ_BYTES
from engine.errors import Failure, Outcome
from engine.protocol import http


class Line:
    """Carries one exchange after the other; between two of them it is idle."""

    __slots__ = ("_codec", "_out", "_stream", "endpoint", "exchanges", "mask", "socket")

    def __init__(self, dial: Dial) -> None:
        """On what was dialled."""
        assert dial.socket is not None
        self.endpoint, self.mask = dial.endpoint, dial.mask
        self.socket: socket.socket = dial.socket
        self._stream = dial.stream()
        self._codec = Codec()
        self._out = bytearray()
        self.exchanges = 0
        """How many have begun here."""

    @property
    def wanted(self) -> int:
        """The events to wait for."""
        stream = self._stream
        if stream.read_wants_write or (self._out and not stream.write_wants_read):
            return select.EPOLLIN | select.EPOLLOUT
        return select.EPOLLIN

    @property
    def can_go_on(self) -> bool:
        """True if another exchange may follow the one that has been answered."""
        return self._codec.can_go_on and not self._out and not self._stream.pending()

    @property
    def was_stale(self) -> bool:
        """True if an exchange that failed was not the first here and nothing of its answer had come."""
        return self.exchanges > 1 and not self._codec.has_heard

    def ask(self, head: h11.Request, body: bytes) -> Failure | None:
        """Begin an exchange; None if it is on its way."""
        self.exchanges += 1
        self._out += self._codec.ask(head, body)
        return self._write()

    def serve(self) -> http.Response | Failure | None:
        """Read and write what the descriptor is ready for: the answer, why there is none, or None while it is due.

        Reading comes first: a server may answer and close before it has taken the whole request.
        """
        stream = self._stream
        while True:
            try:
                data = stream.recv(READ_BYTES)
            except BlockingIOError:
                break
            except ConnectionError:
                return self._failure()
            came = self._codec.hear(data)
            if came is not None or not data:
                return came or ENDED
            if not stream.pending():
                break
        return self._write() if self._out else None

    def is_quiet(self) -> bool:
        """True if an idle connection is whole and the peer has said nothing; TLS may have had words with itself."""
        try:
            self._stream.recv(1)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return False

    def _write(self) -> Failure | None:
        while self._out:
            try:
                sent = self._stream.send(self._out)
            except BlockingIOError:
                break
            except ConnectionError:
                return self._failure()
            del self._out[:sent]
        return None

    def _failure(self) -> Failure:
        """Why the connection broke: TLS 1.3 refuses a client certificate when our handshake is done (see `link`)."""
        stream = self._stream
        ended, is_new = stream.ended, self.exchanges == 1 and not self._codec.has_heard
        if is_new and (ended.startswith("alert ") or (not stream.has_sent and stream.left_unread())):
            code = ended if ended.startswith("alert ") else "alert"
            return Failure(Outcome.TLS, code, "the server ended the TLS session before HTTP began")
        if not stream.has_sent:
            return Failure(Outcome.NETWORK, ended, "the connection ended before HTTP began")
        return Failure(Outcome.DISCONNECTED, ended, "the connection ended before the response did")
