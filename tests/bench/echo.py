"""A wire with nothing behind it: every command is answered at once, as a hub in good health would.

What a batch costs over it is what sessions, loop, courier and accounting cost, and nothing of TLS, MQTT or sockets.
"""

import threading
from collections.abc import Sequence

from engine.ports import Clock, Traffic
from engine.protocol import credentials, mqtt

CHAIN = tuple(bytes([n]) * 430 for n in range(3))
"""About as long as EC certificates are."""


class EchoWire:
    """See ports.Wire."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[tuple[int, mqtt.Event]] = []
        self._bell = threading.Event()
        self._accepted = credentials.accepted_payload("correlation", "2099-12-31T23:59:59Z")
        self._issued = credentials.issued_payload("correlation", CHAIN)

    @property
    def traffic(self) -> Traffic:
        """None: nothing is written anywhere."""
        return Traffic()

    def send(self, channel: int, command: mqtt.Command) -> None:
        """See Wire."""
        now = self._clock.now()
        events: list[mqtt.Event] = []
        match command:
            case mqtt.Connect():
                events = [mqtt.Connected(now, 0.0, 0.0, 0.0)]
            case mqtt.Subscribe():
                events = [mqtt.Subscribed(now, command.topic, command.qos)]
            case mqtt.Publish():
                events = [mqtt.Published(now, command.tag), *self._answers(command, now)]
            case mqtt.Disconnect():
                events = [mqtt.Disconnected(now, asked=True)]
        self._events.extend((channel, event) for event in events)

    def wait(self, until: float) -> Sequence[tuple[int, mqtt.Event]]:
        """See Wire."""
        left_s = until - self._clock.now()
        if not self._events and left_s > 0:
            self._bell.wait(min(left_s, threading.TIMEOUT_MAX))
        self._bell.clear()
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        """See Wire."""
        self._bell.set()

    def close(self) -> None:
        """See Wire."""
        self._events.clear()

    def _answers(self, command: mqtt.Publish, now: float) -> list[mqtt.Event]:
        rid = credentials.parse_request_topic(command.topic)
        if rid is None:
            return []
        return [
            mqtt.Received(now, credentials.response_topic(202, rid), self._accepted),
            mqtt.Received(now, credentials.response_topic(200, rid), self._issued),
        ]
