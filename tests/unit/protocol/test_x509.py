"""Keys, requests, chains and seals."""

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import LocalProtocolError, Outcome
from engine.protocol import issuing, x509
from engine.protocol.issuing import Issuer
from engine.protocol.x509 import KeyType

NOW = 1767225600.0
KEY = x509.generate_key(KeyType.EC_P256)
ROOT = issuing.new_root(KeyType.EC_P384, "root", now=NOW)
ISSUER = issuing.new_issuer(ROOT, "issuer", now=NOW)


def chain_for(
    key: x509.PrivateKey, *, begins: float = NOW, ends: float = NOW + 86400, by: Issuer = ISSUER
) -> list[bytes]:
    csr = issuing.read_csr(x509.build_csr(key, "d-1"))
    return [issuing.issue_leaf(by, csr, mark=b"", begins=begins, ends=ends), ISSUER.der, ROOT.der]


CHAIN = chain_for(KEY)


def code(chain: list[bytes], key: x509.PrivateKey = KEY, now: float = NOW) -> str:
    failure = x509.check_chain(chain, key, now)
    assert failure is None or failure.outcome is Outcome.UNUSABLE
    return failure.code if failure else "ok"


@pytest.mark.parametrize("key_type", KeyType)
def test_requests_are_valid_pkcs10(key_type: KeyType) -> None:
    """Another implementation parses the request, finds the name, and accepts the signature."""
    key = x509.generate_key(key_type)
    request = pyca.load_der_x509_csr(x509.build_csr(key, "device-1"))
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=device-1"
    assert request.public_key() == key.public_key()
    assert len(request.extensions) == 0


@settings(max_examples=30)
@given(st.from_regex(r"[a-z0-9._:-]{1,60}", fullmatch=True))
def test_requests_hold_any_name(name: str) -> None:
    """Names of any length come back, and the bytes are the only way to write them."""
    request = pyca.load_der_x509_csr(x509.build_csr(KEY, name))
    assert request.subject.rfc4514_string() == f"CN={name}"
    assert request.public_bytes(Encoding.DER)[-8:] == request.signature[-8:]


def test_requests_hold_the_longest_device_id() -> None:
    """A CN of 128 characters needs the longer form of a DER length."""
    request = x509.build_csr(x509.generate_key(KeyType.RSA_3072), "d" * 128)
    with pytest.warns(UserWarning, match="length"):
        assert pyca.load_der_x509_csr(request).subject.rfc4514_string() == f"CN={'d' * 128}"


@pytest.mark.parametrize("key_type", KeyType)
def test_keys_come_back(key_type: KeyType) -> None:
    """A stored key is the same key."""
    key = x509.generate_key(key_type)
    assert x509.key_from_der(x509.key_to_der(key)).private_numbers() == key.private_numbers()


def test_key_from_der_refuses_other_things() -> None:
    """Bytes that are no key, and a key of another kind, are our mistake."""
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for der in (b"", b"0", CHAIN[0], other):
        with pytest.raises(LocalProtocolError):
            x509.key_from_der(der)


def test_a_good_chain_has_no_failure() -> None:
    """Leaf, issuing CA and root, and also without the root."""
    assert code(CHAIN) == code(CHAIN[:2]) == "ok"
    assert x509.check_signatures(CHAIN) is None


def test_check_chain_names_what_is_wrong() -> None:
    """Each way to be of no use has its own code."""
    other = x509.generate_key(KeyType.EC_P256)
    assert code([]) == code(CHAIN[:1]) == "no-chain"
    assert code([b"x", *CHAIN[1:]]) == "unparsable"
    assert code(CHAIN, other) == "other-key"
    assert code(CHAIN[::-1]) == "wrong-order"
    assert code([CHAIN[0], CHAIN[2], CHAIN[1]]) == "wrong-order"
    assert code(CHAIN, now=NOW - 1) == "not-yet-valid"
    assert code(CHAIN, now=NOW + 86401) == "expired"


def test_check_chain_skips_authorities_that_do_not_parse() -> None:
    """A quirk in a CA's encoding is not held against the leaf."""
    assert code([CHAIN[0], b"quirk", CHAIN[2]]) == "ok"
    assert code([CHAIN[0], CHAIN[1], b"quirk"]) == "ok"


def test_check_signatures_finds_a_break() -> None:
    """A leaf of another authority with the same name, and an authority that the root did not sign."""
    twin = issuing.new_issuer(issuing.new_root(KeyType.EC_P384, "root", now=NOW), "issuer", now=NOW)
    broken = x509.check_signatures(chain_for(KEY, by=twin))
    assert broken is not None
    assert broken.code == "bad-signature"
    assert x509.check_signatures([CHAIN[0], twin.der, ROOT.der]) is not None
    assert x509.check_signatures([chain_for(KEY, by=twin)[0], twin.der, ROOT.der]) is not None
    assert x509.check_signatures([b"x", CHAIN[1]]) is not None
    assert x509.check_signatures([CHAIN[0], b"quirk", ROOT.der]) is not None
    assert x509.check_signatures([CHAIN[0], b"quirk"]) is None


def test_lifetime_is_that_of_the_leaf() -> None:
    """From its first moment to its last; a chain without a leaf is our mistake."""
    assert x509.lifetime_s(chain_for(KEY, begins=NOW - 300)) == 86400 + 300
    for chain in ([], [b"x"]):
        with pytest.raises(LocalProtocolError):
            x509.lifetime_s(chain)


@given(st.binary(max_size=300), st.text(max_size=20))
def test_seals_open_for_their_device_only(der: bytes, device_id: str) -> None:
    """The key comes back, the same every time, and not for another device or wrapping key."""
    wrapping, other = bytes(range(64)), bytes(64)
    sealed = x509.seal_key(der, wrapping, device_id.encode("utf-8", "replace").decode())
    device_id = device_id.encode("utf-8", "replace").decode()
    assert sealed == x509.seal_key(der, wrapping, device_id)
    assert x509.open_key(sealed, wrapping, device_id) == der
    for key, device, text in (
        (other, device_id, sealed),
        (wrapping, device_id + "x", sealed),
        (wrapping, device_id, b""),
    ):
        with pytest.raises(x509.SealBroken):
            x509.open_key(text, key, device)


@given(st.binary(max_size=100))
def test_check_chain_survives_any_bytes(der: bytes) -> None:
    """Whatever a service sends for certificates, the answer is a failure with a code."""
    assert code([der, der]) == "unparsable"
    assert x509.check_signatures([CHAIN[0], der]) is None
