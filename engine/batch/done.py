"""Why a batch ended, and what it measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from engine.batch.checkpoint import Archived
from engine.measure.health import Health
from engine.measure.operation import Operation, Phase
from engine.measure.signal import Delivery
from engine.measure.tally import Tally, merge
from engine.measure.timeline import Timeline


class Stop(StrEnum):
    """Why a batch's load ended."""

    SCHEDULE = "schedule"
    CANCELLED = "cancelled"
    LIMIT = "limit"
    STORE = "store-unavailable"
    INVALID_STATE = "invalid-stored-certificate"


@dataclass(frozen=True, slots=True)
class Done:
    """What a batch measured.

    timeline is what was not archived, past what the archived pieces add up to. handed is how many points the roster
    handed out: the iterations' due must equal it. uncleaned is how many devices may have left something at the services
    that was to be undone. search is what a rate search found, None for every other load. telemetry is what became of
    what the batch told, None where nobody listens.
    """

    timeline: Timeline
    health: tuple[Health, ...]
    stop: Stop
    handed: int
    load_start: float | None
    durations_s: Mapping[Phase, float]
    unprovisioned: int
    uncleaned: int
    store_failures: int
    store_detail: str
    search: Mapping[str, Any] | None = None
    archived: tuple[Archived, ...] = ()
    past: Tally = field(default_factory=Tally)
    telemetry: Delivery | None = None

    @property
    def total(self) -> Tally:
        """All that was counted, without the windows."""
        return merge((self.timeline.total(), self.past))

    @property
    def mismatch(self) -> str:
        """Why the numbers cannot be trusted, "" where they can."""
        due = self.total.select(Operation.ITERATION).due
        return "" if due == self.handed else f"the schedule handed out {self.handed} starts, {due} were counted"
