"""DPS over HTTPS: a request at a time, each with the device's proof; between them the device waits as it is told.

A request may dial anew or not, and its response does not say how long that took: the time is part of the answer's.
Source: azure-iot-sdk-csharp, provisioning/transport/http, RuntimeRegistration.cs.
"""

from engine.device.conversations.conversation import Answer, Reached, accept, misread
from engine.device.identity import Device
from engine.device.script import Script
from engine.device.steps.exchange import exchange
from engine.errors import RemoteProtocolError
from engine.protocol import dps_http, http


class OverHttps:
    """See Conversation. began and until are those of the attempt, seconds on the run's clock."""

    def __init__(self, device: Device, began: float, until: float) -> None:
        service, proof = device.dps, device.prove(began, until)
        self._device, self._began, self._until = device, began, until
        self._caller = dps_http.Caller(
            service.host, service.port, service.id_scope, device.device_id, proof.token, proof.identity
        )

    def reach(self) -> Script[Reached]:
        """Nothing: the first request reaches the service."""
        yield from ()
        return Reached(self._began)

    def register(self, csr: bytes) -> Script[Answer]:
        """The answer to a register request."""
        return (yield from self._ask(self._caller.register(csr)))

    def poll(self, operation_id: str) -> Script[Answer]:
        """The answer to the question how the operation is."""
        return (yield from self._ask(self._caller.poll(operation_id)))

    def _ask(self, request: http.Request) -> Script[Answer]:
        responded = yield from exchange(self._device, request, self._until)
        try:
            reply = dps_http.read_response(responded.response)
        except RemoteProtocolError as broken:
            raise misread(broken) from broken
        return accept(Answer(reply, responded.at))
