"""What a batch shows to whoever judges its run while it goes on."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from engine.measure.operation import Phase
from engine.measure.timeline import Timeline

WINDOWS_VERSION = 1


class WindowsUnreadable(ValueError):
    """A body that is not a batch's windows of this version."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The watched operations of the load, what is under way included, and how long each phase took.

    told_at is run time; at, the same moment, and since count from the run's first load, as windows do, in seconds.
    Before since somebody else drove the batch; 0 where nobody did. is_over: nothing will change any more.
    """

    told_at: float
    at: float
    since: float
    timeline: Timeline
    durations_s: Mapping[Phase, float]
    is_over: bool = False

    def encode(self) -> bytes:
        """As one body."""
        return json.dumps(
            {
                "version": WINDOWS_VERSION,
                "toldAt": self.told_at,
                "at": self.at,
                "since": self.since,
                "timeline": base64.b64encode(self.timeline.encode()).decode(),
                "durationsS": dict(self.durations_s),
                "isOver": self.is_over,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def decode(cls, body: bytes) -> "Windows":
        """The windows in a body. Raises WindowsUnreadable."""
        try:
            document = json.loads(body)
            if document["version"] != WINDOWS_VERSION:
                raise WindowsUnreadable(f"windows of version {document['version']!r}")
            return cls(
                told_at=float(document["toldAt"]),
                at=float(document["at"]),
                since=float(document["since"]),
                timeline=Timeline.decode(base64.b64decode(document["timeline"], validate=True)),
                durations_s={Phase(name): float(s) for name, s in document["durationsS"].items()},
                is_over=bool(document["isOver"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as broken:
            raise WindowsUnreadable("a stored body that is not a batch's windows") from broken
