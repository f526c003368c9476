"""What a run's devices left at the services, undone: one short script per device, over the wire that batches have.

Theory of operation. It is a batch whose devices have nothing to prepare, and whose iteration is the undoing: so it has
a batch's loop, its waits for what a service asked for, and its measuring. It keeps nothing in the store: whoever asks
for it counts the devices that it could not do, and may ask again, for what is gone already is no failure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.batch.courier import Courier
from engine.batch.home import Beginning, Word
from engine.batch.rosters.once import Once
from engine.batch.rosters.roster import Roster, Shape
from engine.batch.runner import AT_ONCE, run_batch
from engine.batch.work import MakeRoster, Seat, Work
from engine.device.bundle import Bundle
from engine.device.identity import Device
from engine.device.scenarios import scenario
from engine.device.scenarios.scenario import Step
from engine.device.setup import Setup
from engine.device.steps.adr import delete
from engine.device.steps.deregister import deregister
from engine.measure.operation import Operation
from engine.measure.tally import Tally
from engine.plan.batches import Paces
from engine.plan.limits import LIMITS, WINDOWS_S
from engine.plan.spec.rules import QUOTA_SHARE
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import REGISTRY, Scenario
from engine.plan.target import Target
from engine.run.means import Means
from engine.run.work import make_setup

ATTEMPTS: Final = 8
"""How often a service is asked about one device: seven back-offs, doubling, are minutes of a service that is away."""

WITHIN_S: Final = 7_200.0
"""How long all of it may take: half of what an activity has (host.json, functionTimeout)."""

GRACE_S: Final = 60.0
_OPERATIONS: Final = "dps.operations"


def steps_of(spec: RunSpec, target: Target) -> tuple[Step, ...]:
    """What is to be undone of each device of such a run; nothing where the target has nobody to ask."""
    if spec.scenario is Scenario.HTTP_PROBE:
        return ()
    serves = spec.scenario not in REGISTRY and any(dps.service_host for dps in target.profile.dps)
    return (*((delete,) if target.profile.adr else ()), *((deregister,) if serves else ()))


def what_stays(spec: RunSpec, target: Target) -> tuple[str, ...]:
    """What no clean-up takes away of such a run's devices, a line each. The emulator forgets it by itself."""
    if target.is_local or spec.scenario in REGISTRY | {Scenario.HTTP_PROBE}:
        return ()
    silent = dict.fromkeys(dps.host for dps in target.profile.dps if dps.service_host is None)
    return (
        *(f"registrations at {host} stay: the profile names no serviceHost there" for host in silent),
        "device identities in the hubs stay: they are left to the hubs' owner",
    )


def undo(spec: RunSpec, target: Target, indexes: Sequence[int], *, steps: tuple[Step, ...], means: Means) -> Tally:
    """What undoing it for these devices measured: one is done where its iteration was ok.

    Raises SettingsError where a secret or a token is missing.
    """
    clock = means.clock
    work = Work(
        scenario=scenario.Scenario(Operation.ITERATION, (), steps, fresh=True, is_ready=_is_ready),
        setup=_setup(spec, target, steps=steps, means=means),
        seats=tuple(Seat(index, own, f"{spec.devices.prefix}{index}") for own, index in enumerate(indexes)),
        roster=_starts(len(indexes), _per_s(target) if deregister in steps else math.inf),
        duration_s=None,
        ramp_s=0.0,
        prepare_s=0.0,
        graceful_stop_s=GRACE_S,
        stop_at=clock.now() + WITHIN_S,
        interval_s=WITHIN_S,
        failure_samples=0,
    )
    courier = Courier(_Nowhere(), clock, Word(math.inf, False))
    courier.beginning = Beginning(clock.now(), clock.now())
    wire = means.wire(clock, target.profile.ca_file, target.profile.tls)
    return run_batch(work, wire=wire, clock=clock, courier=courier).total


def _setup(spec: RunSpec, target: Target, *, steps: tuple[Step, ...], means: Means) -> Setup:
    """What the run's devices had in common, but more patient with a service, and with the tokens that are needed."""
    clock = means.clock
    zero_wall = clock.wall() - clock.now()
    nothing_paced = Paces(register_per_s=None, connect_per_s=None, renew_per_s=None)
    setup = make_setup(spec, target, secrets=means.secrets, tag="", zero_wall=zero_wall, paces=nothing_paced)
    return replace(
        setup,
        token=means.tokens(target) if delete in steps else setup.token,
        service_token=means.service_tokens() if deregister in steps else setup.service_token,
        attempts=replace(setup.attempts, register=ATTEMPTS),
        backoff=replace(setup.backoff, honor_retry_after=True),
    )


def _per_s(target: Target) -> float:
    """How often a second the service APIs may be asked."""
    quota = target.quota(_OPERATIONS)
    return math.inf if quota is None else QUOTA_SHARE * quota / WINDOWS_S[LIMITS[_OPERATIONS].unit]


def _starts(size: int, per_s: float) -> MakeRoster:
    """Every device once, at that rate, and a few at a time."""

    def make(_devices: Sequence[Device], _unready: frozenset[int], _state: Mapping[str, Any] | None) -> Roster:
        return Once(lambda own: own / per_s, Shape(size, max_in_flight=AT_ONCE))

    return make


def _is_ready(_device: Device) -> bool:
    return True


class _Nowhere:
    """See batch.home.Home: devices that keep nothing, and a batch that nobody else may take or wants to see."""

    token = 1

    def save(self, bundles: Sequence[Bundle]) -> None:
        """See Home."""
        raise AssertionError(f"{len(bundles)} devices that are cleaned up want to keep something")

    def report(self, progress: bytes) -> None:
        """See Home."""

    def show(self, windows: bytes) -> None:
        """See Home."""

    def archive(self, number: int, piece: bytes) -> None:
        """See Home; the total of it stays with the batch."""

    def checkpoint(self, body: bytes) -> None:
        """See Home."""

    def listen(self) -> Word:
        """See Home."""
        return Word(math.inf, False)

    def arrive(self) -> Beginning | None:
        """See Home."""
        raise AssertionError("the beginning is known before anybody asks")
