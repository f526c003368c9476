"""`Telemetry` that keeps what it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.measure.signal import Delivery, Event, EventName, Signal


@dataclass
class KeptTelemetry:
    """See ports.Telemetry. closed are the seconds that each close was given."""

    told: list[Signal] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)

    def tell(self, signals: Sequence[Signal]) -> None:
        """Keep them."""
        assert not self.closed, "told after it was closed"
        self.told.extend(signals)

    def close(self, within_s: float) -> Delivery:
        """All of it was sent."""
        self.closed.append(within_s)
        return Delivery(sent=len(self.told))

    def events(self, name: EventName) -> list[Event]:
        """The events of that name, in order."""
        return [one for one in self.told if isinstance(one, Event) and one.name is name]
