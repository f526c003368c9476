"""A small certificate authority: a P-384 root, a P-384 issuing CA, and leaves of devices.

Beside it stands an onboarding CA, which makes nothing here: a device that comes with a certificate of it, and with its
registration id as name, is one of the enrollment group. What it signed opens DPS and no hub; what the issuing CA signed
opens hubs and not DPS, for no source says that a device may register again with its operational certificate.

Source: article "What is certificate management" (two tiers); azure-iot-protocol facts on validity: a policy has 1 or
7 to 90 days, its default is unknown, 30 days here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from engine.errors import RemoteProtocolError
from engine.protocol import issuing, x509
from engine.protocol.issuing import Csr, Issuer, Leaf
from engine.protocol.x509 import KeyType

DAY_S = 86400.0
_KNOWN = 100_000


class Standing(StrEnum):
    """What a presented certificate is worth."""

    GOOD = "good"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    FOREIGN = "foreign"


class Purpose(StrEnum):
    """What a certificate of ours is for."""

    ONBOARDING = "onboarding"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Presented:
    """A presented certificate; leaf is None when it is foreign."""

    standing: Standing
    leaf: Leaf | None = None
    purpose: Purpose = Purpose.OPERATION

    def named(self, purpose: Purpose, device_id: str) -> Leaf | None:
        """The leaf, if it is good for the purpose and for that device."""
        if self.leaf is None or self.standing is not Standing.GOOD or self.purpose is not purpose:
            return None
        return self.leaf if self.leaf.common_name == device_id else None


@dataclass(frozen=True, slots=True)
class Issued:
    """How many certificates a device was issued, and the SHA-256 of the last one's DER, in hex."""

    count: int
    last: str


class Authority:
    """Issues leaves and recognizes its own.

    Signatures that were made or checked here are remembered by the leaf's hash: checking one takes 0.4 ms.
    """

    def __init__(
        self,
        root: Issuer,
        issuer: Issuer,
        *,
        onboarding: Issuer | None = None,
        validity_s: float = 30 * DAY_S,
        key_types: frozenset[KeyType] = frozenset({KeyType.EC_P256, KeyType.EC_P384}),
    ) -> None:
        self._issuer, self._validity_s, self._key_types = issuer, validity_s, key_types
        self._upper = (issuer.der, root.der)
        self._signers = [(Purpose.OPERATION, issuer)]
        if onboarding is not None:
            self._signers.append((Purpose.ONBOARDING, onboarding))
        self._known: dict[bytes, tuple[Leaf, Purpose]] = {}
        self._issued: dict[str, Issued] = {}
        self._stranger = x509.generate_key(KeyType.EC_P256).public_key()

    @property
    def issued(self) -> Mapping[str, Issued]:
        """What each device was issued since we began."""
        return self._issued

    def read_csr(self, der: bytes, common_name: str) -> Csr:
        """The request, checked against the name it must be for and the kinds of keys that are accepted.

        Source: article "Certificate issuance". That P-256 and P-384 are both accepted and RSA is not is a setting,
        because sources disagree: the article says P-384 only, every tool known to work uses P-256.
        Raises RemoteProtocolError.
        """
        csr = issuing.read_csr(der)
        if csr.common_name != common_name:
            raise RemoteProtocolError("the common name of the certificate signing request is not the device id")
        if csr.key_type not in self._key_types:
            raise RemoteProtocolError(f"the key is none of {', '.join(sorted(self._key_types))}")
        return csr

    def issue(self, csr: Csr, mark: bytes, now: float) -> tuple[bytes, ...]:
        """A chain for the request: leaf, issuing CA, root."""
        ends = now + self._validity_s
        der = issuing.issue_leaf(self._issuer, csr, mark=mark, begins=now - issuing.BACKDATED_S, ends=ends)
        if (leaf := issuing.read_leaf(der)) is not None:
            self._remember(der, (leaf, Purpose.OPERATION))
        before = self._issued.get(csr.common_name)
        count = before.count + 1 if before else 1
        self._issued[csr.common_name] = Issued(count, hashlib.sha256(der).hexdigest())
        return (der, *self._upper)

    def issue_wrong_key(self, csr: Csr, mark: bytes, now: float) -> tuple[bytes, ...]:
        """A chain whose leaf certifies a key that nobody has: a fault."""
        return self.issue(replace(csr, key=self._stranger), mark, now)

    def issue_wrong_order(self, csr: Csr, mark: bytes, now: float) -> tuple[bytes, ...]:
        """A good chain, root first: a fault."""
        return self.issue(csr, mark, now)[::-1]

    def examine(self, chain: Sequence[bytes], now: float) -> Presented:
        """What the first certificate of the chain is worth at now."""
        recognized = self._recognize(chain[0])
        if recognized is None:
            return Presented(Standing.FOREIGN)
        leaf, purpose = recognized
        if leaf.ends < now:
            return Presented(Standing.EXPIRED, leaf, purpose)
        return Presented(Standing.NOT_YET_VALID if leaf.begins > now else Standing.GOOD, leaf, purpose)

    def _recognize(self, der: bytes) -> tuple[Leaf, Purpose] | None:
        if (known := self._known.get(_hash(der))) is not None:
            return known
        leaf = issuing.read_leaf(der)
        purpose = next((purpose for purpose, signer in self._signers if issuing.is_issued_by(der, signer)), None)
        if leaf is None or purpose is None:
            return None
        self._remember(der, (leaf, purpose))
        return leaf, purpose

    def _remember(self, der: bytes, recognized: tuple[Leaf, Purpose]) -> None:
        if len(self._known) >= _KNOWN:
            del self._known[next(iter(self._known))]
        self._known[_hash(der)] = recognized


def _hash(der: bytes) -> bytes:
    return hashlib.blake2b(der, digest_size=16).digest()
