"""What a batch needs of the run it belongs to; implemented by `run.home` over the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.device.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Word:
    """What the run says: go on until must_stop_at (run time) unless told more; cancelled means drain now."""

    must_stop_at: float
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Beginning:
    """When the load begins, in run time: the run's first (windows count from it), and this batch's wave's."""

    origin: float
    start: float


class Home(Protocol):
    """Every method may block, and may raise StoreError or ClaimLost; called from one thread, never the loop's."""

    @property
    def token(self) -> int:
        """This holder's of the batch: no other has the same."""

    def save(self, bundles: Sequence[Bundle]) -> None:
        """Keep these; they are durable when this returns."""

    def report(self, progress: bytes) -> None:
        """Show how far the batch is."""

    def show(self, windows: bytes) -> None:
        """Show what the run is judged by while it goes on."""

    def archive(self, number: int, piece: bytes) -> None:
        """Keep this holder's piece of that number for ever; the same again changes nothing."""

    def checkpoint(self, body: bytes) -> None:
        """Keep what another process needs to go on from here."""

    def listen(self) -> Word:
        """Keep the claim alive and hear what the run wants."""

    def arrive(self) -> Beginning | None:
        """The batch is prepared: when its load begins, None while others are awaited."""
