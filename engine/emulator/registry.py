"""Who may connect, to which hub, and with which certificates.

One enrollment group: every registration id that proves itself belongs to it, and its device key and its hub follow
from its id. So nothing has to be remembered but revocations, and a restart forgets no device.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from engine.protocol import adr, sas

MARK_BYTES = 16


class Registry:
    """The enrollment group, its hubs, and how often each device was revoked."""

    def __init__(
        self, id_scope: str, group_key: bytes, *, hubs: Sequence[str], revocations: Mapping[str, int] | None = None
    ) -> None:
        self.id_scope = id_scope
        self.hubs = tuple(hub.lower() for hub in hubs)
        self._group_key = group_key
        self._revocations = dict(revocations or {})

    @property
    def revocations(self) -> Mapping[str, int]:
        """How often each device was revoked, for those that were: all that has to be kept over a restart."""
        return self._revocations

    @property
    def adr_token(self) -> str:
        """The bearer token of the device registry."""
        return adr.local_token(self._group_key)

    def device_key(self, device_id: str) -> bytes:
        """The symmetric key that DPS and hub know of the device."""
        return sas.derive_key(self._group_key, device_id)

    def hub_of(self, device_id: str) -> str:
        """The hub the device is assigned to, always the same one, evenly over all devices."""
        digest = hashlib.blake2b(device_id.encode("utf-8"), digest_size=8).digest()
        return self.hubs[int.from_bytes(digest) % len(self.hubs)]

    def mark_of(self, device_id: str) -> bytes:
        """What the device's certificates must hold to be accepted."""
        text = f"mark:{device_id}:{self._revocations.get(device_id, 0)}".encode()
        return hmac.digest(self._group_key, text, hashlib.sha256)[:MARK_BYTES]

    def revoke(self, device_id: str) -> None:
        """Make every certificate that the device has worthless; new ones are good.

        Source: article "Certificate policy management", revocation: identifiers rotate, the device stays enabled.
        """
        self._revocations[device_id] = self._revocations.get(device_id, 0) + 1
