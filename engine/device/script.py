"""What a device's scripts say and hear.

A script is a generator. It yields what it wants and is sent what happened, so a step reads like the conversation
it has. `Wait` is the only yield that takes time; all others are answered at once. A step that cannot go on raises
`StepFailed`; the session turns that into samples, in one place.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from engine.device.bundle import Bundle
from engine.errors import Failure
from engine.measure.operation import Operation
from engine.protocol import http, mqtt


@dataclass(frozen=True, slots=True)
class Begin:
    """An operation begins now; answered with the time. After within_s it counts as overdue, where it can be."""

    operation: Operation
    within_s: float


@dataclass(frozen=True, slots=True)
class End:
    """An operation that had begun ends now; answered with the time. Parts are (name, seconds).

    code is the service's number where a refusal was the right answer; a failure has its own.
    """

    operation: Operation
    failure: Failure | None = None
    parts: tuple[tuple[str, float], ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on with the next event, or with Expired at until.

    gives_way: the device may be started again meanwhile; then the script ends here, and what is open was lost.
    """

    until: float
    gives_way: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after for_s, whatever happens meanwhile."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Lap:
    """Read the clock: our own work since the last event becomes visible; answered with the time."""


@dataclass(frozen=True, slots=True)
class Save:
    """Keep this bundle; answered by Saved when it is durable, or cannot be."""

    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Retry:
    """The operation is about to be tried again: counted, so that retries cannot hide failures."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Mark:
    """The iteration has come this far: a part of it, from when it was due until now, however many tries that took."""

    part: str


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An answer came that no open request asked for: counted, never a success."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Expired:
    """The Wait's time is up."""

    at: float


@dataclass(frozen=True, slots=True)
class Saved:
    """The Save is durable, or failure says why not."""

    at: float
    failure: Failure | None = None


type Ask = mqtt.Command | http.Command | Begin | End | Wait | Pause | Lap | Save | Retry | Mark | Unmatched
type Event = mqtt.Event | http.Event | Expired | Saved
type Order = mqtt.Command | http.Command | Save
"""What a session hands to whoever drives it."""

type Script[R] = Generator[Ask, Any, R]


class StepFailed(Exception):
    """The story ends here; every operation still open ends with this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.outcome)
        self.failure = failure
