"""The certificate authority's end of `x509`: authorities, leaves issued from requests, and leaves read back.

Two tiers of P-384 for devices, as the service has them, and a root of RSA for servers: those of the services are RSA
as well, and checking a P-384 signature would cost every handshake of a client 0.4 ms.
Source: article "What is certificate management", two-tier PKI; article "TLS support in IoT Hub", server key.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from engine.errors import LocalProtocolError, RemoteProtocolError
from engine.protocol.x509 import KeyType, PrivateKey, check_signatures, generate_key

BACKDATED_S = 300.0
"""How long before its issuance a certificate begins, for clocks that are behind: an assumption, no source has it."""

MARK = ObjectIdentifier("2.999.20260101.1")
"""A private extension with the identifier that revocation rotates; the service's own is not published.

Source: article "Certificate policy management", revocation; ITU-T X.660 (2.999 is the arc for examples).
"""

_TEN_YEARS = timedelta(days=3653)
_KEY_TYPES = {256: KeyType.EC_P256, 384: KeyType.EC_P384, 2048: KeyType.RSA_2048, 3072: KeyType.RSA_3072}


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key that signs certificates, and its own certificate."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class Csr:
    """A certificate request whose signature holds. key_type is None for a kind that no device has."""

    common_name: str
    key_type: KeyType | None
    key: CertificatePublicKeyTypes


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a device's certificate says; begins and ends are Unix seconds, mark is b"" when there is none."""

    common_name: str
    begins: float
    ends: float
    mark: bytes


def load_issuer(key: PrivateKey, der: bytes) -> Issuer:
    """An issuer from what was stored. Raises LocalProtocolError when the two do not belong together."""
    try:
        certificate = x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise LocalProtocolError("a stored CA certificate does not parse") from error
    if certificate.public_key() != key.public_key():
        raise LocalProtocolError("a stored CA certificate is for another key")
    return Issuer(key, certificate)


def read_authority(pem: bytes) -> tuple[Issuer, tuple[bytes, ...]]:
    """An authority of somebody else's making, and the certificates above its leaves: its own first, then its issuers.

    The PEM holds the private key, not encrypted, and those certificates in that order. Raises LocalProtocolError, which
    says what is wrong with it and nothing of what is in it.
    """
    key = _read_key(pem)
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        raise LocalProtocolError("no certificate in PEM that parses") from None
    issuer = Issuer(key, certificates[0])
    if issuer.certificate.public_key() != key.public_key():
        raise LocalProtocolError("the first certificate is not that of the private key")
    if not _is_authority(issuer.certificate):
        raise LocalProtocolError("the first certificate is not that of a CA")
    chain = tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
    loose = check_signatures(chain)
    if loose is not None:
        raise LocalProtocolError(f"the certificates are no chain: {loose.detail}")
    return issuer, chain


def authority_pem(issuer: Issuer) -> bytes:
    """What `read_authority` reads: the private key, not encrypted, and the certificate."""
    key = issuer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + issuer.certificate.public_bytes(Encoding.PEM)


def new_root(key_type: KeyType, common_name: str, *, now: float) -> Issuer:
    """A self-signed authority, valid for ten years from now (Unix seconds)."""
    key = generate_key(key_type)
    subject = _name(common_name)
    builder = _authority(subject, key, path_length=1, now=now).issuer_name(subject)
    return Issuer(key, builder.sign(key, _hash(key)))


def new_issuer(root: Issuer, common_name: str, *, now: float) -> Issuer:
    """A P-384 authority under the root, valid for ten years from now (Unix seconds)."""
    key = generate_key(KeyType.EC_P384)
    builder = _authority(_name(common_name), key, path_length=0, now=now).issuer_name(root.certificate.subject)
    builder = builder.add_extension(_identifier(root), critical=False)
    return Issuer(key, builder.sign(root.key, _hash(root.key)))


def new_server(root: Issuer, names: Sequence[str], *, now: float) -> Issuer:
    """An RSA-2048 key and its server certificate for host names and addresses, valid for ninety days from now."""
    key = generate_key(KeyType.RSA_2048)
    begins = _moment(now - BACKDATED_S)
    builder = _builder(_name("certfleet emulator"), key.public_key(), begins, ends=begins + timedelta(days=90))
    builder = (
        builder.issuer_name(root.certificate.subject)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_identifier(root), critical=False)
    )
    return Issuer(key, builder.sign(root.key, _hash(root.key)))


def issue_leaf(issuer: Issuer, csr: Csr, *, mark: bytes, begins: float, ends: float) -> bytes:
    """A device's certificate, DER, for the subject and key of the request; times are Unix seconds, b"" is no mark."""
    builder = (
        _builder(_name(csr.common_name), csr.key, _moment(begins), ends=_moment(ends))
        .issuer_name(issuer.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(_identifier(issuer), critical=False)
    )
    if mark:
        builder = builder.add_extension(x509.UnrecognizedExtension(MARK, mark), critical=False)
    return builder.sign(issuer.key, _hash(issuer.key)).public_bytes(Encoding.DER)


def read_csr(der: bytes) -> Csr:
    """The request. Raises RemoteProtocolError on anything but a PKCS#10 with one CN and a signature that holds."""
    try:
        request = x509.load_der_x509_csr(der)
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = request.public_key()
        if not request.is_signature_valid:
            raise RemoteProtocolError("verification of the certificate signing request failed")
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise RemoteProtocolError("verification failed: not a PKCS#10 certificate signing request") from error
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise RemoteProtocolError("the certificate signing request has no common name")
    kind = _KEY_TYPES.get(key.key_size) if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) else None
    return Csr(names[0].value, kind, key)


def read_leaf(der: bytes) -> Leaf | None:
    """What a presented certificate says, None when it is not a device's."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        marks = [ext.value for ext in certificate.extensions if ext.oid == MARK]
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension):
        return None
    if len(names) != 1 or not isinstance(names[0].value, str):
        return None
    mark = marks[0].value if marks and isinstance(marks[0], x509.UnrecognizedExtension) else b""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Leaf(names[0].value, begins.timestamp(), ends.timestamp(), mark)


def is_issued_by(der: bytes, issuer: Issuer) -> bool:
    """Whether the issuer signed the certificate."""
    try:
        x509.load_der_x509_certificate(der).verify_directly_issued_by(issuer.certificate)
    except (ValueError, TypeError, x509.InvalidVersion, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def to_pem(der: bytes) -> bytes:
    """The certificate as PEM text."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _read_key(pem: bytes) -> PrivateKey:
    # The causes are left out: nothing of a secret may end in a traceback.
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise LocalProtocolError("no private key in PEM that parses and is not encrypted") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise LocalProtocolError("the private key is neither EC nor RSA")
    return key


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate may sign others. Source: RFC 5280 section 4.2.1.9."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _builder(
    subject: x509.Name, key: CertificatePublicKeyTypes, begins: datetime, *, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority(subject: x509.Name, key: PrivateKey, *, path_length: int, now: float) -> x509.CertificateBuilder:
    begins = _moment(now - BACKDATED_S)
    return (
        _builder(subject, key.public_key(), begins, ends=begins + _TEN_YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _identifier(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    """What names the issuer's key; one that was not made here may have no identifier of its own."""
    try:
        own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _name(common_name: str) -> x509.Name:
    """A subject of one CN. Device ids may be longer than the 64 characters that RFC 5280 allows a CN."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _hash(key: PrivateKey) -> hashes.SHA384 | hashes.SHA256:
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) else hashes.SHA256()


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(microsecond=0)
