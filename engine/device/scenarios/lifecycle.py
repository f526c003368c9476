"""`cert-lifecycle`: everything a certificate lives through, once per device."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.connect import connect, leave
from engine.device.steps.pause import hold
from engine.device.steps.publish import publish
from engine.device.steps.register import register
from engine.device.steps.renew import renew
from engine.device.steps.verify import reconnect
from engine.measure.operation import Operation

CERT_LIFECYCLE = Scenario(
    main=Operation.CERT_ISSUED,
    prepare=(),
    steps=(register, connect, renew, hold, reconnect, publish, leave),
    fresh=True,
)
