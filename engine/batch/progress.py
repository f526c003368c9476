"""How far a batch is, as it is shown while the batch runs."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from engine.measure.operation import Phase
from engine.measure.tally import Tally

PROGRESS_VERSION = 1


class ProgressUnreadable(ValueError):
    """A body that is not the progress of this version."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Times are run time, seconds. devices counts them by what they are doing; tally holds all that was counted and
    what is under way. generator holds the latest health of the process, names as in the summary."""

    at: float
    phase: Phase
    load_start: float | None
    load_end: float | None
    devices: Mapping[str, int]
    tally: Tally
    generator: Mapping[str, float]
    store_failures: int = 0

    def encode(self) -> bytes:
        """As one body."""
        return json.dumps(
            {
                "version": PROGRESS_VERSION,
                "at": self.at,
                "phase": self.phase,
                "loadStart": self.load_start,
                "loadEnd": self.load_end,
                "devices": dict(self.devices),
                "tally": base64.b64encode(self.tally.encode()).decode(),
                "generator": dict(self.generator),
                "storeFailures": self.store_failures,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def decode(cls, body: bytes) -> "Progress":
        """The progress in a body. Raises ProgressUnreadable."""
        try:
            document = json.loads(body)
            if document["version"] != PROGRESS_VERSION:
                raise ProgressUnreadable(f"progress version {document['version']!r}")
            return cls(
                at=float(document["at"]),
                phase=Phase(document["phase"]),
                load_start=document["loadStart"],
                load_end=document["loadEnd"],
                devices={str(name): int(count) for name, count in document["devices"].items()},
                tally=Tally.decode(base64.b64decode(document["tally"], validate=True)),
                generator=document["generator"],
                store_failures=int(document["storeFailures"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as broken:
            raise ProgressUnreadable("a stored body that is not progress") from broken
