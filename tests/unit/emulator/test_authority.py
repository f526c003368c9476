"""The certificate authority."""

import hashlib

import pytest

from engine.emulator import authority as module
from engine.emulator.authority import Authority, Purpose, Standing
from engine.errors import RemoteProtocolError
from engine.protocol import issuing, x509
from engine.protocol.x509 import KeyType
from unit.emulator.rig import ISSUER, NOW, ONBOARDING, ROOT

KEY = x509.generate_key(KeyType.EC_P256)


def csr(name: str = "d-1") -> bytes:
    return x509.build_csr(KEY, name)


def test_an_issued_chain_is_good_for_its_holder() -> None:
    """Leaf first, then issuer and root; valid a little before now, and for thirty days."""
    authority = Authority(ROOT, ISSUER)
    chain = authority.issue(authority.read_csr(csr(), "d-1"), b"mark", NOW)
    assert x509.check_chain(chain, KEY, NOW - 299) is None
    assert x509.check_signatures(chain) is None
    assert x509.lifetime_s(chain) == 30 * 86400 + issuing.BACKDATED_S
    presented = authority.examine(chain, NOW)
    assert presented.standing is Standing.GOOD
    assert presented.leaf is not None
    assert (presented.leaf.common_name, presented.leaf.mark) == ("d-1", b"mark")


def test_what_each_device_was_issued_is_known() -> None:
    """How many certificates, and which one was the last."""
    authority = Authority(ROOT, ISSUER)
    chains = [authority.issue(authority.read_csr(csr(name), name), b"mark", NOW) for name in ("d-1", "d-2", "d-1")]
    assert {name: issued.count for name, issued in authority.issued.items()} == {"d-1": 2, "d-2": 1}
    assert authority.issued["d-1"].last == hashlib.sha256(chains[2][0]).hexdigest()


def test_requests_for_another_name_or_kind_of_key_are_refused() -> None:
    """The CN must be the device's, the key of a kind that is accepted."""
    with pytest.raises(RemoteProtocolError, match="common name"):
        Authority(ROOT, ISSUER).read_csr(csr("d-2"), "d-1")
    with pytest.raises(RemoteProtocolError, match="ec-p384"):
        Authority(ROOT, ISSUER, key_types=frozenset({KeyType.EC_P384})).read_csr(csr(), "d-1")


def test_faulty_chains_are_faulty_in_their_way() -> None:
    """Another key, and the wrong order."""
    authority = Authority(ROOT, ISSUER)
    request = authority.read_csr(csr(), "d-1")
    wrong_key = x509.check_chain(authority.issue_wrong_key(request, b"", NOW), KEY, NOW)
    wrong_order = x509.check_chain(authority.issue_wrong_order(request, b"", NOW), KEY, NOW)
    assert wrong_key is not None
    assert wrong_order is not None
    assert (wrong_key.code, wrong_order.code) == ("other-key", "wrong-order")


def test_examine_tells_how_a_certificate_stands() -> None:
    """Expired, not begun, of another authority, and no certificate at all."""
    authority = Authority(ROOT, ISSUER, validity_s=60.0)
    chain = authority.issue(authority.read_csr(csr(), "d-1"), b"", NOW)
    assert authority.examine(chain, NOW + 61).standing is Standing.EXPIRED
    assert authority.examine(chain, NOW - 301).standing is Standing.NOT_YET_VALID
    assert authority.examine([ISSUER.der], NOW).standing is Standing.FOREIGN
    assert authority.examine([b"x"], NOW).standing is Standing.FOREIGN
    version = chain[0].replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)
    assert authority.examine([version], NOW).standing is Standing.FOREIGN


def test_a_restarted_authority_knows_its_certificates() -> None:
    """Nothing but the keys is needed to recognize a leaf."""
    leaf = issuing.issue_leaf(ISSUER, issuing.read_csr(csr()), mark=b"m", begins=NOW, ends=NOW + 60)
    authority = Authority(ROOT, ISSUER)
    assert authority.examine([leaf], NOW).standing is Standing.GOOD
    assert authority.examine([leaf], NOW).standing is Standing.GOOD


def test_certificates_are_for_one_purpose() -> None:
    """The CA that signed says for which, and a certificate is good for it under its own name and in its time only."""
    authority = Authority(ROOT, ISSUER, onboarding=ONBOARDING)
    request = issuing.read_csr(csr())
    for issuer, own, other in (
        (ISSUER, Purpose.OPERATION, Purpose.ONBOARDING),
        (ONBOARDING, Purpose.ONBOARDING, Purpose.OPERATION),
    ):
        leaf = issuing.issue_leaf(issuer, request, mark=b"m", begins=NOW, ends=NOW + 60)
        presented = authority.examine([leaf], NOW)
        assert presented.named(own, "d-1") == presented.leaf is not None
        assert presented.named(own, "d-2") is None
        assert presented.named(other, "d-1") is None
        assert authority.examine([leaf], NOW + 61).named(own, "d-1") is None


def test_without_an_onboarding_ca_its_certificates_are_foreign() -> None:
    """Nobody is taken for a device of a group that there is not."""
    leaf = issuing.issue_leaf(ONBOARDING, issuing.read_csr(csr()), mark=b"", begins=NOW, ends=NOW + 60)
    presented = Authority(ROOT, ISSUER).examine([leaf], NOW)
    assert (presented.standing, presented.named(Purpose.ONBOARDING, "d-1")) == (Standing.FOREIGN, None)


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest certificate is forgotten first, and recognized again by its signature."""
    monkeypatch.setattr(module, "_KNOWN", 2)
    authority = Authority(ROOT, ISSUER)
    chains = [authority.issue(authority.read_csr(csr(), "d-1"), bytes([n]), NOW) for n in range(3)]
    assert len(authority._known) == 2
    assert authority.examine(chains[0], NOW).standing is Standing.GOOD
