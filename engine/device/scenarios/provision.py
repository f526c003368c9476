"""`provision`: register, then prove the issued certificate by one connect."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.connect import leave
from engine.device.steps.register import register
from engine.device.steps.verify import prove_first
from engine.measure.operation import Operation

PROVISION = Scenario(main=Operation.DPS_REGISTER, prepare=(), steps=(register, prove_first, leave), fresh=True)
