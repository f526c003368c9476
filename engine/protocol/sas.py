"""Shared access signatures: keys derived for devices, tokens made and tokens checked.

Source: azure-iot-sdk-python, azure/iot/device/common/auth/sastoken.py; article "Communicate with DPS using the
MQTT protocol", section on the password.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from enum import StrEnum
from urllib.parse import quote, unquote

from engine.errors import RemoteProtocolError
from engine.protocol.body import to_base64
from engine.protocol.topic import parse_query

POLICY = "registration"
"""The policy name of DPS device tokens; PY leaves it out. Source: article above."""

_PREFIX = "SharedAccessSignature "
_EXPIRY = re.compile(r"[0-9]{1,12}", re.ASCII)


class Refusal(StrEnum):
    """Why a token does not prove what it should."""

    MALFORMED = "malformed"
    WRONG_RESOURCE = "wrong-resource"
    EXPIRED = "expired"
    WRONG_KEY = "wrong-key"


def derive_key(group_key: bytes, registration_id: str) -> bytes:
    """The key of one device of an enrollment group; both keys raw, not base64.

    Source: article "How to provision devices using symmetric key enrollment groups", derive a device key.
    """
    return hmac.digest(group_key, registration_id.encode("utf-8"), hashlib.sha256)


def token(resource: str, key: bytes, expires_at: int, policy: str | None = None) -> str:
    """A token for the resource (not yet encoded) that holds until expires_at, Unix seconds."""
    sr = quote(resource, safe="")
    signature = quote(_sign(key, sr, str(expires_at)), safe="")
    return f"{_PREFIX}sr={sr}&sig={signature}&se={expires_at}" + (f"&skn={policy}" if policy else "")


def verify(text: str, keys: Iterable[bytes], *, resource: str, now: float) -> Refusal | None:
    """Why the token is refused, None when one of the keys signed it for the resource and it still holds at now.

    Fields are read by name in any order, and the signature is checked against `sr` exactly as received, because
    some clients write lower-case hex. Resources compare without regard to case: host names have none.
    """
    try:
        fields = dict(pair.partition("=")[::2] for pair in text.removeprefix(_PREFIX).split("&"))
        decoded = parse_query(text.removeprefix(_PREFIX))
    except RemoteProtocolError:
        return Refusal.MALFORMED
    sr, se, sig = fields.get("sr", ""), fields.get("se", ""), decoded.get("sig", "")
    if not (text.startswith(_PREFIX) and sr and sig and _EXPIRY.fullmatch(se)):
        return Refusal.MALFORMED
    if unquote(sr).lower() != resource.lower():
        return Refusal.WRONG_RESOURCE
    if int(se) <= now:
        return Refusal.EXPIRED
    given = sig.encode("utf-8", "replace")
    if any(hmac.compare_digest(_sign(key, sr, se).encode("ascii"), given) for key in keys):
        return None
    return Refusal.WRONG_KEY


def _sign(key: bytes, sr: str, se: str) -> str:
    return to_base64(hmac.digest(key, f"{sr}\n{se}".encode("utf-8", "replace"), hashlib.sha256))
