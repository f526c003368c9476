"""One MQTT connection: a paho client on a TLS stream that is ready, with a WebSocket between them if asked for.

DIALLING, then CONNACK, then OPEN, then LEAVING while a DISCONNECT is on its way out. paho writes at once when it is
not inside a callback, reads one packet a call, and drops its socket when it is done, which shows as `socket() is None`.
Callbacks are plain functions with the link as user data, so a connection needs no closures and leaves no cycles.
"""

import select
import socket
from enum import IntEnum

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from engine.adapters.net.dial import Dial
from engine.adapters.net.prepared import PreparedClient
from engine.adapters.net.stream import PlainStream
from engine.adapters.net.websocket import WebSocketStream
from engine.errors import Failure, LocalProtocolError, Outcome
from engine.ports import Clock
from engine.protocol import http, mqtt
from engine.protocol.status import outcome_of_connack

REFUSED = 0x80
"""A subscription that was not granted. Source: MQTT 3.1.1 section 3.9.3."""

CONNACK = b"\x20\x02"
"""Type and length. Source: MQTT 3.1.1 section 3.2.1."""


class Stage(IntEnum):
    """How far the conversation has come."""

    DIALLING = 0
    CONNACK = 1
    OPEN = 2
    LEAVING = 3


class Link:
    """The life of one connection, from Connect to Disconnected. Events go to the list it was given.

    `dial` is there while it is dialled, `socket` from then on.
    """

    __slots__ = (
        "_asked",
        "_client",
        "_clock",
        "_events",
        "_malformed",
        "_marks",
        "_rc",
        "_stream",
        "_tags",
        "channel",
        "command",
        "dial",
        "mask",
        "socket",
        "stage",
    )

    def __init__(
        self, channel: int, command: mqtt.Connect, clock: Clock, events: list[tuple[int, mqtt.Event | http.Event]]
    ) -> None:
        self.channel, self.command, self.mask = channel, command, 0
        self.dial: Dial | None = None
        self.socket: socket.socket | None = None
        self.stage = Stage.DIALLING
        self._clock, self._events = clock, events

    def open(self, dial: Dial) -> int:
        """Send CONNECT on what was dialled. Here and below: the events to wait for, 0 when the connection is over."""
        command = self.command
        self.dial, self.socket, self.mask = None, dial.socket, dial.mask
        self.stage = Stage.CONNACK
        self._marks = (dial.began_at, dial.tcp_at, dial.tls_at)
        stream = dial.stream()
        assert not isinstance(stream, PlainStream)
        self._stream = WebSocketStream(stream, command.host, command.port) if command.websocket else stream
        self._tags: dict[int, int] = {}
        self._asked: dict[int, mqtt.Subscribe | mqtt.Unsubscribe] = {}
        self._malformed = False
        self._rc = MQTTErrorCode.MQTT_ERR_SUCCESS
        self._client = _client(self, command)
        self._client.prepared = self._stream
        self._client.connect(command.host, command.port, command.keep_alive_s)
        return self._wanted()

    def serve(self, mask: int) -> int:
        """Read and write what the descriptor is ready for."""
        client, stream = self._client, self._stream
        if mask & select.EPOLLOUT:
            client.loop_write()
        if mask & ~select.EPOLLOUT or stream.read_wants_write:
            while True:
                rc = client.loop_read()
                if client.socket() is None:
                    self._rc = rc
                    return 0
                if not stream.pending():
                    break
        if client.want_write():
            client.loop_write()
        return self._wanted()

    def keep_alive(self) -> int:
        """Send PINGREQ when it is time; give up on a peer that did not answer the last one."""
        self._client.loop_misc()
        return self._wanted()

    def subscribe(self, command: mqtt.Subscribe) -> int:
        """Send SUBSCRIBE."""
        if self._may_send():
            try:
                _, mid = self._client.subscribe(command.topic, command.qos)
            except ValueError as error:
                raise LocalProtocolError(f"cannot subscribe to {command.topic}") from error
            if mid is not None:
                self._asked[mid] = command
        return self._wanted()

    def unsubscribe(self, command: mqtt.Unsubscribe) -> int:
        """Send UNSUBSCRIBE."""
        if self._may_send():
            try:
                _, mid = self._client.unsubscribe(command.topic)
            except ValueError as error:
                raise LocalProtocolError(f"cannot unsubscribe from {command.topic}") from error
            if mid is not None:
                self._asked[mid] = command
        return self._wanted()

    def publish(self, command: mqtt.Publish) -> int:
        """Send PUBLISH."""
        if self._may_send():
            try:
                info = self._client.publish(command.topic, command.payload, command.qos)
            except ValueError as error:
                raise LocalProtocolError(f"cannot publish on {command.topic}") from error
            if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                raise LocalProtocolError("65,535 messages of one connection are unacknowledged")
            if command.qos:
                self._tags[info.mid] = command.tag
        return self._wanted()

    def leave(self) -> int:
        """Send DISCONNECT; over as soon as it is on its way, or at once where CONNECT has not left either."""
        self.stage = Stage.LEAVING
        if not self._stream.is_open:
            return 0
        self._client.disconnect()
        return self._wanted()

    def failure(self) -> Failure:
        """Why the connection ended, if nobody asked for it."""
        ended = self._stream.ended
        if self.stage is Stage.CONNACK and (early := self._early_failure()) is not None:
            return early
        if self._malformed or self._rc == MQTTErrorCode.MQTT_ERR_PROTOCOL:
            return Failure(Outcome.DISCONNECTED, "malformed", "the server sent what MQTT 3.1.1 does not allow")
        return Failure(Outcome.DISCONNECTED, ended or "keep-alive", "the connection ended")

    def free(self) -> None:
        """Let go of the client, if there is one, so that both are freed at once."""
        if self.socket is None:
            return
        self._client.user_data_set(None)
        del self._client, self._stream

    def report(self, event: mqtt.Event) -> None:
        """Hand an event to whoever waits."""
        self._events.append((self.channel, event))

    def connected(self) -> None:
        """CONNACK 0 came."""
        now = self._clock.now()
        began_at, tcp_at, tls_at = self._marks
        self.stage = Stage.OPEN
        self.report(mqtt.Connected(now, tcp_at - began_at, tls_at - tcp_at, now - tls_at))

    def subscribed(self, mid: int, granted: int) -> None:
        """SUBACK came."""
        command = self._asked.get(mid)
        if type(command) is mqtt.Subscribe:
            del self._asked[mid]
            self.report(mqtt.Subscribed(self._clock.now(), command.topic, granted))

    def unsubscribed(self, mid: int) -> None:
        """UNSUBACK came."""
        command = self._asked.get(mid)
        if type(command) is mqtt.Unsubscribe:
            del self._asked[mid]
            self.report(mqtt.Unsubscribed(self._clock.now(), command.topic))

    def published(self, mid: int) -> None:
        """PUBACK came, or a QoS 0 message left."""
        tag = self._tags.pop(mid, None)
        if tag is not None:
            self.report(mqtt.Published(self._clock.now(), tag))

    def received(self, message: paho.MQTTMessage) -> None:
        """A message came."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.broken()
        else:
            self.report(mqtt.Received(self._clock.now(), topic, bytes(message.payload)))

    def broken(self) -> None:
        """The peer broke the protocol in a way that paho does not mind."""
        self._malformed = True

    def _early_failure(self) -> Failure | None:
        """What kept the conversation from beginning, None if it was just an end.

        With TLS 1.3 a client certificate is refused after our side of the handshake is done. The alert is read if
        CONNECT left before the reset came, as it does on any real network.
        """
        stream = self._stream
        if stream.refusal is not None:
            return stream.refusal
        head, ended = stream.head, stream.ended
        if head[:2] == CONNACK and head[3:] > b"\0":
            return Failure(outcome_of_connack(head[3]), f"connack {head[3]}", "the server refused the connection")
        if ended.startswith("alert ") or (not stream.has_sent and stream.left_unread()):
            code = ended if ended.startswith("alert ") else "alert"
            return Failure(Outcome.TLS, code, "the server ended the TLS session before MQTT began")
        return None if stream.has_sent else Failure(Outcome.NETWORK, ended, "the connection ended before MQTT began")

    def _may_send(self) -> bool:
        if self.stage is Stage.OPEN:
            return True
        if self.stage is not Stage.LEAVING:
            raise LocalProtocolError(f"channel {self.channel} is not connected yet")
        return False

    def _wanted(self) -> int:
        client = self._client
        if client.socket() is None or self._malformed:
            return 0
        stream = self._stream
        if stream.read_wants_write or (client.want_write() and not stream.write_wants_read):
            return select.EPOLLIN | select.EPOLLOUT
        return select.EPOLLIN


def _client(link: Link, command: mqtt.Connect) -> PreparedClient:
    client = PreparedClient(
        CallbackAPIVersion.VERSION2,
        client_id=command.client_id,
        clean_session=command.clean_session,
        userdata=link,
        reconnect_on_failure=False,
    )
    client.max_inflight_messages = 0  # no limit: paho must not pace our load
    client.username_pw_set(command.username, command.password)
    client.on_connect = _on_connect
    client.on_subscribe = _on_subscribe
    client.on_unsubscribe = _on_unsubscribe
    client.on_publish = _on_publish
    client.on_message = _on_message
    return client


def _on_connect(_c: paho.Client, link: Link, _flags: object, reason: ReasonCode, _p: Properties | None) -> None:
    if link.stage is not Stage.CONNACK:
        link.broken()
    elif not reason.is_failure:
        link.connected()


def _on_subscribe(_c: paho.Client, link: Link, mid: int, reasons: list[ReasonCode], _p: Properties | None) -> None:
    link.subscribed(mid, reasons[0].value if reasons else REFUSED)


def _on_unsubscribe(_c: paho.Client, link: Link, mid: int, _reasons: object, _p: Properties | None) -> None:
    link.unsubscribed(mid)


def _on_publish(_c: paho.Client, link: Link, mid: int, _reason: ReasonCode, _p: Properties | None) -> None:
    link.published(mid)


def _on_message(_c: paho.Client, link: Link, message: paho.MQTTMessage) -> None:
    if link.stage is Stage.CONNACK:
        link.broken()
    else:
        link.received(message)
