"""Looking for a secret in everything that is left: the forms it can be written in, and what documents are made of."""

import base64
import json
import re
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

DEEPEST = 4
"""Layers in layers: a history holds JSON, which holds base64, which holds something packed."""

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")

MARKS: Mapping[str, bytes] = {
    "a SAS token": b"SharedAccessSignature",
    "a signature": b"&sig=",
    "a PEM": b"PRIVATE KEY-----",
    # Source: RFC 5915, section 3, and RFC 5958, section 2: what of a P-256 key in PKCS#8 no certificate has.
    "an EC key": bytes.fromhex("046d306b0201010420"),
    # Source: RFC 8017, appendix A.1, and RFC 5958, section 2: version 0, then the algorithm, then the key.
    "an RSA key": bytes.fromhex("020100300d06092a864886f70d01010105000482"),
}
"""What is found in secrets of any value."""


def forms(secret: bytes) -> set[bytes]:
    """How a secret could be written: as it is, in hexadecimal, in base64 at any offset, escaped."""
    raw = {secret, repr(secret)[2:-1].encode(), secret.hex().encode(), secret.hex().upper().encode()}
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        whole = alphabet(secret)
        raw |= {whole, whole.rstrip(b"="), quote(whole, safe="").encode()}
        for before in (1, 2):  # within other bytes: what depends on the neighbours is cut off
            shifted = alphabet(bytes(before) + secret)
            raw.add(shifted[4 : len(shifted) // 4 * 4 - 4])
    return {form for form in raw if len(form) >= 16}


def layers(body: bytes, depth: int = DEEPEST) -> Iterator[bytes]:
    """The body, and what is packed into it: zlib, and base64 wherever it stands."""
    yield body
    if not depth:
        return
    with suppress(zlib.error):
        yield from layers(zlib.decompress(body), depth - 1)
    for text in set(_BASE64.findall(body)):
        with suppress(ValueError):
            yield from layers(
                base64.urlsafe_b64decode(text.translate(_TO_URLSAFE) + b"=" * (-len(text) % 4)), depth - 1
            )


_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


def places(left: Mapping[str, bytes], secrets: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """Where each secret is, and which. MARKS count as secrets."""
    wanted = {(name, form) for name, secret in secrets.items() for form in forms(secret)}
    wanted |= set(MARKS.items())
    return {
        (place, name)
        for place, body in left.items()
        for layer in layers(body)
        for name, form in wanted
        if form in layer
    }


def rows(database: Path) -> dict[str, bytes]:
    """Every value of a SQLite database, by table and row."""
    found: dict[str, bytes] = {}
    with closing(sqlite3.connect(database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for number, row in enumerate(connection.execute(f'SELECT * FROM "{table}"')):
                values = [value if isinstance(value, bytes) else str(value).encode() for value in row]
                found |= {f"{database.name}: {table} {number}.{column}": value for column, value in enumerate(values)}
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def as_document(value: object) -> bytes:
    """A value as JSON."""
    return json.dumps(value).encode()
