"""Keys, certificate requests, chains and sealed keys, from a device's point of view. The CA's is in `issuing`.

These two modules are the only users of `cryptography`. Certificates travel as DER bytes; a chain is leaf first.
Certificates of the CA that do not parse strictly are skipped: some live ones have a quirk in their encoding that
`cryptography` refuses and TLS accepts. Source: azure-iot-scale, src/locust_pkg/tools/cert_test.py.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from engine.errors import Failure, HarnessError, LocalProtocolError, Outcome

type PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

WRAPPING_KEY_BYTES = 64
"""The length of a key that seals: AES-256 in SIV mode takes two. Source: RFC 5297 section 2.2."""


class KeyType(StrEnum):
    """The kinds of keys a device can have. Source: article "Certificate issuance", and the SDKs' samples."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"


class SealBroken(HarnessError):
    """A sealed key that does not open: another wrapping key, another device, or changed bytes."""

    code = "seal-broken"


def generate_key(key_type: KeyType) -> PrivateKey:
    """A new private key."""
    match key_type:
        case KeyType.EC_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.EC_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.RSA_2048:
            return rsa.generate_private_key(65537, 2048)
        case KeyType.RSA_3072:
            return rsa.generate_private_key(65537, 3072)
        case _:
            assert_never(key_type)


def key_to_der(key: PrivateKey) -> bytes:
    """The key as unencrypted PKCS#8 DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def key_from_der(der: bytes) -> PrivateKey:
    """The key in PKCS#8 DER. Raises LocalProtocolError on anything that is no EC or RSA key."""
    try:
        key = load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LocalProtocolError("a stored key is not PKCS#8") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise LocalProtocolError("a stored key is neither EC nor RSA")
    return key


# A certificate request is short enough to be written byte by byte, in a third of the time that the builder of
# `cryptography` takes; tests hold it against that library's parser and signature check.

_SHA256_WITH_ECDSA = bytes.fromhex("300a06082a8648ce3d040302")  # RFC 5758 section 3.2
_SHA384_WITH_ECDSA = bytes.fromhex("300a06082a8648ce3d040303")  # RFC 5758 section 3.2
_SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")  # RFC 8017 appendix A.2.4
_COMMON_NAME = bytes.fromhex("0603550403")  # RFC 5280 appendix A.1: 2.5.4.3
_VERSION = bytes.fromhex("020100")  # RFC 2986 section 4.1: v1(0)
_ECDSA_SHA256, _ECDSA_SHA384 = ec.ECDSA(hashes.SHA256()), ec.ECDSA(hashes.SHA384())
_NO_ATTRIBUTES = bytes.fromhex("a000")  # RFC 2986 section 4.1: [0] IMPLICIT, empty


def build_csr(key: PrivateKey, common_name: str) -> bytes:
    """A PKCS#10 request for a certificate of that subject, DER."""
    return sign_csr(key, csr_info(key, common_name))


def csr_info(key: PrivateKey, common_name: str) -> bytes:
    """What a request says before it is signed, DER: the same for every request of that key and subject.

    Source: RFC 2986 section 4; article "Certificate issuance" (the subject is the CN alone, and the registration id).
    """
    subject = _tlv(0x30, _tlv(0x31, _tlv(0x30, _COMMON_NAME + _tlv(0x0C, common_name.encode("utf-8")))))
    return _tlv(0x30, _VERSION + subject + _spki(key.public_key()) + _NO_ATTRIBUTES)


def sign_csr(key: PrivateKey, info: bytes) -> bytes:
    """The request that says so, DER; info is `csr_info` of the same key."""
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm, signature = _SHA256_WITH_RSA, key.sign(info, padding.PKCS1v15(), hashes.SHA256())
    elif key.key_size > 256:
        algorithm, signature = _SHA384_WITH_ECDSA, key.sign(info, _ECDSA_SHA384)
    else:
        algorithm, signature = _SHA256_WITH_ECDSA, key.sign(info, _ECDSA_SHA256)
    return _tlv(0x30, info + algorithm + _tlv(0x03, b"\0" + signature))


