"""`connect-churn`: a provisioned device connects, stays a while, and leaves; again and again."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.connect import leave
from engine.device.steps.pause import stay
from engine.device.steps.verify import ready
from engine.measure.operation import Operation

CONNECT_CHURN = Scenario(main=Operation.HUB_CONNECT, prepare=(ready, leave), steps=(ready, stay))
