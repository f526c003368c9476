"""`cert-renewal`: a device that has a certificate renews it and comes back with the new one."""

from engine.device.scenarios.scenario import Scenario
from engine.device.steps.connect import connect
from engine.device.steps.pause import hold
from engine.device.steps.renew import renew
from engine.device.steps.verify import ready, reconnect
from engine.measure.operation import Operation

CERT_RENEWAL = Scenario(main=Operation.CERT_ISSUED, prepare=(ready,), steps=(connect, renew, hold, reconnect))
