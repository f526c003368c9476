"""The emulator's directory: keys and CA certificates, made once and kept, so that a restart changes nobody's standing.

`secrets.json` has everything that must not be read by others (mode 0600); `ca.pem` is what clients trust;
`revoked.json` says how often each device was revoked. A directory of an older version has no onboarding CA: it gets
one, and everything else in it stays.
"""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import LocalProtocolError
from engine.protocol import issuing, x509
from engine.protocol.issuing import Issuer
from engine.protocol.x509 import KeyType

_GROUP_KEY_BYTES = 64
_ONBOARDING = frozenset({"onboardingKey", "onboardingCertificate"})


@dataclass(frozen=True, slots=True)
class Vault:
    """What the directory holds. server_root signs server certificates, root and issuer those of devices.

    onboarding signs the certificates that devices come with, so whoever makes devices has it too.
    """

    folder: Path
    group_key: bytes = field(repr=False)
    root: Issuer
    issuer: Issuer
    server_root: Issuer
    onboarding: Issuer

    @property
    def ca_file(self) -> Path:
        """The certificate that clients trust, PEM."""
        return self.folder / "ca.pem"

    def revocations(self) -> Mapping[str, int]:
        """How often each device was revoked."""
        with suppress(FileNotFoundError):
            return {str(device): int(n) for device, n in json.loads(self._revoked.read_bytes()).items()}
        return {}

    def keep_revocations(self, revocations: Mapping[str, int]) -> None:
        """Write them down."""
        _write(self._revoked, json.dumps(dict(revocations)).encode())

    @property
    def _revoked(self) -> Path:
        return self.folder / "revoked.json"


def open_vault(folder: Path, now: float) -> Vault:
    """The vault in the folder, a new one if there is none. Raises LocalProtocolError when it cannot be read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "secrets.json"
    if not path.exists():
        _create(path, _document(_new_secrets(now)))
    try:
        held = _read(path)
        issuers = {name: _issuer(held, name) for name in ("root", "issuer", "serverRoot")}
        if _ONBOARDING.isdisjoint(held):
            held = _complete(path, now)
        onboarding = _issuer(held, "onboarding")
        vault = Vault(folder, held["groupKey"], issuers["root"], issuers["issuer"], issuers["serverRoot"], onboarding)
    except (ValueError, KeyError, AttributeError) as error:
        raise LocalProtocolError(f"{path} cannot be read: {type(error).__name__}") from error
    _write(vault.ca_file, issuing.to_pem(vault.server_root.der))
    return vault


def _read(path: Path) -> Mapping[str, bytes]:
    return {name: base64.b64decode(text) for name, text in json.loads(path.read_bytes()).items()}


def _complete(path: Path, now: float) -> Mapping[str, bytes]:
    """What the file holds once the onboarding CA is in it; of several that start at once, the first puts it there."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        held = _read(path)
        if _ONBOARDING.isdisjoint(held):
            held = {**held, **_new_onboarding(now)}
            _write(path, _document(held))
    finally:
        os.close(folder)
    return held


def _new_secrets(now: float) -> Mapping[str, bytes]:
    root = issuing.new_root(KeyType.EC_P384, "certfleet credential root", now=now)
    issuers = {
        "root": root,
        "issuer": issuing.new_issuer(root, "certfleet policy issuer", now=now),
        "serverRoot": issuing.new_root(KeyType.RSA_2048, "certfleet server root", now=now),
    }
    values = {"groupKey": secrets.token_bytes(_GROUP_KEY_BYTES), **_new_onboarding(now)}
    for name, issuer in issuers.items():
        values |= _entries(name, issuer)
    return values


def _new_onboarding(now: float) -> Mapping[str, bytes]:
    """P-256, because every device of a run has its certificate signed by it."""
    return _entries("onboarding", issuing.new_root(KeyType.EC_P256, "certfleet onboarding CA", now=now))


def _entries(name: str, issuer: Issuer) -> dict[str, bytes]:
    return {f"{name}Key": x509.key_to_der(issuer.key), f"{name}Certificate": issuer.der}


def _document(values: Mapping[str, bytes]) -> bytes:
    return json.dumps({name: base64.b64encode(value).decode("ascii") for name, value in values.items()}).encode()


def _issuer(held: Mapping[str, bytes], name: str) -> Issuer:
    return issuing.load_issuer(x509.key_from_der(held[f"{name}Key"]), held[f"{name}Certificate"])


def _create(path: Path, body: bytes) -> None:
    """Make the file with mode 0600, whole or not at all; whoever is first wins."""
    new = path.with_suffix(f".{secrets.token_hex(4)}")
    _write_new(new, body)
    with suppress(FileExistsError):
        os.link(new, path)
    new.unlink()


def _write(path: Path, body: bytes) -> None:
    """Put the file in place of what is there, whole or not at all."""
    new = path.with_suffix(f".{secrets.token_hex(4)}")
    _write_new(new, body)
    new.replace(path)


def _write_new(path: Path, body: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(body)
