"""Whether a text looks like a secret: such a one is neither kept nor repeated to whoever sent it.

Nothing here is proof: what looks like none may still be one. But the secrets that people have at hand have forms of
their own, and a spec is kept, shown and copied.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MARKS: Final = re.compile(
    r"SharedAccess(?:Key|Signature)|AccountKey\s*=|\bsig=|-----BEGIN\b|\beyJ[\w-]{8,}\.eyJ", re.IGNORECASE
)
"""Source: Azure Storage, IoT Hub and DPS, "connection strings" and "SAS tokens"; RFC 7468, section 2; RFC 7515, section
3.1 (a token's header in base64url)."""
_KEY: Final = re.compile(r"[A-Za-z0-9+/_-]{40,}={1,2}")
"""Base64 of 32 or 64 bytes, which is what keys of Azure's services are, always ends so."""


def looks_secret(text: str) -> bool:
    """Whether the text holds a connection string's key, a signature, a PEM, a token or a key in base64."""
    return bool(_MARKS.search(text) or _KEY.search(text))


def secret_places(document: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """Where in a JSON document texts look like secrets, as the names and numbers that lead there."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        place, value = waiting.pop()
        match value:
            case str() if looks_secret(value):
                yield place
            case Mapping():
                waiting += [((*place, name), inner) for name, inner in value.items()]
            case list():
                waiting += [((*place, index), inner) for index, inner in enumerate(value)]
