"""A device proves itself with a certificate that its group's CA signed."""

import pytest
from cryptography import x509 as certificates
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from doubles.drive import ISSUER, ROOT, ZERO_WALL, make_setup
from engine.device.attestations.x509 import LIFE_S, GroupAuthority, parse_authority
from engine.device.identity import Device
from engine.device.setup import Dps
from engine.errors import LocalProtocolError
from engine.protocol import issuing, x509

PEM = issuing.authority_pem(ISSUER) + issuing.to_pem(ROOT.der)
GROUP = GroupAuthority(ISSUER, (ISSUER.der, ROOT.der))


def device_of(attestation=GROUP, device_id="d-7"):
    """A device of the group."""
    dps = Dps("dps.example", 8883, "0ne1", attestation)
    return Device(make_setup(dps=(dps,)), device_id, index=7, ordinal=7)


def test_proof_is_a_certificate_that_the_ca_signed_for_the_device():
    """Its subject is the registration id alone, its key the device's own; the CA and its issuers follow."""
    device = device_of()
    proof = device.prove(5, 305)
    assert proof.token is None
    chain = proof.identity.chain
    assert chain[1:] == (ISSUER.der, ROOT.der)
    assert proof.identity.key == x509.key_to_der(device.onboarding_key)
    assert x509.check_chain(chain, device.onboarding_key, ZERO_WALL + 5) is None
    assert x509.check_signatures(chain) is None
    leaf = certificates.load_der_x509_certificate(chain[0])
    assert [(name.oid, name.value) for name in leaf.subject] == [(NameOID.COMMON_NAME, "d-7")]
    usage = leaf.extensions.get_extension_for_class(certificates.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not [found for found in leaf.extensions if found.oid == issuing.MARK]


def test_certificate_holds_for_a_day_and_began_before():
    """For clocks that are behind; longer only where a registration may take longer."""
    found = issuing.read_leaf(device_of().prove(5, 305).identity.chain[0])
    assert (found.begins, found.ends) == (ZERO_WALL + 5 - issuing.BACKDATED_S, ZERO_WALL + 5 + LIFE_S)
    assert issuing.read_leaf(device_of().prove(5, 100_000).identity.chain[0]).ends == ZERO_WALL + 100_000


def test_device_keeps_its_onboarding_key_for_the_run():
    """Another attempt brings a new certificate for the same key; another device has a key of its own."""
    device, other = device_of(), device_of(device_id="d-8")
    first, second = device.prove(0, 300).identity, device.prove(7_200, 7_500).identity
    assert first.key == second.key
    assert first.chain != second.chain
    assert other.prove(0, 300).identity.key != first.key


def test_onboarding_key_is_not_the_key_that_is_certified():
    """What a device is issued in the end is for a key that was never shown to DPS before."""
    device = device_of()
    device.prove(0, 300)
    assert device.signing_key().public_key() != device.onboarding_key.public_key()


def test_authority_is_parsed_from_pem_and_shows_nothing():
    """Key and certificates in one text, the CA's first; neither is in the text of what holds them."""
    parsed = parse_authority(PEM)
    assert parsed.chain == GROUP.chain
    assert repr(parsed) == "GroupAuthority()"
    assert repr(device_of(parsed).prove(0, 1)) == "Proof(identity=Identity(chain of 3))"


def test_authority_that_is_none_is_refused():
    """By whoever reads the secret."""
    with pytest.raises(LocalProtocolError):
        parse_authority(b"no PEM")
