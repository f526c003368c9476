"""Ways out to an endpoint of a test, and signals that can be told from each other."""

import threading
from typing import Any

from doubles.ingestion import Ingestion as Endpoint
from engine.adapters.telemetry.ingestion import Ingestion
from engine.adapters.telemetry.outbox import Outbox, Pace
from engine.adapters.telemetry.source import source_of
from engine.measure.signal import Event, EventName
from engine.run.results import VERSION

PATIENT_S = 30.0
AT = 1_700_000_000.25


def events(count: int, *, first: int = 0) -> list[Event]:
    """So many events, numbered."""
    return [Event(EventName.HEALTH, AT, {"id": str(number)}, {}) for number in range(first, first + count)]


def ids(endpoint: Endpoint) -> list[str]:
    """The numbers of those that were taken, in order."""
    return [found["properties"]["id"] for found in endpoint.of_type("EventData")]


class Failures:
    """Counts the times an endpoint took nothing: each releases `came` once it is counted."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)

    def chance(self) -> float:
        """No chance: a `Pace` asks when it has heard of a failure."""
        self.came.release()
        return 0.0


def ingestion_to(endpoint: Endpoint, **options: Any) -> Ingestion:
    """The adapter, told where the endpoint is."""
    return Ingestion(endpoint.connection_string, source_of("worker", {}, version=VERSION), **options)


def way_to(endpoint: Endpoint, *, room: int = 10_000, failures: Failures | None = None, **options: Any) -> Outbox:
    """An outbox that comes back soon."""
    chance = failures.chance if failures else lambda: 0.0
    return Outbox(ingestion_to(endpoint, **options), room=room, pace=Pace(0.01, 0.05, chance=chance))
