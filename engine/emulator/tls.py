"""The server's TLS: what it demands of clients, and what it calls their failures.

pyOpenSSL and not the standard library's `ssl`: only it tells an expired certificate from a foreign one before the
handshake is over, and lets the switch of the service choose.
"""

from collections.abc import Sequence

from OpenSSL import SSL, crypto

from engine.emulator.authority import Standing
from engine.emulator.service import Service
from engine.protocol.issuing import Issuer

_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS of openssl/ssl.h: 34 KiB less for an idle connection
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED of openssl/x509_vfy.h


def make_context(service: Service, server: Issuer, issuers: Sequence[Issuer]) -> SSL.Context:
    """TLS 1.2 or later with a client certificate if the client has one, which one of the issuers must have signed.

    An issuer is trusted by itself: going on to its root would cost a second P-384 signature at every handshake.
    Source: document "TLS support in IoT Hub"; optional because tokens and certificates share the port.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(_RELEASE_BUFFERS)
    context.use_certificate(server.certificate)
    context.use_privatekey(server.key)
    if (store := context.get_cert_store()) is not None:
        for issuer in issuers:
            store.add_cert(crypto.X509.from_cryptography(issuer.certificate))
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)

    def verify(_tls: SSL.Connection, _certificate: crypto.X509, error: int, _depth: int, ok: int) -> bool:
        is_late = error in (_NOT_YET_VALID, _EXPIRED)
        return bool(ok) or not service.refuses(Standing.EXPIRED if is_late else Standing.FOREIGN)

    context.set_verify(SSL.VERIFY_PEER, verify)
    return context


def reason_of(error: Exception) -> str:
    """What OpenSSL calls the failure, or "closed"."""
    reasons = error.args[0] if error.args else None
    if isinstance(error, SSL.SysCallError | SSL.ZeroReturnError | OSError) or not reasons:
        return "closed"
    return str(reasons[-1][-1]) if isinstance(reasons, list) else "closed"
