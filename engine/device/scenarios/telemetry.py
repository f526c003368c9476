"""`telemetry`: a device connects once and then publishes, as long as its connection is not lost."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.pause import stay
from engine.device.steps.publish import publish
from engine.device.steps.verify import ready
from engine.measure.operation import Operation

TELEMETRY = Scenario(main=Operation.TELEMETRY_PUBLISH, prepare=(ready,), steps=(publish, stay))
