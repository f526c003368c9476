"""The certificate authority's end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LocalProtocolError, RemoteProtocolError
from engine.protocol import issuing, x509
from engine.protocol.x509 import KeyType

NOW = 1767225600.0
ROOT = issuing.new_root(KeyType.EC_P384, "root", now=NOW)
ISSUER = issuing.new_issuer(ROOT, "issuer", now=NOW)
KEY = x509.generate_key(KeyType.EC_P256)
CSR = issuing.read_csr(x509.build_csr(KEY, "d-1"))
LEAF = issuing.issue_leaf(ISSUER, CSR, mark=b"mark", begins=NOW - 300, ends=NOW + 86400)


def test_a_leaf_is_for_clients_and_nothing_else() -> None:
    """Key usage, extended key usage and constraints are those of a device."""
    leaf = pyca.load_der_x509_certificate(LEAF)
    usage = leaf.extensions.get_extension_for_class(pyca.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert list(leaf.extensions.get_extension_for_class(pyca.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert not leaf.extensions.get_extension_for_class(pyca.BasicConstraints).value.ca
    assert leaf.public_key() == KEY.public_key()


def test_read_leaf_tells_what_was_issued() -> None:
    """Name, times and mark come back."""
    assert issuing.read_leaf(LEAF) == issuing.Leaf("d-1", NOW - 300, NOW + 86400, b"mark")


def test_leaf_without_a_mark_has_no_extension_for_it() -> None:
    """Other services read certificates too."""
    leaf = issuing.issue_leaf(ISSUER, CSR, mark=b"", begins=NOW, ends=NOW + 60)
    assert issuing.MARK not in [found.oid for found in pyca.load_der_x509_certificate(leaf).extensions]
    found = issuing.read_leaf(leaf)
    assert found is not None
    assert found.mark == b""


def test_read_leaf_is_none_for_other_things() -> None:
    """Bytes, and a certificate without a common name."""
    assert issuing.read_leaf(b"x") is None
    nameless = (
        pyca.CertificateBuilder()
        .subject_name(pyca.Name([pyca.NameAttribute(NameOID.ORGANIZATION_NAME, "o")]))
        .issuer_name(pyca.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(pyca.load_der_x509_certificate(LEAF).not_valid_before_utc)
        .not_valid_after(pyca.load_der_x509_certificate(LEAF).not_valid_after_utc)
        .sign(ROOT.key, issuing._hash(ROOT.key))
    )
    assert issuing.read_leaf(nameless.public_bytes(Encoding.DER)) is None


def test_a_leaf_is_known_to_its_issuer_only() -> None:
    """The issuer signed it, the root did not, and bytes nobody did."""
    assert issuing.is_issued_by(LEAF, ISSUER)
    assert not issuing.is_issued_by(LEAF, ROOT)
    assert not issuing.is_issued_by(b"x", ISSUER)


def test_the_root_signs_the_issuer() -> None:
    """Two tiers of P-384, the lower without authorities below it."""
    assert issuing.is_issued_by(ISSUER.der, ROOT)
    constraints = ISSUER.certificate.extensions.get_extension_for_class(pyca.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_a_server_certificate_has_names_and_addresses() -> None:
    """RSA-2048, and every name in the form that clients look for."""
    root = issuing.new_root(KeyType.RSA_2048, "server root", now=NOW)
    server = issuing.new_server(root, ["localhost", "127.0.0.1", "::1"], now=NOW)
    names = server.certificate.extensions.get_extension_for_class(pyca.SubjectAlternativeName).value
    assert names.get_values_for_type(pyca.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(pyca.IPAddress)] == ["127.0.0.1", "::1"]
    assert server.key.key_size == 2048
    assert issuing.is_issued_by(server.der, root)


@pytest.mark.parametrize("key_type", KeyType)
def test_read_csr_knows_every_kind_of_key(key_type: KeyType) -> None:
    """Name, kind and key of a device's request."""
    csr = issuing.read_csr(x509.build_csr(x509.generate_key(key_type), "d-1"))
    assert (csr.common_name, csr.key_type) == ("d-1", key_type)


def test_read_csr_has_no_kind_for_other_keys() -> None:
    """A request with a key that no device has is still a request."""
    key = ed25519.Ed25519PrivateKey.generate()
    subject = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, "d")])
    request = pyca.CertificateSigningRequestBuilder().subject_name(subject).sign(key, None)
    assert issuing.read_csr(request.public_bytes(Encoding.DER)).key_type is None


