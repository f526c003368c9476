"""Ids that the services make up, from a seed, so that a run can be repeated to the byte."""

import hashlib
from itertools import count


class Names:
    """Ids, each new."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = count()

    def hexadecimal(self, digits: int) -> str:
        """That many lower-case hexadecimal digits, an even number up to 64."""
        text = f"{self._seed}:{next(self._count)}".encode()
        return hashlib.blake2b(text, digest_size=digits // 2).hexdigest()

    def uuid(self) -> str:
        """Something that has the form of a random UUID. Source: RFC 9562 section 5.4."""
        h = self.hexadecimal(32)
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:]}"

    def operation_id(self) -> str:
        """An operation of DPS. Source: azure-sdk-for-c, az_iot_provisioning_client.c."""
        return f"4.{self.hexadecimal(16)}.{self.uuid()}"

    def tracking_id(self, at: str) -> str:
        """A tracking id; deliberately no UUID. Source: azure-iot-sdk-csharp, csr-scenarions.md."""
        return f"{self.hexadecimal(32)}-G2:-TimeStamp:{at}"
