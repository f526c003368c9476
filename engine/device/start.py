"""The order to start a script."""

from dataclasses import dataclass

from engine.device.scenarios.scenario import Step
from engine.measure.operation import Operation, Phase


@dataclass(frozen=True, slots=True)
class Start:
    """What a session is asked to do: main is the operation that a failed iteration owes a dropped sample for.

    due None is when it begins. iteration is false for what is no iteration: preparing and cleaning up.
    """

    steps: tuple[Step, ...]
    due: float | None
    phase: Phase
    main: Operation
    iteration: bool = True
