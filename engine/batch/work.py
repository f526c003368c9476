"""What one batch is to do, ready to be driven."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.batch.checkpoint import Checkpoint
from engine.batch.rosters.roster import Roster
from engine.device.bundle import Bundle
from engine.device.identity import Device
from engine.device.scenarios.scenario import Scenario
from engine.device.setup import Setup
from engine.measure.operation import Operation
from engine.measure.sample import Sample
from engine.measure.stopping import Watch

type MakeRoster = Callable[[Sequence[Device], frozenset[int], Mapping[str, Any] | None], Roster]
"""(the devices, prepared; numbers of those not ready; state to go on from) → a roster in seconds since the load's
start."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One device of the batch: its index names it, its ordinal is its place in the run's schedule."""

    index: int
    ordinal: int
    device_id: str
    bundle: Bundle | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Times are seconds; duration_s is None where the load ends by itself (`once`).

    prepare_s is how long preparing may take, and paced_by are the operations whose budgets each device that prepares
    takes from. stop_at is the run's own deadline, in run time. is_counted: the schedule may run out before duration_s,
    and then the load is over. cleans_up: what the run left at the services is undone after the load. loaded are the
    samples of loading the state, counted with the rest. watch is what whoever judges the run while
    it goes on wants to see, None where nobody does.
    """

    scenario: Scenario
    setup: Setup
    seats: tuple[Seat, ...]
    roster: MakeRoster
    duration_s: float | None
    ramp_s: float
    prepare_s: float
    graceful_stop_s: float
    stop_at: float
    interval_s: float
    failure_samples: int
    is_counted: bool = False
    paced_by: tuple[Operation, ...] = ()
    cleans_up: bool = False
    resume: Checkpoint | None = None
    watch: Watch | None = None
    loaded: tuple[Sample, ...] = ()