def test_read_csr_refuses_what_is_no_request() -> None:
    """Bytes, a certificate, a changed signature, and a request without a name."""
    good = x509.build_csr(KEY, "d-1")
    nameless = pyca.CertificateSigningRequestBuilder().subject_name(pyca.Name([])).sign(KEY, hashes.SHA256())
    changed = good.replace(b"d-1", b"d-2")
    for der in (b"", b"x", LEAF, changed, nameless.public_bytes(Encoding.DER)):
        with pytest.raises(RemoteProtocolError):
            issuing.read_csr(der)


@given(st.binary(max_size=400))
def test_read_csr_survives_any_bytes(der: bytes) -> None:
    """Whatever a device sends for a request, the answer is a refusal."""
    with pytest.raises(RemoteProtocolError):
        issuing.read_csr(der)


def test_load_issuer_takes_only_a_matching_pair() -> None:
    """A key and a certificate that do not belong together are refused."""
    assert issuing.load_issuer(ROOT.key, ROOT.der).der == ROOT.der
    for key, der in ((KEY, ROOT.der), (ROOT.key, b"x")):
        with pytest.raises(LocalProtocolError):
            issuing.load_issuer(key, der)


def test_to_pem_writes_what_clients_load() -> None:
    """The text between the usual lines is the certificate."""
    assert pyca.load_pem_x509_certificate(issuing.to_pem(LEAF)).public_bytes(Encoding.DER) == LEAF


def pem_of(key: x509.PrivateKey, *certificates: bytes, password: bytes = b"") -> bytes:
    """The text of a key and certificates."""
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how) + b"".join(map(issuing.to_pem, certificates))


def bare_authority(key: x509.PrivateKey, *, extensions: Sequence[pyca.ExtensionType]) -> bytes:
    """A self-signed certificate of somebody else's making."""
    name = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, "theirs")])
    begins = datetime.fromtimestamp(NOW - 300, UTC)
    builder = pyca.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begins).not_valid_after(begins + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.RSA_2048])
def test_read_authority_takes_a_ca_of_any_kind_of_key(key_type: KeyType) -> None:
    """What `authority_pem` wrote comes back, and signs leaves that hold together with it."""
    made = issuing.new_root(key_type, "theirs", now=NOW)
    issuer, chain = issuing.read_authority(issuing.authority_pem(made))
    assert (issuer.certificate, chain) == (made.certificate, (made.der,))
    leaf = issuing.issue_leaf(issuer, CSR, mark=b"", begins=NOW, ends=NOW + 60)
    assert x509.check_signatures((leaf, *chain)) is None


def test_read_authority_takes_the_issuers_behind_it_and_the_key_anywhere() -> None:
    """The first certificate is the key's; text between the blocks is nobody's business."""
    pem = issuing.to_pem(ISSUER.der) + b"Bag Attributes\n" + issuing.to_pem(ROOT.der) + pem_of(ISSUER.key)
    issuer, chain = issuing.read_authority(pem)
    assert (issuer.certificate, chain) == (ISSUER.certificate, (ISSUER.der, ROOT.der))


def test_read_authority_takes_a_ca_without_an_identifier_of_its_key() -> None:
    """Its leaves name the key all the same."""
    der = bare_authority(KEY, extensions=[pyca.BasicConstraints(ca=True, path_length=None)])
    issuer, chain = issuing.read_authority(pem_of(KEY, der))
    leaf = issuing.issue_leaf(issuer, CSR, mark=b"", begins=NOW, ends=NOW + 60)
    assert x509.check_signatures((leaf, *chain)) is None
    found = pyca.load_der_x509_certificate(leaf).extensions.get_extension_for_class(pyca.AuthorityKeyIdentifier)
    assert found.value == pyca.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key())


@pytest.mark.parametrize(
    ("pem", "told"),
    [
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        (issuing.to_pem(ROOT.der), "no private key"),
        (pem_of(ROOT.key, ROOT.der, password=b"secret"), "not encrypted"),
        (pem_of(ed25519.Ed25519PrivateKey.generate(), ROOT.der), "neither EC nor RSA"),  # type: ignore[arg-type]
        (pem_of(ROOT.key), "no certificate"),
        (pem_of(ROOT.key) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
        (pem_of(KEY, ROOT.der), "not that of the private key"),
        (pem_of(ROOT.key, ISSUER.der, ROOT.der), "not that of the private key"),
        (pem_of(KEY, LEAF), "not that of a CA"),
        (pem_of(KEY, bare_authority(KEY, extensions=[])), "not that of a CA"),
        (pem_of(ROOT.key, ROOT.der, ISSUER.der), "certificate 0 is not signed by the next one"),
    ],
)
def test_read_authority_says_what_is_wrong_and_nothing_of_the_content(pem: bytes, told: str) -> None:
    """One line, and no cause that a traceback would show."""
    with pytest.raises(LocalProtocolError, match=told) as caught:
        issuing.read_authority(pem)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
