"""What a connect-storm is about: how long until so many devices are connected, and how many did not stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import Outcome
from engine.measure.evaluation import LOAD
from engine.measure.histogram import Histogram
from engine.measure.operation import Operation
from engine.plan.spec.scenario import Scenario
from engine.report.results import RunResult

PERCENTS: Final = (50, 90, 99, 100)


@dataclass(frozen=True, slots=True)
class Storm:
    """connected_s is, per share of the devices that were due, the seconds from then until they were connected, None
    where so many never were; lost is how many connections ended unasked while they were held."""

    connected_s: Mapping[int, float | None]
    lost: int

    def figures(self) -> dict[str, Any]:
        """The storm as a JSON value; times are milliseconds."""
        times = {
            f"p{percent}": None if at_s is None else round(at_s * 1000, 3) for percent, at_s in self.connected_s.items()
        }
        return {"connectedMs": times, "lostWhileHolding": self.lost}


def storm_of(result: RunResult) -> Storm | None:
    """The storm of a run of connect-storm, None of any other."""
    if result.facts.scenario != Scenario.CONNECT_STORM:
        return None
    iterations = result.total.select(Operation.ITERATION, LOAD)
    connected = iterations.parts.get("connected", Histogram())
    lost = result.total.select(Operation.HUB_DISCONNECT, LOAD).outcomes[Outcome.DISCONNECTED]
    return Storm({percent: _reached_s(connected, percent, iterations.due) for percent in PERCENTS}, lost)


def _reached_s(connected: Histogram, percent: int, due: int) -> float | None:
    """When so many per cent of those due were connected: the same rank among the fewer that ever were."""
    needed = percent * due
    return None if needed > connected.count * 100 or not due else connected.quantile(needed / (connected.count * 100))
