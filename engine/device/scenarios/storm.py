"""`connect-storm`: everybody is ready and nobody connected; then all dial at once, stay a while, and leave."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.connect import connect, connected, leave
from engine.device.steps.pause import stay
from engine.device.steps.verify import ready
from engine.measure.operation import Operation

CONNECT_STORM = Scenario(main=Operation.HUB_CONNECT, prepare=(ready, leave), steps=(connect, connected, stay))
