"""What a batch saves so that another process can go on: whole iterations only, and what is outstanding."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.measure.timeline import Timeline

CHECKPOINT_VERSION = 1


class CheckpointUnreadable(ValueError):
    """A body that is not a checkpoint of this version."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """roster is the roster's state, handed the number of points it had handed out and finished; both None/0 before
    the load had begun."""

    timeline: Timeline
    roster: Mapping[str, Any] | None
    handed: int

    def encode(self) -> bytes:
        """As one body."""
        return json.dumps(
            {
                "version": CHECKPOINT_VERSION,
                "timeline": base64.b64encode(self.timeline.encode()).decode(),
                "roster": self.roster,
                "handed": self.handed,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def decode(cls, body: bytes) -> "Checkpoint":
        """The checkpoint in a body. Raises CheckpointUnreadable."""
        try:
            document = json.loads(body)
            if document["version"] != CHECKPOINT_VERSION:
                raise CheckpointUnreadable(f"checkpoint version {document['version']!r}")
            timeline = Timeline.decode(base64.b64decode(document["timeline"], validate=True))
            return cls(timeline, document["roster"], int(document["handed"]))
        except (KeyError, TypeError, ValueError) as broken:
            raise CheckpointUnreadable("a stored body that is not a checkpoint") from broken
