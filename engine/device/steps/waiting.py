"""The shared pieces of every conversation: waiting for one kind of answer, and trying again."""

from collections.abc import Callable

from engine.device.budget import Budget
from engine.device.identity import Device
from engine.device.script import Event, Expired, Lap, Pause, Retry, Script, StepFailed, Wait
from engine.errors import RETRIED, Failure, Outcome
from engine.measure.operation import Operation
from engine.protocol import mqtt

DISCONNECT_WITHIN_S = 10.0
"""Closing is ours to do; a connection that is not closed by then never will be."""


def expect[E: Event](device: Device, kind: type[E], until: float) -> Script[E]:
    """The next event of this kind; StepFailed when the connection ends or time runs out first.

    A message that comes meanwhile is kept in the inbox: a held-back 200 may overtake the SUBACK. Anything else,
    such as a PUBACK nobody waits for any more, is passed over.
    """
    while True:
        event: Event = yield Wait(until)
        if isinstance(event, kind):
            return event
        if isinstance(event, mqtt.Received):
            device.inbox.append(event)
        if isinstance(event, mqtt.Disconnected):
            raise StepFailed(event.failure or Failure(Outcome.DISCONNECTED))
        if isinstance(event, Expired):
            raise StepFailed(Failure(Outcome.TIMEOUT))


def with_retries[R](device: Device, step: Callable[[], Script[R]], *, attempts: int, operation: Operation) -> Script[R]:
    """What step gives, tried up to attempts times; only where another try can help, after a back-off and within the
    operation's budget."""
    attempt = 1
    while True:
        try:
            return (yield from step())
        except StepFailed as failed:
            if attempt >= attempts or failed.failure.outcome not in RETRIED:
                raise
            yield Pause(device.backoff_s(attempt, failed.failure))
        yield from keep_to(device.setup.budgets.get(operation))
        yield Retry(operation)
        attempt += 1


def keep_to(budget: Budget | None) -> Script[None]:
    """It is our turn, as far as the quota goes: booked only now, for moments booked ahead would be lost to others."""
    if budget is not None:
        now: float = yield Lap()
        yield Pause(budget.book(now) - now)


def rest(device: Device, until: float) -> Script[None]:
    """The connection lived on to until; StepFailed when it did not. Messages meanwhile are kept in the inbox."""
    while True:
        event: Event = yield Wait(until)
        if isinstance(event, Expired):
            return
        if isinstance(event, mqtt.Received):
            device.inbox.append(event)
        if isinstance(event, mqtt.Disconnected):
            raise StepFailed(event.failure or Failure(Outcome.DISCONNECTED))


def disconnect(device: Device) -> Script[Failure | None]:
    """The connection is closed; a failure says that the end of it never came, and it was given up."""
    device.connected = False
    if not device.linked:
        return None
    now: float = yield mqtt.Disconnect()
    try:
        yield from expect(device, mqtt.Disconnected, now + DISCONNECT_WITHIN_S)
    except StepFailed as failed:
        return failed.failure
    return None


def dial(device: Device, command: mqtt.Connect, until: float) -> Script[mqtt.Connected]:
    """A new connection, after whatever an earlier story left open is closed; StepFailed when there is none in time."""
    left = yield from disconnect(device)
    if left is not None:
        raise StepFailed(left)
    yield command
    return (yield from expect(device, mqtt.Connected, until))
