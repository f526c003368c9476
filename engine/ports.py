"""The outside world in the engine's words: Protocols only, each of at most five methods."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.measure.signal import Delivery, Signal
from engine.protocol import http, mqtt


class Clock(Protocol):
    """Time. Durations come from `now`; `wall` is for what other machines must understand."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""

    def sleep(self, for_s: float) -> None:
        """Return after for_s seconds."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a key holds, and the version to replace it by."""

    body: bytes
    version: str


class Store(Protocol):
    """Keys with bytes under them. Keys are `/`-separated words of letters, digits and `._:-`.

    Every method may raise StoreUnavailable. Safe to call from several threads.
    """

    def read(self, key: str) -> Held | None:
        """What key holds, None if nothing."""

    def create(self, key: str, body: bytes) -> str:
        """Put body under a key that holds nothing yet; its version. Raises AlreadyExists."""

    def replace(self, key: str, body: bytes, version: str) -> str:
        """Put body in place of exactly that version; the new one. Raises VersionConflict, also when key is gone."""

    def delete(self, key: str) -> None:
        """Make key hold nothing, whatever it held."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with prefix, sorted."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes that crossed the sockets of a wire."""

    sent: int = 0
    received: int = 0


class Wire(Protocol):
    """MQTT connections over TLS and HTTP exchanges, one of each per channel; a channel is any small number the caller
    picks.

    Not for several threads, but for `wake`. Nothing here blocks except `wait`.
    """

    @property
    def traffic(self) -> Traffic:
        """What crossed it so far, over all channels."""

    def send(self, channel: int, command: mqtt.Command | http.Command) -> None:
        """Carry out a command. What comes of it arrives as events of the channel, failures included."""

    def wait(self, until: float) -> Sequence[tuple[int, mqtt.Event | http.Event]]:
        """Events as they come, by channel, in order; empty when the clock reaches until or someone called wake."""

    def wake(self) -> None:
        """End the wait in progress, or the next one; callable from any thread."""

    def close(self) -> None:
        """Drop every connection and exchange at once and free everything."""


class Telemetry(Protocol):
    """Where signals leave the process. Telling neither waits nor fails. Safe to call from several threads."""

    def tell(self, signals: Sequence[Signal]) -> None:
        """These go out as soon as they can; of too many that wait the oldest are dropped."""

    def close(self, within_s: float) -> Delivery:
        """What became of all that was told: what is not sent within that time is dropped. Again it is the same."""


@dataclass(frozen=True, slots=True)
class Launched:
    """What became of a launch: `at` is its wall seconds, is_over None where that cannot be told now."""

    at: float
    is_over: bool | None


class Launcher(Protocol):
    """Where replicas of a job run. Each is a number of worker processes that find their batches themselves.

    Every method may raise StoreUnavailable.
    """

    @property
    def coming_s(self) -> float:
        """How long a worker may take here from its launch to its first claim."""

    def launch(self, run_id: str, *, key: str, replicas: int, processes: int, cpu: float) -> None:
        """So many replicas with so many processes and vCPUs each work on the run.

        The launch is noted in the store under key before anything starts: of a key that is noted nothing is started
        again. Raises LaunchError when nothing could be started, and then nothing is noted either; or when nobody can
        tell whether something was, and then the next launch of the key finds out.
        """

    def look(self, key: str) -> Launched | None:
        """What became of the launch, None when nothing is noted under key."""

    def stop(self, key: str) -> None:
        """The replicas of the launch end in order, soon; without a launch, or after it is over, nothing happens.

        Raises LaunchError when they could not be told.
        """


class Secrets(Protocol):
    """Secrets by name."""

    def read(self, name: str) -> bytes:
        """The secret's value. Raises SettingsError naming what is missing."""
