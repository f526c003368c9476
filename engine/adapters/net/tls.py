"""TLS from objects in memory: no PEM, no temporary file, no context per device.

A context holds the trusted roots and the intermediates that go with a device's leaf; loading a public bundle takes
milliseconds and nearly a megabyte, so contexts are shared by all devices with the same intermediates. Leaf and key are
put on the connection alone. The chain is verified by OpenSSL in the handshake; the host name, which pyOpenSSL
leaves to its user, is checked by service_identity right after it, before any MQTT byte leaves.
"""

import contextlib
import errno
import warnings
from functools import lru_cache
from ipaddress import ip_address
from socket import socket

import certifi
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address

from engine.errors import Failure, LocalProtocolError, Outcome, SettingsError
from engine.protocol.mqtt import Identity
from engine.protocol.x509 import key_from_der

READ_BYTES = 16_384
"""One TLS record. Source: RFC 8446 section 5.1."""

UNUSABLE = (LocalProtocolError, ValueError, IndexError, SSL.Error, crypto.Error)
"""What a key and chain that do not parse or do not belong together raise."""

NEWEST = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

CONTEXTS = 32
CHECKED_NAMES = 256

_ALERTS = {
    "unexpected message": 10,
    "bad record mac": 20,
    "record overflow": 22,
    "handshake failure": 40,
    "bad certificate": 42,
    "unsupported certificate": 43,
    "certificate revoked": 44,
    "certificate expired": 45,
    "certificate unknown": 46,
    "illegal parameter": 47,
    "unknown ca": 48,
    "access denied": 49,
    "decode error": 50,
    "decrypt error": 51,
    "protocol version": 70,
    "insufficient security": 71,
    "internal error": 80,
    "user cancelled": 90,
    "no renegotiation": 100,
    "unsupported extension": 110,
    "certificate required": 116,
}
"""Source: RFC 8446 section 6 and RFC 5246 section 7.2, in OpenSSL's words."""

_VERIFICATION = {
    code: name.removeprefix("ERR_") for name, code in vars(SSL.X509VerificationCodes).items() if name.startswith("ERR_")
}


class Trust:
    """The roots that servers must lead to, and everything shared between connections that trust them."""

    def __init__(self, ca_file: str | None, newest: str = "1.2") -> None:
        """None is the public bundle of certifi; newest is the latest TLS offered, "1.2" or "1.3".

        Raises SettingsError when the file holds no certificate.
        """
        self._ca_file, self._newest = ca_file or certifi.where(), NEWEST[newest]
        self._contexts: dict[tuple[bytes, ...], SSL.Context] = {}
        self._checked: dict[tuple[str, bytes], None] = {}
        try:
            self._context(())
        except SSL.Error as error:
            raise SettingsError({"ca_file": f"{ca_file} holds no trusted certificate"}) from error

    def connection(self, sock: socket, host: str, identity: Identity | None) -> SSL.Connection:
        """A client connection ready for its handshake. Raises one of UNUSABLE when the identity is none."""
        connection = SSL.Connection(self._context(identity.chain[1:] if identity else ()), sock)
        if identity is not None:
            connection.use_certificate(load_der_x509_certificate(identity.chain[0]))
            connection.use_privatekey(key_from_der(identity.key))
        if not _is_address(host):
            connection.set_tlsext_host_name(host.encode("ascii"))
        connection.set_connect_state()
        return connection

    def check_name(self, connection: SSL.Connection, host: str) -> Failure | None:
        """None if the peer's certificate was issued for host. The same bytes are looked at once."""
        certificate = connection.get_peer_certificate()
        assert certificate is not None  # no cipher suite of TLS 1.2 or 1.3 that we offer goes without
        seen = (host, crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate))
        if seen in self._checked:
            return None
        try:
            verify = verify_ip_address if _is_address(host) else verify_hostname
            verify(connection, host)
        except (VerificationError, CertificateError):
            return Failure(Outcome.TLS, "HOSTNAME_MISMATCH", f"the certificate was not issued for {host}")
        if len(self._checked) >= CHECKED_NAMES:
            del self._checked[next(iter(self._checked))]
        self._checked[seen] = None
        return None

    def _context(self, intermediates: tuple[bytes, ...]) -> SSL.Context:
        context = self._contexts.get(intermediates)
        if context is None:
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_min_proto_version(SSL.TLS1_2_VERSION)
            context.set_max_proto_version(self._newest)
            context.set_verify(SSL.VERIFY_PEER, _note_verification)
            context.set_mode(SSL.MODE_RELEASE_BUFFERS)
            context.load_verify_locations(self._ca_file)
            for der in intermediates:
                _add_intermediate(context, der)
            if len(self._contexts) >= CONTEXTS:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[intermediates] = context
        return context


def _add_intermediate(context: SSL.Context, der: bytes) -> None:
    """Send this certificate along with the leaf.

    Some live ones have a quirk in their encoding that `cryptography` refuses and TLS accepts (see protocol.x509);
    they go in by the older form of the same call.
    """
    try:
        context.add_extra_chain_cert(load_der_x509_certificate(der))
    except ValueError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.add_extra_chain_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))


def handshake_failure(connection: SSL.Connection, error: SSL.Error) -> Failure:
    """What a handshake that ended in error is counted as."""
    forget_errors()
    if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError):
        return Failure(Outcome.NETWORK, end_of(error), "the connection ended during the TLS handshake")
    refused = connection.get_app_data()
    if isinstance(refused, int):
        code = _VERIFICATION.get(refused, f"verification {refused}")
        return Failure(Outcome.TLS, code, "the server's certificate was not accepted")
    return Failure(Outcome.TLS, end_of(error), _reason(error))


def end_of(error: SSL.Error) -> str:
    """The code of what ended a connection: an errno name, "EOF", "alert 45", or OpenSSL's own reason."""
    match error:
        case SSL.ZeroReturnError():
            return "EOF"
        case SSL.SysCallError():
            return errno.errorcode.get(error.args[0], "EOF") if error.args else "EOF"
    reason = _reason(error)
    if "alert " not in reason:
        return reason or "tls"
    number = _ALERTS.get(reason.partition("alert ")[2])
    return f"alert {number}" if number is not None else reason


def forget_errors() -> None:
    """Empty OpenSSL's queue of errors, which is the thread's and not the connection's.

    pyOpenSSL leaves an entry there when a write ends in a system error, and OpenSSL before 4.0 would take the next
    "nothing to read yet" of any other connection for that error. A parse that fails is the public way to empty it.
    Source: OpenSSL 3, SSL_get_error(3), "The current thread's error queue must be empty".
    """
    with contextlib.suppress(crypto.Error):
        crypto.load_certificate(crypto.FILETYPE_ASN1, b"")


def _reason(error: SSL.Error) -> str:
    """OpenSSL's words for the first error of its queue: fixed strings, never content."""
    stack = error.args[0] if error.args else ()
    return str(stack[0][2]) if stack else ""


def _note_verification(connection: SSL.Connection, _leaf: crypto.X509, error: int, _depth: int, ok: int) -> bool:
    """Keep OpenSSL's judgement, and the reason for a refusal, which the exception does not tell."""
    if not ok:
        connection.set_app_data(error)
    return bool(ok)


@lru_cache(maxsize=CHECKED_NAMES)
def _is_address(host: str) -> bool:
    """SNI must not carry an address, and a certificate names one in a field of its own. Source: RFC 6066 section 3."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
