"""What a device shows the provisioning service when it has no certificate of its service yet, and who makes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from engine.protocol import x509
from engine.protocol.mqtt import Identity


@dataclass(frozen=True, slots=True)
class Proof:
    """A token, or the certificate of the TLS handshake; each serves over MQTT and over HTTPS."""

    token: str | None = field(default=None, repr=False)
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Claimant:
    """A device that is to prove itself; key gives the one it onboards with, made when it is first asked for."""

    id_scope: str
    registration_id: str
    key: Callable[[], x509.PrivateKey] = field(repr=False)


class Attestation(Protocol):
    """What the devices of an enrollment group prove themselves by; it holds the group's secret, and never shows it."""

    def prove(self, claimant: Claimant, *, now: float, until: float) -> Proof:
        """The device's proof, good from now to until at least (Unix seconds)."""
