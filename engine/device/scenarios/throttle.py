"""`cert-throttle`: connected devices renew as they are called, without reconnecting: what does the service take?"""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.pause import stay
from engine.device.steps.renew import renew
from engine.device.steps.verify import ready
from engine.errors import Outcome
from engine.measure.operation import Operation

CERT_THROTTLE = Scenario(
    main=Operation.CERT_ISSUED, prepare=(ready,), steps=(renew, stay), expected=frozenset({Outcome.THROTTLED})
)
