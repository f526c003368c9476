"""DPS over MQTT, also inside a WebSocket: one connection, subscribed to the answers.

Source: DPS MQTT support, "Registering a device" and "Polling for registration operation status".
"""

from dataclasses import dataclass

from engine.device.conversations.conversation import Answer, Reached, accept, misread
from engine.device.identity import Device
from engine.device.script import Script, Unmatched
from engine.device.setup import DpsTransport
from engine.device.steps.waiting import dial, expect
from engine.errors import RemoteProtocolError
from engine.measure.operation import Operation
from engine.protocol import dps, mqtt


@dataclass(frozen=True, slots=True)
class OverMqtt:
    """See Conversation. began and until are those of the attempt, seconds on the run's clock."""

    device: Device
    began: float
    until: float

    def reach(self) -> Script[Reached]:
        """A connection that is subscribed to the answers, and how long its stages took."""
        connected = yield from dial(self.device, self._dial(), self.until)
        yield mqtt.Subscribe(dps.RESPONSES)
        subscribed = yield from expect(self.device, mqtt.Subscribed, self.until)
        parts = (
            ("tcp", connected.tcp_s),
            ("tls", connected.tls_s),
            ("connack", connected.connack_s),
            ("suback", subscribed.at - connected.at),
        )
        return Reached(subscribed.at, parts)

    def register(self, csr: bytes) -> Script[Answer]:
        """The answer to a register request."""
        rid = self.device.next_request_id()
        payload = dps.register_payload(self.device.device_id, csr)
        return (yield from self._ask(rid, mqtt.Publish(dps.register_topic(rid), payload)))

    def poll(self, operation_id: str) -> Script[Answer]:
        """The answer to the question how the operation is."""
        rid = self.device.next_request_id()
        return (yield from self._ask(rid, mqtt.Publish(dps.poll_topic(rid, operation_id), b"")))

    def _dial(self) -> mqtt.Connect:
        device, service = self.device, self.device.dps
        proof = device.prove(self.began, self.until)
        return mqtt.Connect(
            host=service.host,
            port=service.port,
            client_id=device.device_id,
            username=dps.username(service.id_scope, device.device_id),
            password=proof.token,
            identity=proof.identity,
            keep_alive_s=device.setup.keep_alive_s,
            websocket=service.transport is DpsTransport.MQTT_WS,
        )

    def _ask(self, rid: str, request: mqtt.Publish) -> Script[Answer]:
        """The answer to this request; others are counted."""
        yield request
        while True:
            received = yield from expect(self.device, mqtt.Received, self.until)
            try:
                reply = dps.parse_reply(received.topic, received.payload)
            except RemoteProtocolError as broken:
                raise misread(broken) from broken
            if reply.rid == rid:
                return accept(Answer(reply, received.at))
            yield Unmatched(Operation.DPS_REGISTER)
