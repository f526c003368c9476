"""Symmetric-key group attestation: a key derived from the enrollment group's, spent on a short-lived SAS token.

Source: DPS documentation, "Symmetric key attestation", section "Group enrollments"; DPS MQTT support, "Connect".
"""

import math
from dataclasses import dataclass, field

from engine.device.proof import Claimant, Proof
from engine.protocol import dps, sas

TOKEN_LIFE_S = 3600
"""As long as Microsoft's device SDKs make theirs; longer only where a registration may take longer."""


@dataclass(frozen=True, slots=True)
class GroupKey:
    """The enrollment group's key, raw and not base64."""

    key: bytes = field(repr=False)

    def prove(self, claimant: Claimant, *, now: float, until: float) -> Proof:
        """A token for the device's own registration."""
        resource = dps.sas_resource(claimant.id_scope, claimant.registration_id)
        key = sas.derive_key(self.key, claimant.registration_id)
        return Proof(sas.token(resource, key, max(int(now) + TOKEN_LIFE_S, math.ceil(until)), sas.POLICY))