def _tlv(tag: int, content: bytes) -> bytes:
    """One DER element. Source: X.690 section 8.1."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_chain(chain: Sequence[bytes], key: PrivateKey, now: float) -> Failure | None:
    """Why the chain is of no use to the holder of the key at now (Unix seconds), None when it is.

    Codes: no-chain, unparsable, wrong-order, other-key, not-yet-valid, expired. Signatures: `check_signatures`.
    """
    if len(chain) < 2:
        return _unusable("no-chain", f"expected a leaf and its issuers, got {len(chain)} certificates")
    own = _spki(key.public_key())
    leaf = _load(chain[0])
    if leaf is None:
        return _unusable("unparsable", "the first certificate is not X.509")
    if _spki_of(leaf) != own:
        if any((cert := _load(der)) is not None and _spki_of(cert) == own for der in chain[1:]):
            return _unusable("wrong-order", "the leaf is not the first certificate")
        return _unusable("other-key", "the leaf certifies another key")
    if (begins := leaf.not_valid_before_utc.timestamp()) > now:
        return _unusable("not-yet-valid", f"valid in {begins - now:.0f} s")
    if (ends := leaf.not_valid_after_utc.timestamp()) < now:
        return _unusable("expired", f"expired {now - ends:.0f} s ago")
    issuer = _issuer_of(leaf)
    for der in chain[1:]:
        names = _names(der)
        if names is not None and issuer is not None and names[0] != issuer:
            return _unusable("wrong-order", "a certificate is not followed by its issuer")
        issuer = names[1] if names is not None else None
    return None


def check_signatures(chain: Sequence[bytes]) -> Failure | None:
    """Why the chain does not hold together: each certificate signed by the next; None when it does.

    Pairs of CA certificates are checked once, since a P-384 signature costs 0.4 ms. Pairs in which the issuer does
    not parse are skipped.
    """
    for index, (der, issuer) in enumerate(pairwise(chain)):
        if not (_is_issued(der, issuer) if index == 0 else _is_issued_cached(der, issuer)):
            return _unusable("bad-signature", f"certificate {index} is not signed by the next one")
    return None


def lifetime_s(chain: Sequence[bytes]) -> float:
    """How long the leaf is valid in all. Raises LocalProtocolError when there is none that parses."""
    leaf = _load(chain[0]) if chain else None
    if leaf is None:
        raise LocalProtocolError("a stored chain has no leaf")
    return (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds()


def seal_key(der: bytes, wrapping_key: bytes, device_id: str, *bound: bytes) -> bytes:
    """The key encrypted so that it opens for this device only, and with the same bound; the same input gives the same
    bytes.

    wrapping_key has WRAPPING_KEY_BYTES. Source: RFC 5297 (SIV), the device id and bound as associated data.
    """
    return AESSIV(wrapping_key).encrypt(der, [device_id.encode("utf-8"), *bound])


def open_key(sealed: bytes, wrapping_key: bytes, device_id: str, *bound: bytes) -> bytes:
    """The DER that `seal_key` was given. Raises SealBroken."""
    try:
        return AESSIV(wrapping_key).decrypt(sealed, [device_id.encode("utf-8"), *bound])
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"the key of {device_id} does not open") from error


def _unusable(code: str, detail: str) -> Failure:
    return Failure(Outcome.UNUSABLE, code, detail)


def _load(der: bytes) -> x509.Certificate | None:
    """The certificate, None when it does not parse strictly."""
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        return None


def _spki_of(certificate: x509.Certificate) -> bytes:
    """The certified key, b"" when it is of a kind we do not know."""
    try:
        return _spki(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return b""


@lru_cache(maxsize=256)
def _names(der: bytes) -> tuple[bytes, bytes] | None:
    """Subject and issuer of a CA certificate, None when it does not parse."""
    certificate = _load(der)
    try:
        return None if certificate is None else (certificate.subject.public_bytes(), certificate.issuer.public_bytes())
    except ValueError:
        return None


def _issuer_of(leaf: x509.Certificate) -> bytes | None:
    """The issuer's name, None when `cryptography` takes it for none."""
    try:
        return leaf.issuer.public_bytes()
    except ValueError:
        return None


def _is_issued(der: bytes, issuer_der: bytes) -> bool:
    """Whether the issuer signed the certificate; also true when the issuer does not parse."""
    certificate, issuer = _load(der), _load(issuer_der)
    if issuer is None or certificate is None:
        return issuer is None
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


_is_issued_cached = lru_cache(maxsize=256)(_is_issued)
