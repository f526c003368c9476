"""The loads that are measured: the product's own steps and rosters, put together by hand."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.orders import Order

from engine.batch.rosters.once import Once
from engine.batch.rosters.pacing import Pacing
from engine.batch.rosters.roster import Call, Go, Roster, Shape
from engine.device.catalog import SCENARIOS
from engine.device.identity import Device
from engine.device.scenarios.scenario import Scenario, Step
from engine.device.script import Lap, Script
from engine.device.setup import Messages
from engine.device.steps.connect import connect, leave
from engine.device.steps.publish import publish
from engine.device.steps.register import register
from engine.device.steps.verify import ready
from engine.measure.operation import Operation
from engine.plan.pacer import Grid

MESSAGES = Messages(count=10, size_bytes=250, interval_s=0.0)


@dataclass(slots=True)
class Lateness:
    """How late starts begin: a roster notes when they were due, the first step of an iteration looks at the clock."""

    load_start: float = 0.0
    due_of: dict[int, float] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)

    def step(self, device: Device) -> Script[None]:
        """An iteration's first step."""
        at: float = yield Lap()
        self.late_s.append(at - self.load_start - self.due_of[device.index])


@dataclass(frozen=True, slots=True)
class Load:
    """A scenario, the roster that starts it, and how long; None for as long as it takes."""

    scenario: Scenario
    roster: Callable[[Shape], Roster]
    duration_s: float | None
    lateness: Lateness
    verify: str = "none"

    def make_roster(self, size: int) -> Callable[[Collection[int], Mapping[str, Any] | None], Roster]:
        """As `Work` wants it."""
        return lambda _devices, unready, state: self.roster(Shape(size, unready, state=state))


def churn(order: Order) -> Load:
    """Each device connects and leaves `repeats` times; at_once devices at a time."""
    scenario = Scenario(Operation.HUB_CONNECT, prepare=(_registered,), steps=(connect, leave) * order.repeats)
    return Load(scenario, _closed(order), None, Lateness())


def onboarding(order: Order) -> Load:
    """The scenario `provision`: key, CSR, token, DPS, state saved, and a hub connection with what was issued."""
    return Load(SCENARIOS["provision"], _closed(order), None, Lateness(), verify="reconnect")


def renewals(order: Order) -> Load:
    """The scenario `cert-renewal` under `per-device-pacing`: per_s of all devices together, for for_s seconds.

    Connections are held: the stub issues one certificate for all, so that the new one cannot be used.
    """
    interval_s = order.devices / order.per_s
    grid = Grid(order.devices, interval_s, jitter=0.1, ramp_s=interval_s, duration_s=order.for_s, seed=1)
    return Load(SCENARIOS["cert-renewal"], lambda shape: Pacing(grid.due, shape), order.for_s, Lateness())


def soak(order: Order) -> Load:
    """The scenario `cert-renewal` as it ships: every certificate is used in a new connection."""
    return replace(renewals(order), verify="reconnect")


def telemetry(order: Order) -> Load:
    """MESSAGES of every device in turn, per_s in all."""
    interval_s = order.devices * MESSAGES.count / order.per_s
    grid = Grid(order.devices, interval_s, jitter=0.0, ramp_s=interval_s, duration_s=order.for_s, seed=1)
    scenario = Scenario(Operation.TELEMETRY_PUBLISH, prepare=(ready,), steps=(connect, publish))
    return Load(scenario, lambda shape: Pacing(grid.due, shape), order.for_s, Lateness())


def held(order: Order) -> Load:
    """All devices connected and nothing due for idle_s; then renewals, per_s in all, for for_s seconds."""
    lateness = Lateness()
    ends = order.idle_s + order.for_s
    interval_s = order.devices / order.per_s if order.per_s else 0.0

    def due(device: int, k: int) -> float | None:
        at = order.idle_s + (k + device / order.devices) * interval_s
        return at if order.per_s and at < ends else None

    class Noting(Pacing):
        def calls(self, now: float) -> list[Call]:
            found = super().calls(now)
            lateness.due_of.update((call.device, call.due) for call in found if isinstance(call, Go))
            return found

    kind = SCENARIOS["cert-renewal"]
    steps: tuple[Step, ...] = (lateness.step, *kind.steps)
    scenario = Scenario(kind.main, kind.prepare, steps)
    return Load(scenario, lambda shape: Noting(due, shape), ends, lateness)


def echo_renewals(order: Order) -> Load:
    """Each device renews `repeats` times in a row, all at once: for a wire that answers at once."""
    kind = SCENARIOS["cert-renewal"]
    return Load(Scenario(kind.main, (), kind.steps * order.repeats), _closed(order), None, Lateness())


LOADS: Mapping[str, Callable[[Order], Load]] = {
    "churn": churn,
    "onboarding": onboarding,
    "renewals": renewals,
    "soak": soak,
    "telemetry": telemetry,
    "held": held,
    "echo-renewals": echo_renewals,
}


def _closed(order: Order) -> Callable[[Shape], Roster]:
    """Every device once, all due at once, at_once at a time."""

    def due(device: int) -> float | None:
        return 0.0 if device < order.devices else None

    return lambda shape: Once(due, Shape(shape.size, shape.unprovisioned, order.at_once, shape.state))


def _registered(device: Device) -> Script[None]:
    if device.bundle is None:
        yield from register(device)
