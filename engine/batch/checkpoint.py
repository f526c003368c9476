"""What a batch saves so that another process can go on: whole iterations only, and what is outstanding."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.measure.timeline import Timeline

CHECKPOINT_VERSION = 2


class CheckpointUnreadable(ValueError):
    """A body that is not a checkpoint of this version."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """roster is the roster's state, handed the number of points it had handed out and that were finished. yielding are
    those that were neither finished nor the roster's any more: when they were due, seconds since the load's start."""

    timeline: Timeline
    roster: Mapping[str, Any]
    handed: int
    yielding: tuple[float | None, ...] = ()

    @classmethod
    def decode(cls, body: bytes) -> "Checkpoint":
        """The checkpoint in a body. Raises CheckpointUnreadable."""
        try:
            document = json.loads(body)
            if document["version"] != CHECKPOINT_VERSION:
                raise CheckpointUnreadable(f"checkpoint version {document['version']!r}")
            first, *others = [Timeline.decode(base64.b64decode(text, validate=True)) for text in document["timelines"]]
            for other in others:
                first.merge(other)
            return cls(first, dict(document["roster"]), int(document["handed"]), tuple(document["yielding"]))
        except (KeyError, TypeError, ValueError) as broken:
            raise CheckpointUnreadable("a stored body that is not a checkpoint") from broken


def encode(
    timelines: Iterable[bytes], roster: Mapping[str, Any], *, handed: int, yielding: Sequence[float | None] = ()
) -> bytes:
    """A checkpoint as one body; timelines are encoded, at least one, and mean what they are merged."""
    return json.dumps(
        {
            "version": CHECKPOINT_VERSION,
            "timelines": [base64.b64encode(timeline).decode() for timeline in timelines],
            "roster": roster,
            "handed": handed,
            "yielding": list(yielding),
        },
        separators=(",", ":"),
    ).encode()
