"""The packets of MQTT 3.1.1 as values, both directions, without those of QoS 2.

Source: OASIS standard "MQTT Version 3.1.1", chapter 3.
"""

from dataclasses import dataclass, field

LEVEL = 4
"""The protocol level of 3.1.1. Source: section 3.1.2.2."""


@dataclass(frozen=True, slots=True)
class Will:
    """What to publish when the connection ends without DISCONNECT."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """The first packet; of another protocol level only the level is known."""

    client_id: str
    username: str = ""
    password: bytes | None = field(default=None, repr=False)
    keep_alive_s: int = 60
    clean_session: bool = True
    will: Will | None = None
    level: int = LEVEL


@dataclass(frozen=True, slots=True)
class Connack:
    """The answer to CONNECT."""

    return_code: int
    session_present: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """A message; packet_id is 0 at QoS 0. QoS 2 can be read, so that it can be refused."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False


@dataclass(frozen=True, slots=True)
class Puback:
    """A QoS 1 message arrived."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Topic filters and the QoS asked for each."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Suback:
    """The QoS granted for each filter, 0x80 for a refusal."""

    packet_id: int
    granted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Topic filters to forget."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsuback:
    """They are forgotten."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Pingreq:
    """The peer is alive."""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """So are we."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A clean end."""


type Packet = (
    Connect | Connack | Publish | Puback | Subscribe | Suback | Unsubscribe | Unsuback | Pingreq | Pingresp | Disconnect
)
