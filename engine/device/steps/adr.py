"""What a device asks of the device registry: to be there, to be read, to be changed, to be gone.

Theory of operation. A call is counted from its request to its answer; one that the service accepts to finish later is
counted until it is finished, and every question how it stands is counted by itself. What the answer says is what is
counted, also where the story goes on: a device that is not there yet is `not-found`, and one that somebody made
meanwhile is `precondition` or `conflict`. A question that fails ends the call it asked about. Nothing is tried again
but what prepares or cleans up.

The token goes to the namespace's endpoint and to no other place, unless the allow-list names its host.
"""

from collections.abc import Callable

from engine.device.backoff import fraction
from engine.device.identity import Device
from engine.device.script import Begin, End, Pause, Script, StepFailed
from engine.device.steps.connect import blocked
from engine.device.steps.exchange import exchange
from engine.device.steps.waiting import with_retries
from engine.errors import Failure, Outcome, RemoteProtocolError
from engine.measure.operation import Operation
from engine.protocol import adr, http

POLL_AFTER_S = 2.0
MOST_POLLS = 60
"""Where the service names no time to wait, and how often it is asked. Source: azure-iot-scale, adr_utils.py."""

FINISH_WITHIN_S = 600.0
"""A call that is not finished by then is given up, however long the service asks to wait: our own limit."""

_CHOICE, _VERSION = 0, 1
"""Whatever is left to chance draws from a series of its own."""

_THERE_ALREADY = frozenset({Outcome.CONFLICT, Outcome.PRECONDITION})


def enlist(device: Device) -> Script[None]:
    """The registry holds the device: looked up, and created where it is absent.

    `source: create` looks too, because creating a device that exists is a failure of our own making; it differs from
    `reuse-or-create` only in the names it is given. `stored-only` creates nothing: an absent device is `not-found`.
    """
    device.doing = "enlisting"
    attempts = device.setup.attempts.register
    is_there = yield from with_retries(device, lambda: _look_up(device), attempts=attempts, operation=Operation.ADR_GET)
    if not is_there:
        yield from with_retries(device, lambda: _create(device), attempts=attempts, operation=Operation.ADR_CREATE)
    device.enlisted = True


def is_enlisted(device: Device) -> bool:
    """Whether the registry was seen to hold the device."""
    return device.enlisted


def get_or_patch(device: Device) -> Script[None]:
    """One of the two, as often as the weights say; the same seed gives the same series."""
    device.requests += 1
    chance = fraction(device.setup.seed, device.ordinal, device.requests, _CHOICE)
    yield from (get(device) if chance < device.setup.get_share else patch(device))


def get(device: Device) -> Script[None]:
    """The device was read."""
    device.doing = "reading"
    yield from _call(device, Operation.ADR_GET, adr.get)


def patch(device: Device) -> Script[None]:
    """The device has another version of its operating system: three numbers by chance, the same for the same seed."""
    device.doing = "patching"
    device.requests += 1
    numbers = (fraction(device.setup.seed, device.ordinal, device.requests, _VERSION, n) for n in range(3))
    version = ".".join(str(int(number * 100)) for number in numbers)

    def to_version(namespace: adr.Namespace, device_id: str, token: str) -> http.Request:
        return adr.patch(namespace, device_id, token, version=version)

    yield from _call(device, Operation.ADR_PATCH, to_version)


def delete(device: Device) -> Script[None]:
    """The registry does not hold the device, also where it was never seen to: a create that was given up may be done.

    Source: azure-iot-scale, adr_utils.py (404 is gone).
    """
    device.doing = "deleting"
    attempts = device.setup.attempts.register
    yield from with_retries(device, lambda: _delete(device), attempts=attempts, operation=Operation.ADR_DELETE)
    device.enlisted = False


def _look_up(device: Device) -> Script[bool]:
    """Whether the registry holds the device; StepFailed where it does not and must."""
    try:
        yield from _call(device, Operation.ADR_GET, adr.get)
    except StepFailed as failed:
        if failed.failure.outcome is not Outcome.NOT_FOUND or not device.setup.may_provision:
            raise
        return False
    return True


def _create(device: Device) -> Script[None]:
    try:
        yield from _call(device, Operation.ADR_CREATE, adr.create)
    except StepFailed as failed:
        if failed.failure.outcome not in _THERE_ALREADY:
            raise


def _delete(device: Device) -> Script[None]:
    try:
        yield from _call(device, Operation.ADR_DELETE, adr.delete)
    except StepFailed as failed:
        if failed.failure.outcome is not Outcome.NOT_FOUND:
            raise


def _call(
    device: Device, operation: Operation, make: Callable[[adr.Namespace, str, str], http.Request]
) -> Script[None]:
    """One call and all that it takes to finish it; StepFailed where the registry refuses it or does not answer."""
    namespace = _namespace(device)
    began: float = yield Begin(operation, FINISH_WITHIN_S)
    request = make(namespace, device.device_id, device.setup.token())
    try:
        answer = yield from exchange(device, request, began + device.setup.timeouts.http)
        state = _understood(lambda: adr.read_answer(answer.response, request.url))
        yield from _finish(device, state, at=answer.at, until=began + FINISH_WITHIN_S)
    except StepFailed as failed:
        yield End(operation, failed.failure)
        raise
    yield End(operation)


def _finish(device: Device, state: adr.State, *, at: float, until: float) -> Script[None]:
    """The call is done, after as many questions as it takes; StepFailed where it failed or would not end."""
    for _ in range(MOST_POLLS):
        if not isinstance(state, adr.Running):
            break
        _refuse_strangers(device, state.url)
        wait_s = POLL_AFTER_S if state.retry_after_s is None else state.retry_after_s
        yield Pause(min(wait_s, until - at))
        if at + wait_s >= until:
            break
        state, at = yield from _poll(device, state)
    if isinstance(state, adr.Running):
        raise StepFailed(Failure(Outcome.TIMEOUT, "unfinished", "the call was accepted and not finished in time"))
    if state is not None:
        raise StepFailed(state)


def _poll(device: Device, running: adr.Running) -> Script[tuple[adr.State, float]]:
    """How the call stands and when that was said; StepFailed where the question was not answered."""
    within_s = device.setup.timeouts.http
    began: float = yield Begin(Operation.ADR_POLL, within_s)
    try:
        answer = yield from exchange(device, adr.poll(running.url, device.setup.token()), began + within_s)
        if (refused := adr.read_failure(answer.response)) is not None:
            raise StepFailed(refused)
        state = _understood(lambda: adr.read_poll(answer.response, running))
    except StepFailed as failed:
        yield End(Operation.ADR_POLL, failed.failure)
        raise
    yield End(Operation.ADR_POLL)
    return state, answer.at


def _understood(read: Callable[[], adr.State]) -> adr.State:
    try:
        return read()
    except RemoteProtocolError as broken:
        raise StepFailed(Failure(Outcome.PROTOCOL, detail=str(broken))) from broken


def _refuse_strangers(device: Device, url: str) -> None:
    """StepFailed where the token must not be shown: unencrypted, or to a host that nobody allowed."""
    asked = http.Request("GET", url)
    if asked.scheme != "https":
        raise StepFailed(Failure(Outcome.BLOCKED, "downgrade", f"{asked.host} is not asked without TLS"))
    if not _namespace(device).serves(url) and not device.setup.allows(asked.host):
        raise StepFailed(blocked(asked.host))


def _namespace(device: Device) -> adr.Namespace:
    assert device.setup.namespace is not None, "the target has no device registry"
    return device.setup.namespace
