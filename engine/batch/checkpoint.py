"""What a batch saves so that another process can go on: whole iterations only, and what is outstanding.

Of a long run most windows lie elsewhere: in pieces that a holder of the batch archived, each written once and never
changed, and every one of them before the checkpoint that counts it. A checkpoint holds what is not archived, how many
pieces each holder left, and what those add up to.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.measure.tally import Tally
from engine.measure.timeline import Timeline

CHECKPOINT_VERSION = 3


class CheckpointUnreadable(ValueError):
    """A body that is not a checkpoint of this version."""


@dataclass(frozen=True, slots=True)
class Archived:
    """The pieces 0 … count - 1 that the holder with this token archived."""

    token: int
    count: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """roster is the roster's state, handed the number of points it had handed out and that were finished. yielding are
    those that were neither finished nor the roster's any more: when they were due, seconds since the load's start.
    elapsed_s is how long the load had been going on. past is what the archived pieces add up to, watched what a
    `Lookout` goes on from.
    """

    timeline: Timeline
    roster: Mapping[str, Any]
    handed: int
    yielding: tuple[float | None, ...] = ()
    elapsed_s: float = 0.0
    archived: tuple[Archived, ...] = ()
    past: Tally | None = None
    watched: Timeline | None = None

    @classmethod
    def decode(cls, body: bytes) -> "Checkpoint":
        """The checkpoint in a body. Raises CheckpointUnreadable."""
        try:
            document = json.loads(body)
            if document["version"] != CHECKPOINT_VERSION:
                raise CheckpointUnreadable(f"checkpoint version {document['version']!r}")
            first, *others = [Timeline.decode(_bytes(text)) for text in document["timelines"]]
            for other in others:
                first.merge(other)
            return cls(
                timeline=first,
                roster=dict(document["roster"]),
                handed=int(document["handed"]),
                yielding=tuple(document["yielding"]),
                elapsed_s=float(document["elapsedS"]),
                archived=unpack_archived(document["archived"]),
                past=Tally.decode(_bytes(document["past"])) if document["past"] else None,
                watched=Timeline.decode(_bytes(document["watched"])) if document["watched"] else None,
            )
        except (KeyError, TypeError, ValueError) as broken:
            raise CheckpointUnreadable("a stored body that is not a checkpoint") from broken


def encode(
    timelines: Iterable[bytes],
    roster: Mapping[str, Any],
    *,
    handed: int,
    yielding: Sequence[float | None] = (),
    elapsed_s: float = 0.0,
    archived: Sequence[Archived] = (),
    past: Tally | None = None,
    watched: bytes = b"",
) -> bytes:
    """A checkpoint as one body; timelines are encoded, at least one, and mean what they are merged."""
    return json.dumps(
        {
            "version": CHECKPOINT_VERSION,
            "timelines": [_text(timeline) for timeline in timelines],
            "roster": roster,
            "handed": handed,
            "yielding": list(yielding),
            "elapsedS": elapsed_s,
            "archived": pack_archived(archived),
            "past": _text(past.encode()) if past else "",
            "watched": _text(watched),
        },
        separators=(",", ":"),
    ).encode()


def pack_archived(archived: Sequence[Archived]) -> list[list[int]]:
    """As a JSON value."""
    return [[found.token, found.count] for found in archived]


def unpack_archived(packed: Any) -> tuple[Archived, ...]:
    """What was packed. Raises TypeError or ValueError for anything else."""
    return tuple(Archived(int(token), int(count)) for token, count in packed)


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
