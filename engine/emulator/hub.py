"""The hub apart from certificates: telemetry is taken, twins are kept, method results are noted.

Source: article "Communicate with an IoT hub using the MQTT protocol".
"""

from collections.abc import Mapping
from typing import assert_never

from engine.emulator.broker import Client, Message
from engine.emulator.stats import Stats
from engine.errors import RemoteProtocolError
from engine.protocol import hub
from engine.protocol.body import read_object
from engine.protocol.hub import MAX_TELEMETRY_BYTES, MethodReply, Telemetry, TwinGet, TwinPatch


class Twins:
    """Reported properties of devices, and the sink of their telemetry."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._reported: dict[Client, tuple[Mapping[str, object], int]] = {}

    def answer(self, client: Client, topic: str, payload: bytes) -> list[Message]:
        """The answers to a message. Raises RemoteProtocolError on one that the hub closes the connection for."""
        request = hub.parse_request(topic, client.id)
        match request:
            case Telemetry():
                if len(payload) > MAX_TELEMETRY_BYTES:
                    raise RemoteProtocolError(f"telemetry of {len(payload)} bytes")
                self._stats.add("telemetry")
                self._stats.add("telemetryBytes", len(payload))
                return []
            case TwinGet():
                reported, version = self._reported.get(client, ({}, 1))
                self._stats.add_to("twin", 200)
                return [Message(hub.twin_topic(200, request.rid), hub.twin_payload(reported, version))]
            case TwinPatch():
                return [self._patch(client, request, payload)]
            case MethodReply():
                return []
            case _:
                assert_never(request)

    def _patch(self, client: Client, request: TwinPatch, payload: bytes) -> Message:
        try:
            changes = read_object(payload).values
        except RemoteProtocolError:
            self._stats.add_to("twin", 400)
            return Message(hub.twin_topic(400, request.rid), b"")
        held, version = self._reported.get(client, ({}, 1))
        merged = {key: value for key, value in {**held, **changes}.items() if value is not None}
        self._reported[client] = merged, version + 1
        self._stats.add_to("twin", 204)
        return Message(hub.twin_topic(204, request.rid, version + 1), b"")
