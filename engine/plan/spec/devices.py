"""The `devices`, `certificate`, `connection` and `telemetry` of a spec: who takes part, and how each behaves."""

from enum import StrEnum
from typing import Annotated, Final

from engine.plan.field import Choice, Duration, Flag, Section, Text, Whole

HIGHEST_INDEX: Final = 10**12
"""With the longest prefix, 100 characters, the last index still makes a name far below 128 characters."""


class Source(StrEnum):
    """Where devices come from: always new, stored ones first, or stored ones only, which never calls DPS."""

    CREATE = "create"
    REUSE_OR_CREATE = "reuse-or-create"
    STORED_ONLY = "stored-only"


class OnInvalid(StrEnum):
    """What becomes of a device whose stored credential the service rejects."""

    REPROVISION = "reprovision"
    SKIP = "skip"
    FAIL = "fail"


class KeyName(StrEnum):
    """The kinds of key a device may have; the service may accept fewer."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"


class RenewalPath(StrEnum):
    """Whom a device asks for its next certificate."""

    HUB = "hub"
    DPS = "dps"


class OnPending(StrEnum):
    """What a device does while an earlier request of its own is still open."""

    WAIT = "wait"
    ASK = "ask"
    REPLACE = "replace"
    REPLACE_ANY = "replace-any"


class Verify(StrEnum):
    """How far a new certificate is checked; `reconnect` checks the chain and then presents it."""

    NONE = "none"
    CHAIN = "chain"
    RECONNECT = "reconnect"


class Transport(StrEnum):
    """How devices talk to the hub: MQTT on 8883, or inside WebSockets on 443."""

    MQTT = "mqtt"
    MQTT_WS = "mqtt-ws"


class Devices(Section):
    """Which devices take part; start_index None is allotted by the server."""

    count: Annotated[int, Whole(1, 10_000_000)] = 10
    """How many devices take part; no more than the server's MAX_DEVICES and the profile's ceiling."""
    prefix: Annotated[str, Text(r"[a-z0-9._:-]{1,100}", "[a-z0-9._:-]{1,100}")] = "device-"
    """What every device's name begins with; its index follows."""
    start_index: Annotated[int, Whole(0, HIGHEST_INDEX)] | None = None
    """The index of the first device; null lets the server allot one."""
    source: Annotated[Source, Choice(Source)] = Source.REUSE_OR_CREATE
    """Where devices come from; stored-only never calls DPS."""
    on_invalid: Annotated[OnInvalid, Choice(OnInvalid)] = OnInvalid.REPROVISION
    """What becomes of a device whose stored credential the service rejects."""


class Certificate(Section):
    """What devices ask for and how far they check what they get; reuse_key False is a new key pair per CSR."""

    key_type: Annotated[KeyName, Choice(KeyName)] = KeyName.EC_P256
    """The kind of key; the service may accept fewer."""
    reuse_key: Annotated[bool, Flag()] = True
    """Whether the next CSR is for the same key; false makes a new key pair per CSR."""
    path: Annotated[RenewalPath, Choice(RenewalPath)] = RenewalPath.HUB
    """Whom a device asks for its next certificate."""
    on_pending: Annotated[OnPending, Choice(OnPending)] = OnPending.WAIT
    """What a device does while an earlier request of its own is still open."""
    verify: Annotated[Verify, Choice(Verify)] = Verify.RECONNECT
    """How far a new certificate is checked; reconnect checks the chain and then presents it."""


class Connection(Section):
    """How devices hold their connection; hold_s is infinite when it is held for the whole run."""

    transport: Annotated[Transport, Choice(Transport)] = Transport.MQTT
    """MQTT on port 8883, or inside WebSockets on 443."""
    keep_alive_s: Annotated[float, Duration(10, 1177)] = 60.0
    """The longest silence before a ping."""
    clean_session: Annotated[bool, Flag()] = True
    """Whether the hub forgets the device's session when it disconnects."""
    hold_s: Annotated[float, Duration(0, 86_400, or_run=True)] = 5.0
    """How long an iteration stays connected before it goes on."""


class Telemetry(Section):
    """What one iteration publishes: messages of size_bytes, interval_s apart."""

    size_bytes: Annotated[int, Whole(1, 262_144)] = 256
    """The bytes of one message."""
    messages: Annotated[int, Whole(1, 1_000)] = 3
    """How many messages one iteration publishes."""
    interval_s: Annotated[float, Duration(0, 3_600)] = 1.0
    """The time between two messages of an iteration."""
