"""`conformance`: every device carries out one case of the renewal contract."""

from engine.device.conformance.conform import conform
from engine.device.scenarios.scenario import Scenario
from engine.device.steps.connect import leave
from engine.device.steps.verify import ready
from engine.measure.operation import Operation

CONFORMANCE = Scenario(main=Operation.CONFORMANCE_CASE, prepare=(ready, leave), steps=(conform,))
