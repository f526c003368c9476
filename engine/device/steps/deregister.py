"""The provisioning service forgets the device: asked of its service API, which takes no device's word for it."""

from engine.device.identity import Device
from engine.device.script import Lap, Script, StepFailed
from engine.device.steps.connect import blocked
from engine.device.steps.exchange import exchange
from engine.device.steps.waiting import with_retries
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.protocol import dps_service


def deregister(device: Device) -> Script[None]:
    """The device's registration is gone, also where there was none; nothing is done where nobody may ask for that.

    It is no operation of its own: its retries are the iteration's.
    """
    if not device.dps.service:
        return
    device.doing = "deregistering"
    attempts = device.setup.attempts.register
    yield from with_retries(device, lambda: _deregister(device), attempts=attempts, operation=Operation.ITERATION)


def _deregister(device: Device) -> Script[None]:
    now: float = yield Lap()
    request = dps_service.delete_registration(device.dps.service, device.device_id, device.setup.service_token())
    if not device.setup.allows(request.host):
        raise StepFailed(blocked(request.host))
    answer = yield from exchange(device, request, now + device.setup.timeouts.http)
    failure = dps_service.read_failure(answer.response)
    if failure is not None and failure.outcome is not Outcome.NOT_FOUND:
        raise StepFailed(failure)
