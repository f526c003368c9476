"""What a batch leaves behind: its result blob."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.batch.checkpoint import Archived, pack_archived, unpack_archived
from engine.batch.done import Done, Stop
from engine.measure.health import Health, decode_health, encode_health
from engine.measure.operation import Phase
from engine.measure.signal import Delivery
from engine.measure.tally import Tally, merge
from engine.measure.timeline import Timeline
from engine.run.claims import Claim

OUTCOME_VERSION = 3


class OutcomeUnreadable(ValueError):
    """A body that is not a batch's result of this version."""


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """stop says why the batch ended; "refused" and "lost" are batches that measured nothing or not all. search is what
    a rate search found.

    detail explains a stop that was not the schedule's end. handed is how many iterations were due by the schedule.
    timeline is what was not archived while the batch ran, past what the archived pieces add up to.
    load_start is run time, None where the load never began. attempt is the run's when the batch was driven. telemetry
    is what became of what its last holder told, None where nobody listened.
    """

    batch: int
    holder: str
    token: int
    stop: str
    timeline: Timeline
    health: tuple[Health, ...] = ()
    handed: int = 0
    mismatch: str = ""
    load_start: float | None = None
    durations_s: Mapping[Phase, float] = field(default_factory=dict)
    unprovisioned: int = 0
    uncleaned: int = 0
    store_failures: int = 0
    detail: str = ""
    warnings: tuple[str, ...] = ()
    search: Mapping[str, Any] | None = None
    attempt: int = 1
    archived: tuple[Archived, ...] = ()
    past: Tally | None = None
    telemetry: Delivery | None = None

    @property
    def total(self) -> Tally:
        """All that the batch counted, without the windows."""
        total = self.timeline.total()
        return total if self.past is None else merge((total, self.past))

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left for a later attempt of the run."""
        return self.stop == Stop.SCHEDULE

    def encode(self) -> bytes:
        """As one body."""
        return json.dumps(
            {
                "version": OUTCOME_VERSION,
                "batch": self.batch,
                "holder": self.holder,
                "token": self.token,
                "stop": self.stop,
                "timeline": base64.b64encode(self.timeline.encode()).decode(),
                "health": base64.b64encode(encode_health(self.health)).decode(),
                "handed": self.handed,
                "mismatch": self.mismatch,
                "loadStart": self.load_start,
                "durationsS": dict(self.durations_s),
                "unprovisioned": self.unprovisioned,
                "uncleaned": self.uncleaned,
                "storeFailures": self.store_failures,
                "detail": self.detail,
                "warnings": list(self.warnings),
                "search": None if self.search is None else dict(self.search),
                "attempt": self.attempt,
                "archived": pack_archived(self.archived),
                "past": base64.b64encode(self.past.encode()).decode() if self.past else "",
                "telemetry": self.telemetry.figures() if self.telemetry else None,
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def decode(cls, body: bytes) -> "BatchOutcome":
        """The outcome in a body. Raises OutcomeUnreadable."""
        try:
            found = json.loads(body)
            if found["version"] != OUTCOME_VERSION:
                raise OutcomeUnreadable(f"result version {found['version']!r}")
            return cls(
                batch=int(found["batch"]),
                holder=str(found["holder"]),
                token=int(found["token"]),
                stop=str(found["stop"]),
                timeline=Timeline.decode(base64.b64decode(found["timeline"], validate=True)),
                health=decode_health(base64.b64decode(found["health"], validate=True)),
                handed=int(found["handed"]),
                mismatch=str(found["mismatch"]),
                load_start=found["loadStart"],
                durations_s={Phase(name): float(s) for name, s in found["durationsS"].items()},
                unprovisioned=int(found["unprovisioned"]),
                uncleaned=int(found["uncleaned"]),
                store_failures=int(found["storeFailures"]),
                detail=str(found["detail"]),
                warnings=tuple(found["warnings"]),
                search=found["search"],
                attempt=int(found["attempt"]),
                archived=unpack_archived(found["archived"]),
                past=Tally.decode(base64.b64decode(found["past"], validate=True)) if found["past"] else None,
                telemetry=Delivery(**found["telemetry"]) if found["telemetry"] else None,
            )
        except (KeyError, TypeError, ValueError) as broken:
            raise OutcomeUnreadable("a stored body that is not a batch's result") from broken


def of_done(done: Done, claim: Claim, *, warnings: tuple[str, ...]) -> BatchOutcome:
    """The outcome of a batch that was driven to its end."""
    details = {
        Stop.INVALID_STATE: "a stored certificate was refused, and devices.onInvalid is fail",
    }
    return BatchOutcome(
        batch=claim.batch,
        holder=claim.holder,
        token=claim.token,
        stop=done.stop,
        timeline=done.timeline,
        health=done.health,
        handed=done.handed,
        mismatch=done.mismatch,
        load_start=done.load_start,
        durations_s=done.durations_s,
        unprovisioned=done.unprovisioned,
        uncleaned=done.uncleaned,
        store_failures=done.store_failures,
        detail=details.get(done.stop, ""),
        warnings=warnings,
        search=done.search,
        attempt=claim.attempt,
        archived=done.archived,
        past=done.past,
        telemetry=done.telemetry,
    )
