"""pyOpenSSL's answers in the words of a non-blocking socket."""

import errno

import pytest
from OpenSSL import SSL

from engine.adapters.net.stream import HEAD_BYTES, PlainStream, TlsStream
from engine.adapters.net.tls import end_of


class Socket:
    """A socket that answers from a list."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def _answer(self, _argument):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    recv = send = _answer


class Script(Socket):
    """A TLS connection that answers from a list."""

    def pending(self):
        return 0


def stream(*answers):
    """A stream over scripted answers."""
    return TlsStream(Script(*answers), sock=None)


def test_record_is_read_once_and_handed_out_in_pieces():
    """paho asks for a byte at a time; OpenSSL is asked once a record."""
    under_test = stream(b"abcdef", b"gh")
    assert [under_test.recv(1), under_test.recv(2)] == [b"a", b"bc"]
    assert under_test.pending()
    assert under_test.recv(100) == b"def"
    assert not under_test.pending()
    assert under_test.recv(1) == b"g"


def test_first_bytes_are_kept():
    """However the first record is cut, the first four bytes can be looked up."""
    under_test = stream(b"ab", b"cdef", b"gh")
    for _ in range(3):
        under_test.recv(100)
    assert under_test.head == b"abcd"
    assert len(under_test.head) == HEAD_BYTES


def test_read_that_waits_blocks():
    """Nothing there is BlockingIOError; the wish to write first is told apart, and taken back."""
    under_test = stream(SSL.WantReadError(), SSL.WantWriteError(), b"a")
    wishes = []
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            under_test.recv(1)
        wishes.append(under_test.read_wants_write)
    assert under_test.recv(1) == b"a"
    assert [*wishes, under_test.read_wants_write] == [False, True, False]


def test_write_that_waits_blocks():
    """No room is BlockingIOError; the wish to read first is told apart, and taken back."""
    under_test = stream(SSL.WantWriteError(), SSL.WantReadError(), 3)
    wishes = []
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            under_test.send(b"abc")
        wishes.append(under_test.write_wants_read)
    assert not under_test.has_sent
    assert under_test.send(b"abc") == 3
    assert under_test.has_sent
    assert [*wishes, under_test.write_wants_read] == [False, True, False]


@pytest.mark.parametrize("end", [SSL.ZeroReturnError(), SSL.SysCallError(-1, "Unexpected EOF")])
def test_end_is_no_bytes(end):
    """A goodbye and a silent close both read as the end."""
    under_test = stream(end)
    assert under_test.recv(1) == b""
    assert under_test.ended == "EOF"


@pytest.mark.parametrize("use", ["recv", "send"])
def test_error_is_a_connection_error_and_the_first_one_counts(use):
    """What ended the connection stays known."""
    under_test = stream(SSL.SysCallError(104, "ECONNRESET"), SSL.SysCallError(32, "EPIPE"))
    for _ in range(2):
        with pytest.raises(ConnectionError):
            under_test.recv(1) if use == "recv" else under_test.send(b"a")
    assert under_test.ended == "ECONNRESET"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("ssl/tls alert certificate expired", "alert 45"),
        ("tlsv1 alert unknown ca", "alert 48"),
        ("tlsv13 alert certificate required", "alert 116"),
        ("tlsv1 alert of the future", "tlsv1 alert of the future"),
        ("wrong version number", "wrong version number"),
        ("", "tls"),
    ],
)
def test_errors_of_openssl_have_codes(reason, code):
    """Alerts by their number, everything else in OpenSSL's own words."""
    assert end_of(SSL.Error([("SSL routines", "", reason)])) == code


def test_error_without_words_has_a_code():
    """An empty queue is still an error."""
    assert end_of(SSL.Error([])) == "tls"


def test_plain_stream_says_what_the_socket_says():
    """Bytes, the wish to wait, and the end, which has a code."""
    under_test = PlainStream(Socket(BlockingIOError(), b"ab", b""))
    with pytest.raises(BlockingIOError):
        under_test.recv(9)
    assert (under_test.recv(9), under_test.ended) == (b"ab", "")
    assert (under_test.recv(9), under_test.ended) == (b"", "EOF")
    assert not under_test.pending()
    assert not under_test.left_unread()


def test_plain_stream_counts_what_left():
    """Nothing has been sent while the socket has no room."""
    under_test = PlainStream(Socket(BlockingIOError(), 3))
    with pytest.raises(BlockingIOError):
        under_test.send(b"abc")
    assert not under_test.has_sent
    assert under_test.send(b"abc") == 3
    assert under_test.has_sent


@pytest.mark.parametrize("use", ["recv", "send"])
def test_plain_stream_names_the_first_error(use):
    """Whatever the system says is a ConnectionError with its code, also where Python has another class for it."""
    under_test = PlainStream(Socket(TimeoutError(errno.ETIMEDOUT, "late"), OSError(errno.EPIPE, "gone")))
    for _ in range(2):
        with pytest.raises(ConnectionError, match="ETIMEDOUT"):
            under_test.recv(1) if use == "recv" else under_test.send(b"a")
    assert under_test.ended == "ETIMEDOUT"
