"""One MQTT connection as values: what a device asks of it, and what comes back.

Commands go to a `Wire`, events come from it; neither side sees the other's types. Every event carries `at`,
seconds on the clock that the wire was made with, read when the bytes were: not when somebody looked.
"""

from dataclasses import dataclass

from engine.errors import Failure

WEBSOCKET_PATH = "/$iothub/websocket"
WEBSOCKET_PROTOCOL = "mqtt"
"""Source: azure-iot-sdk-python, common/mqtt_transport.py (path and sub-protocol)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device proves itself with in the TLS handshake.

    key is PKCS#8 DER; chain is DER certificates, leaf first.
    """

    key: bytes
    chain: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Identity(chain of {len(self.chain)})"


@dataclass(frozen=True, slots=True)
class Connect:
    """Dial, shake hands and send CONNECT; answered by Connected or Disconnected.

    websocket: MQTT inside a WebSocket. Source: IoT Hub MQTT support, "Using the MQTT protocol over WebSockets".
    """

    host: str
    port: int
    client_id: str
    username: str
    password: str | None = None
    identity: Identity | None = None
    keep_alive_s: int = 60
    clean_session: bool = True
    websocket: bool = False

    def __repr__(self) -> str:
        return f"Connect({self.host}:{self.port}, {self.client_id})"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask for one topic filter; answered by Subscribed."""

    topic: str
    qos: int = 1


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Give one topic filter up; answered by Unsubscribed."""

    topic: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Send one message; at QoS 1 answered by Published with the same tag."""

    topic: str
    payload: bytes
    tag: int = 0
    qos: int = 1


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Send DISCONNECT and close; answered by Disconnected with asked=True. Harmless when nothing is open."""


type Command = Connect | Subscribe | Unsubscribe | Publish | Disconnect


@dataclass(frozen=True, slots=True)
class Connected:
    """CONNACK 0 came. The three parts are seconds and add up to the time since the dial; a WebSocket's upgrade is part
    of connack_s."""

    at: float
    tcp_s: float
    tls_s: float
    connack_s: float


@dataclass(frozen=True, slots=True)
class Subscribed:
    """SUBACK came; granted is the QoS, or 0x80 for a refusal."""

    at: float
    topic: str
    granted: int


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """UNSUBACK came."""

    at: float
    topic: str


@dataclass(frozen=True, slots=True)
class Published:
    """PUBACK came for the publish with this tag."""

    at: float
    tag: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message came in."""

    at: float
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is closed, or never came to be; nothing follows until the next Connect.

    asked is true for the end of our own Disconnect. failure is None only then. Its outcome is `network`, `tls`,
    `unauthorized`, `server`, `bad-request` (refused CONNACK), `disconnected`, or that of the status that refused a
    WebSocket, `protocol` where it was none.
    """

    at: float
    asked: bool
    failure: Failure | None = None


type Event = Connected | Subscribed | Unsubscribed | Published | Received | Disconnected
