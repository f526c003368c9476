"""X.509 group attestation: a certificate for onboarding, signed by the enrollment group's CA for the device alone.

A device in the field leaves its factory with such a certificate; here whoever runs the test holds the CA's key, and
every device mints its own. Its subject is the registration id, which is how DPS tells the devices of a group apart.
Source: DPS documentation, "X.509 certificate attestation", section on enrollment groups; article "Communicate with DPS
using the MQTT protocol", section on X.509.
"""

from dataclasses import dataclass, field

from engine.device.proof import Claimant, Proof
from engine.protocol import issuing, x509
from engine.protocol.mqtt import Identity

LIFE_S = 86_400.0
"""Longer than a registration may take; a new one is minted for every attempt, so none is used for longer."""


@dataclass(frozen=True, slots=True)
class GroupAuthority:
    """The enrollment group's CA; chain is what devices present after their leaf: its certificate, then its issuers."""

    issuer: issuing.Issuer = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)

    def prove(self, claimant: Claimant, *, now: float, until: float) -> Proof:
        """A certificate for the device's key, valid for a day; it is the same for every id scope."""
        own = claimant.key()
        csr = issuing.Csr(claimant.registration_id, None, own.public_key())
        begins, ends = now - issuing.BACKDATED_S, max(now + LIFE_S, until)
        leaf = issuing.issue_leaf(self.issuer, csr, mark=b"", begins=begins, ends=ends)
        return Proof(identity=Identity(x509.key_to_der(own), (leaf, *self.chain)))


def parse_authority(pem: bytes) -> GroupAuthority:
    """The CA that a secret holds. Raises LocalProtocolError, which says what is wrong and nothing of the content."""
    return GroupAuthority(*issuing.read_authority(pem))
