"""JSON bodies, read strictly: a field that is missing or of another kind is the peer's mistake, never a crash."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Never

from engine.errors import Failure, LocalProtocolError, RemoteProtocolError
from engine.protocol.status import outcome_of_status

MAX_CHAIN = 8
"""Certificates in an answer. The services send 3 (leaf, issuing CA, root); more than this is not a chain."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object. Every getter takes null for absent, and raises RemoteProtocolError on another type."""

    values: Mapping[str, object]

    def text(self, key: str) -> str:
        """A string that must be there and not be empty."""
        if not (value := self.optional_text(key)):
            raise RemoteProtocolError(f"field {key} is missing or empty")
        return value

    def optional_text(self, key: str) -> str:
        """A string, "" when absent."""
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str) or not _is_utf8(value):
            raise RemoteProtocolError(f"field {key} is not a string")
        return value

    def optional_number(self, key: str) -> float | None:
        """A number from 0 to 10^9, None when absent."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e9:
            raise RemoteProtocolError(f"field {key} is not a number from 0 to 10^9")
        return float(value)

    def optional_code(self, key: str) -> str:
        """An error code, which the services write as a number or as a string; "" when absent."""
        value = self.values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**12 else "?"
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > 64 or not value.isprintable():
            raise RemoteProtocolError(f"field {key} is not an error code")
        return value

    def optional_object(self, key: str) -> "Fields":
        """An object, an empty one when absent."""
        value = self.values.get(key)
        if value is None:
            return Fields({})
        if not isinstance(value, dict):
            raise RemoteProtocolError(f"field {key} is not an object")
        return Fields(value)


def read_json(payload: bytes) -> object:
    """What the payload says. Raises RemoteProtocolError on anything that is not JSON in UTF-8."""
    try:
        value: object = _DECODER.decode(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"a payload of {len(payload)} bytes is not JSON") from error
    return value


def read_object(payload: bytes) -> Fields:
    """The JSON object in the payload. Raises RemoteProtocolError on anything else."""
    value = read_json(payload)
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"a payload of {len(payload)} bytes is not a JSON object")
    return Fields(value)


def read_failure(status: int, payload: bytes, retry_after_s: float | None = None) -> Failure:
    """The failure that an error answer tells, with its outcome from the topic's status and never from the code.

    An empty body is accepted, and the code is then the status. The body's own `retryAfter` goes before the topic's.
    Source: azure-sdk-for-c, az_iot_provisioning_client.c (body); azure-iot-sdk-csharp, branch
    feature/iot-csr-preview, CertificateSigningRequestErrorResponse.cs (`retryAfter`).
    """
    fields = read_object(payload) if payload.strip() else Fields({})
    wait_s = fields.optional_number("retryAfter")
    return Failure(
        outcome_of_status(status),
        fields.optional_code("errorCode") or str(status),
        one_line(fields.optional_text("message")),
        retry_after_s if wait_s is None else wait_s,
    )


def read_chain(value: object) -> tuple[bytes, ...]:
    """Certificates as DER from an array of base64 strings, or from one such string; () from null.

    Raises RemoteProtocolError on anything else. Whether the bytes are certificates is for x509 to say.
    Source: azure-iot-scale, src/locust_pkg/utils.py (an array; one string is tolerated there too).
    """
    if value is None:
        return ()
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or len(entries) > MAX_CHAIN:
        raise RemoteProtocolError(f"the certificates are not an array of at most {MAX_CHAIN} strings")
    return tuple(from_base64(entry) for entry in entries)


def from_base64(value: object) -> bytes:
    """The bytes of a base64 string on one line. Raises RemoteProtocolError on anything else, and on no bytes at all."""
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError) as error:
        raise RemoteProtocolError("a string is not base64") from error
    if not data:
        raise RemoteProtocolError("expected a base64 string, and not an empty one")
    return data


def to_base64(data: bytes) -> str:
    """Base64 on one line."""
    return base64.b64encode(data).decode("ascii")


def write_json(value: Mapping[str, object] | list[str]) -> bytes:
    """JSON without spaces, in ASCII. Raises LocalProtocolError on what JSON has no word for."""
    try:
        return _ENCODER.encode(value).encode("ascii")
    except (TypeError, ValueError) as error:
        raise LocalProtocolError("a body of ours is not JSON") from error


def write_time(at: float) -> str:
    """ISO 8601 with milliseconds and `Z`, from Unix seconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def one_line(text: str) -> str:
    """The text fit for one line of a report, at most 200 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:400]).split())[:200]


def _is_utf8(text: str) -> bool:
    """Whether the text has no half surrogate pairs, which JSON can write and no topic can carry."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
"""Made once: json.loads and json.dumps make one for every call that asks for anything."""
