"""From a spec's executor to the roster of one batch."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.max_rate import MaxRate
from engine.batch.rosters.once import Once
from engine.batch.rosters.pacing import Pacing
from engine.batch.rosters.roster import Roster, Shape
from engine.batch.rosters.search import RateSearch, Search
from engine.batch.work import MakeRoster
from engine.device.identity import Device
from engine.measure.operation import OVERDUE, Operation
from engine.plan.batches import Batch, schedule_of
from engine.plan.pacer import Grid
from engine.plan.schedule import by_validity
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor, Scenario
from engine.protocol import x509


def make_roster(spec: RunSpec, batch: Batch) -> MakeRoster:
    """The executor's roster over the batch's share of the schedule; iterations end it sooner where they are given."""
    schedule = schedule_of(spec, batch)
    most = math.inf if batch.iterations is None else batch.iterations
    rests = spec.scenario is Scenario.CERT_THROTTLE

    def due(own: int) -> float | None:
        assert not isinstance(schedule, Grid)
        return schedule.due(batch.ordinal(own)) if own < most else None

    def make(devices: Sequence[Device], unready: frozenset[int], state: Mapping[str, Any] | None) -> Roster:
        shape = Shape(batch.devices, unready, batch.max_in_flight, state, rests)
        match spec.load.executor:
            case Executor.ONCE:
                return Once(due, shape)
            case Executor.PER_DEVICE_PACING:
                assert isinstance(schedule, Grid)
                return Pacing(_grid_due(_grids(spec, schedule, devices, unready), batch, most), shape)
            case Executor.MAX_RATE:
                return MaxRate(due, shape, points=most, until_s=spec.load.duration_s)
            case Executor.CONSTANT_ARRIVAL_RATE | Executor.RAMPING_ARRIVAL_RATE:
                return Arrivals(due, shape)
            case Executor.RATE_SEARCH:
                return RateSearch(_search(spec), shape)
            case _:
                assert_never(spec.load.executor)

    return make


def _grid_due(grids: Sequence[Grid], batch: Batch, most: float) -> Callable[[int, int], float | None]:
    def due(device: int, k: int) -> float | None:
        return grids[device].due(batch.ordinal(device), k) if k * batch.devices + device < most else None

    return due


def _grids(spec: RunSpec, schedule: Grid, devices: Sequence[Device], unready: frozenset[int]) -> list[Grid]:
    """Every device's grid: all the same, or each by the lifetime of the certificate its device begins the load with.

    A policy gives every certificate the same lifetime, so the grid of the first one serves for those that follow. A
    device that is not ready keeps the grid that was planned: its certificate may be none that parses.
    """
    if spec.load.pacing.of_validity is None:
        return [schedule] * len(devices)
    known: dict[float, Grid] = {}
    grids = []
    for own, device in enumerate(devices):
        lifetime_s = 0.0 if device.bundle is None or own in unready else x509.lifetime_s(device.bundle.chain)
        if lifetime_s not in known:
            known[lifetime_s] = by_validity(schedule, spec.load.pacing, lifetime_s) if lifetime_s else schedule
        grids.append(known[lifetime_s])
    return grids


def _search(spec: RunSpec) -> Search:
    search = spec.load.search
    stop = search.stop_when.parsed()
    overdue_s = _overdue_s(spec, stop.metric.operation)
    return Search(search.start, search.step, search.hold_s, spec.load.time_unit.seconds, stop, overdue_s)


def _overdue_s(spec: RunSpec, operation: Operation) -> float:
    """How long an answer may take before it counts as overdue."""
    if operation not in OVERDUE:
        return math.inf
    is_publish = operation is Operation.TELEMETRY_PUBLISH
    return spec.timeouts.publish_s if is_publish else spec.timeouts.certificate_s
