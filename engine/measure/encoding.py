"""Tallies as bytes: compressed canonical JSON, and one error for whatever is not that."""

import json
import zlib
from collections.abc import Callable
from typing import Any

_VERSION = 1


class NotATally(ValueError):
    """Bytes or JSON that no histogram, tally, timeline or health record was encoded to."""


def encode(document: dict[str, Any]) -> bytes:
    """The document as bytes: equal documents give equal bytes (with one zlib)."""
    text = json.dumps({"version": _VERSION, **document}, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return zlib.compress(text.encode("ascii"))


def decode[T](encoded: bytes, read: Callable[[Any], T]) -> T:
    """What `read` makes of the document in `encoded`.

    Raises NotATally for bytes that hold none, for another version, and whenever `read` stumbles over the shape.
    """
    try:
        document = json.loads(zlib.decompress(encoded))
        if document.get("version") != _VERSION:
            raise NotATally(f"an encoding of version {document.get('version')!r}, {_VERSION} was expected")
        return read(document)
    except NotATally:
        raise
    except (zlib.error, ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError) as error:
        raise NotATally(f"not an encoded tally: {type(error).__name__}") from error


def whole(number: Any, *, least: int = 1) -> int:
    """A whole number of at least `least`. Raises NotATally for anything else, a truth value included."""
    if type(number) is not int or number < least:
        raise NotATally(f"a number that is not whole and at least {least}")
    return number


def text(value: Any) -> str:
    """A text. Raises NotATally for anything else."""
    if not isinstance(value, str):
        raise NotATally("a text that is none")
    return value
