"""What a run's activities and API work with, put together once by `wiring`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.device.bundle import WrappingKey
from engine.errors import RunRefused
from engine.plan.spec.runspec import RunSpec
from engine.plan.target import Target, Targets
from engine.ports import Clock, Launcher, Secrets, Store, Telemetry, Wire
from engine.run.access import Access


@dataclass(frozen=True, slots=True)
class Means:
    """store keeps runs and devices, results what people read. wire makes a wire on a clock that trusts a CA file
    (None: the public roots) and offers TLS up to a version. descriptors raises the process's limit and gives it.
    counters asks the emulator at a control address what it counted. tokens gives what shows the token that a target's
    device registry takes: getting the first one may block and raises SettingsError, showing it does neither.
    service_tokens is the same for the service API of all provisioning services. new_run_id, new_holder and new_seed
    give what nobody had before. wrapping_key seals what devices keep. access says who may call the API. retention_days
    is how long finished runs are kept, 0 for ever.
    launcher starts the workers of the runner job, None where that is not set up. telemetry gives a way out for signals,
    one for whoever asks, who closes it; None where there is nowhere to send them.
    """

    store: Store
    results: Store
    clock: Clock
    secrets: Secrets
    targets: Targets
    wire: Callable[[Clock, str | None, str], Wire]
    descriptors: Callable[[int], int]
    counters: Callable[[str], Mapping[str, Any] | None]
    tokens: Callable[[Target], Callable[[], str]]
    service_tokens: Callable[[], Callable[[], str]]
    new_run_id: Callable[[], str]
    new_holder: Callable[[], str]
    new_seed: Callable[[], int]
    wrapping_key: WrappingKey = field(repr=False)
    counter_prefix: str = "counter"
    data_prefix: str = "data"
    lease_s: float = 30.0
    max_devices: int = 100_000
    min_descriptors: int = 65_536
    strict_descriptors: bool = False
    retention_days: int = 0
    launcher: Launcher | None = None
    access: Access = Access()
    telemetry: Callable[[], Telemetry] | None = None


def target_of(spec: RunSpec, means: Means) -> Target:
    """The spec's target. Raises RunRefused where the server no longer has it."""
    target = means.targets.get(spec.target)
    if target is None:
        raise RunRefused("blocked", f"there is no target profile {spec.target!r} on this server", limit="target")
    return target


@dataclass(slots=True)
class RunClock:
    """A clock whose now is the run's: 0 when the run was planned, the same moment on every machine."""

    clock: Clock
    offset_s: float

    @classmethod
    def at(cls, clock: Clock, zero_wall: float) -> "RunClock":
        """The run's clock where 0 is at zero_wall, unix seconds. Durations stay those of the monotonic clock."""
        return cls(clock, clock.now() - (clock.wall() - zero_wall))

    def now(self) -> float:
        """Seconds since the run was planned."""
        return self.clock.now() - self.offset_s

    def wall(self) -> float:
        """See Clock."""
        return self.clock.wall()

    def sleep(self, for_s: float) -> None:
        """See Clock."""
        self.clock.sleep(for_s)
