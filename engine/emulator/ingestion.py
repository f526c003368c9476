"""What the ingestion endpoint of Application Insights makes of a body: which items it takes, and what it answers.

A body is one JSON array of items, or JSON items on lines of their own; either may be compressed by gzip. All items
good: 200. Some: 206, with the others by their index. None, or no JSON: 400. The messages are our own.
Source: ApplicationInsights-Home, pull request #40, ENDPOINT-PROTOCOL.md (statuses); ApplicationInsights-Java, pull
request #2064 (a 206, its message); azure-rest-api-specs, Monitor.Exporters, preview 2020-09-15 (TrackResponse).
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import RemoteProtocolError
from engine.protocol.body import read_json
from engine.protocol.envelope import Envelope, read_envelope

PATHS: Final = frozenset({"/v2.1/track", "/v2/track"})
"""Source: azure-monitor-opentelemetry-exporter 1.0.0b58, _configuration.py, `host` and `api_version`."""

MAX_TEXT_BYTES: Final = 32 * 1024 * 1024
"""The longest body, unpacked: four times what an exporter's largest batches come to."""

MAX_ITEM_BYTES: Final = 64 * 1024
"""Source: Azure Monitor service limits, Application Insights, "Maximum telemetry item size"."""

_GZIP_WINDOW: Final = 31
"""Source: zlib manual, inflateInit2: 15 bits, and 16 for a gzip header."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item that was taken, by its place in the body: its JSON text on one line, and what it is."""

    index: int
    text: bytes
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that was not taken, by its place in the body."""

    index: int
    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a body: items and refusals, together as many as were received, each in the body's order."""

    items: tuple[Item, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def received(self) -> int:
        """How many items the body had, as far as it could be read."""
        return len(self.items) + len(self.refusals)

    @property
    def status(self) -> int:
        """200, 206 or 400; where none was taken for one same reason, that reason's."""
        if self.items:
            return 206 if self.refusals else 200
        reasons = {one.status for one in self.refusals}
        return reasons.pop() if len(reasons) == 1 else 400

    def document(self) -> dict[str, object]:
        """The answer's body, as JSON."""
        return {
            "itemsReceived": self.received,
            "itemsAccepted": len(self.items),
            "errors": [{"index": one.index, "statusCode": one.status, "message": one.message} for one in self.refusals],
        }

    def refuse(self, status: int, message: str, *, every: int = 1) -> "Receipt":
        """The same body, but of the items taken the first and then each every-th is refused for that reason."""
        now = [Refusal(item.index, status, message) for item in self.items[::every]]
        kept = tuple(item for at, item in enumerate(self.items) if at % every)
        return Receipt(kept, tuple(sorted([*self.refusals, *now], key=lambda one: one.index)))


def take(body: bytes, encoding: str, *, limit_bytes: int = MAX_TEXT_BYTES) -> Receipt:
    """What becomes of a body with that content encoding, "" for none, which unpacked has no more than limit_bytes."""
    try:
        text = _unpack(body, encoding.strip().lower(), limit_bytes=limit_bytes)
        return _sorted_out(list(_values(text)))
    except RemoteProtocolError as error:
        return Receipt(refusals=(Refusal(0, 400, str(error)),))


def _sorted_out(values: Sequence[object]) -> Receipt:
    if not values:
        raise RemoteProtocolError("the body has no items")
    items: list[Item] = []
    refusals: list[Refusal] = []
    for index, value in enumerate(values):
        try:
            items.append(_item(index, value))
        except RemoteProtocolError as error:
            refusals.append(Refusal(index, 400, str(error)))
    return Receipt(tuple(items), tuple(refusals))


def _item(index: int, value: object) -> Item:
    if isinstance(value, RemoteProtocolError):
        raise value
    envelope = read_envelope(value)
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, RecursionError) as error:  # 1e999 is read as infinite; what was read may be too deep to write
        raise RemoteProtocolError("the item cannot be written as JSON again") from error
    if len(text) > MAX_ITEM_BYTES:
        raise RemoteProtocolError(f"the item has {len(text)} bytes, at most {MAX_ITEM_BYTES} are taken")
    return Item(index, text, envelope)


def _values(text: bytes) -> Iterable[object]:
    """The items of a body; of lines, those that are no JSON as the error that they are."""
    if not text.lstrip().startswith(b"["):
        return _lines(text)
    found = read_json(text)
    return found if isinstance(found, list) else ()


def _lines(text: bytes) -> Iterator[object]:
    for line in text.splitlines():
        if line.strip():
            try:
                yield read_json(line)
            except RemoteProtocolError as error:
                yield error


def _unpack(body: bytes, encoding: str, *, limit_bytes: int) -> bytes:
    """The text. Raises RemoteProtocolError when it is too long, or not whole."""
    match encoding:
        case "" | "identity":
            text = body
        case "gzip":
            text = _gunzip(body, limit_bytes)
        case _:
            raise RemoteProtocolError("the content encoding is neither gzip nor identity")
    if len(text) > limit_bytes:
        raise RemoteProtocolError(f"the body has more than {limit_bytes} bytes")
    return text


def _gunzip(body: bytes, limit_bytes: int) -> bytes:
    unpacked = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = unpacked.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise RemoteProtocolError("the body is not gzip") from error
    if not unpacked.eof and len(text) <= limit_bytes:
        raise RemoteProtocolError("the body ends in the middle of its gzip")
    return text
