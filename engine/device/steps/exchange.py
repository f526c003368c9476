"""One HTTP exchange: a request, and its answer in time."""

from engine.device.identity import Device
from engine.device.script import Event, Expired, Script, StepFailed, Wait
from engine.errors import Failure, Outcome
from engine.protocol import http, mqtt


def exchange(device: Device, request: http.Request, until: float) -> Script[http.Responded]:
    """The answer to a request, whatever it says; StepFailed when there is none by then, and the request is given up.

    One that an earlier story left open is given up first. Messages that come meanwhile are kept in the inbox.
    """
    if device.asking:
        yield http.Abandon()
    device.asking = True
    yield request
    while True:
        event: Event = yield Wait(until)
        match event:
            case http.Responded():
                device.asking = False
                return event
            case http.Unanswered():
                device.asking = False
                raise StepFailed(event.failure)
            case Expired():
                yield http.Abandon()
                device.asking = False
                raise StepFailed(Failure(Outcome.TIMEOUT))
            case mqtt.Received():
                device.inbox.append(event)
            case _:
                pass
