"""Device state kept between runs: key, chain and hub in one versioned record, so that they cannot disagree.

The private key is in it only wrapped, and it opens only with the rest of the record as it was: whoever can write where
state is kept, and does not know the wrapping key, cannot send a device to another hub, or give it another's key.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.protocol import x509

BODY_VERSION = 1
RECORD_VERSION = 2
_ID_BOUND_VERSION = 1
"""Records of this version are still read. Their key is bound to the device's id alone."""

_WRAPPED = "wrappedKey"


class BundleUnreadable(ValueError):
    """A stored record that cannot be used: another version, damaged, changed, or sealed with another key."""


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """What device keys are wrapped under; former is the one before, which may still open them, b"" where there is none.

    Each has x509.WRAPPING_KEY_BYTES.
    """

    key: bytes = field(repr=False)
    former: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a device needs to connect: its hub, its key (PKCS#8 DER) and the issued chain (DER, leaf first).

    generation counts the certificates the device has had; of two records the higher one is the newer.
    """

    device_id: str
    hub: str
    key: bytes
    chain: tuple[bytes, ...]
    generation: int = 1

    def __repr__(self) -> str:
        return f"Bundle({self.device_id}, {self.hub}, generation {self.generation})"


def to_record(bundle: Bundle, wrapping: WrappingKey) -> dict[str, Any]:
    """The record as JSON values; the private key is in it only wrapped."""
    record = {
        "version": RECORD_VERSION,
        "deviceId": bundle.device_id,
        "hub": bundle.hub,
        "generation": bundle.generation,
        "chain": [base64.b64encode(certificate).decode() for certificate in bundle.chain],
    }
    sealed = x509.seal_key(bundle.key, wrapping.key, bundle.device_id, _rest(record))
    return {**record, _WRAPPED: base64.b64encode(sealed).decode()}


def from_record(record: Mapping[str, Any], wrapping: WrappingKey) -> Bundle:
    """The bundle in a record. Raises BundleUnreadable."""
    version = record.get("version")
    if version not in (RECORD_VERSION, _ID_BOUND_VERSION):
        raise BundleUnreadable(f"record version {version!r}, expected {RECORD_VERSION}")
    try:
        device_id = str(record["deviceId"])
        sealed = base64.b64decode(record[_WRAPPED], validate=True)
        return Bundle(
            device_id=device_id,
            hub=str(record["hub"]),
            key=_open(sealed, wrapping, device_id, () if version == _ID_BOUND_VERSION else (_rest(record),)),
            chain=tuple(base64.b64decode(text, validate=True) for text in record["chain"]),
            generation=int(record["generation"]),
        )
    except x509.SealBroken as broken:
        raise BundleUnreadable("STATE_KEY is not the one it was sealed with, or the record was changed") from broken
    except (KeyError, TypeError, ValueError) as broken:
        raise BundleUnreadable(f"{type(broken).__name__} in a stored record") from broken


def _open(sealed: bytes, wrapping: WrappingKey, device_id: str, bound: tuple[bytes, ...]) -> bytes:
    """The private key, by the present wrapping key or the former one. Raises SealBroken."""
    try:
        return x509.open_key(sealed, wrapping.key, device_id, *bound)
    except x509.SealBroken:
        if not wrapping.former:
            raise
        return x509.open_key(sealed, wrapping.former, device_id, *bound)


def _rest(record: Mapping[str, Any]) -> bytes:
    """All that a record says besides the key, always in the same bytes."""
    rest = {name: value for name, value in record.items() if name != _WRAPPED}
    return json.dumps(rest, separators=(",", ":"), sort_keys=True).encode()


def encode(records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Records by device id, as one body."""
    return json.dumps({"version": BODY_VERSION, "devices": records}, separators=(",", ":"), sort_keys=True).encode()


def decode(body: bytes) -> dict[str, dict[str, Any]]:
    """Records by device id. Raises BundleUnreadable."""
    try:
        document = json.loads(body)
        if document["version"] != BODY_VERSION:
            raise BundleUnreadable(f"state version {document['version']!r}, expected {BODY_VERSION}")
        return {str(name): dict(record) for name, record in document["devices"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as broken:
        raise BundleUnreadable("a stored body that is not device state") from broken


def newest(bodies: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Per device the record with the highest generation; of equals the later body wins."""
    merged: dict[str, dict[str, Any]] = {}
    for body in bodies:
        for name, record in body.items():
            held = merged.get(name)
            if held is None or _generation(record) >= _generation(held):
                merged[name] = record
    return merged


def _generation(record: Mapping[str, Any]) -> int:
    """0 for a record that says nothing usable, so that any other is newer."""
    found = record.get("generation")
    return found if isinstance(found, int) else 0
