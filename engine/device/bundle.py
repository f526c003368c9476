"""Device state kept between runs: key, chain and hub in one versioned record, so that they cannot disagree."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.protocol import x509

RECORD_VERSION = 1


class BundleUnreadable(ValueError):
    """A stored record that cannot be used: another version, damaged, or sealed with another key."""


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


def to_record(bundle: Bundle, wrapping_key: bytes) -> dict[str, Any]:
    """The record as JSON values; the private key is in it only wrapped."""
    sealed = x509.seal_key(bundle.key, wrapping_key, bundle.device_id)
    return {
        "version": RECORD_VERSION,
        "deviceId": bundle.device_id,
        "hub": bundle.hub,
        "generation": bundle.generation,
        "wrappedKey": base64.b64encode(sealed).decode(),
        "chain": [base64.b64encode(certificate).decode() for certificate in bundle.chain],
    }


def from_record(record: Mapping[str, Any], wrapping_key: bytes) -> Bundle:
    """The bundle in a record. Raises BundleUnreadable."""
    if record.get("version") != RECORD_VERSION:
        raise BundleUnreadable(f"record version {record.get('version')!r}, expected {RECORD_VERSION}")
    try:
        device_id = str(record["deviceId"])
        return Bundle(
            device_id=device_id,
            hub=str(record["hub"]),
            key=x509.open_key(base64.b64decode(record["wrappedKey"], validate=True), wrapping_key, device_id),
            chain=tuple(base64.b64decode(text, validate=True) for text in record["chain"]),
            generation=int(record["generation"]),
        )
    except (KeyError, TypeError, ValueError, x509.SealBroken) as broken:
        raise BundleUnreadable(f"{type(broken).__name__} in a stored record") from broken


def encode(records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Records by device id, as one body."""
    return json.dumps({"version": RECORD_VERSION, "devices": records}, separators=(",", ":"), sort_keys=True).encode()


def decode(body: bytes) -> dict[str, dict[str, Any]]:
    """Records by device id. Raises BundleUnreadable."""
    try:
        document = json.loads(body)
        if document["version"] != RECORD_VERSION:
            raise BundleUnreadable(f"state version {document['version']!r}, expected {RECORD_VERSION}")
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
