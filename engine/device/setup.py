"""What all devices of a batch have in common: where they go, how they behave, how long they wait."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.device.backoff import Backoff
from engine.device.budget import Budget
from engine.device.proof import Attestation
from engine.measure.operation import Operation
from engine.protocol import x509
from engine.protocol.adr import Namespace


class DpsTransport(StrEnum):
    """What carries the conversation with a provisioning service."""

    MQTT = "mqtt"
    MQTT_WS = "mqtt-ws"
    HTTPS = "https"


@dataclass(frozen=True, slots=True)
class Dps:
    """A provisioning service, and how devices reach it and prove themselves; port is that of the transport.

    service is where its owner reaches it, a URL without a path, "" where nobody may.
    """

    host: str
    port: int
    id_scope: str
    attestation: Attestation
    transport: DpsTransport = DpsTransport.MQTT
    service: str = ""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds a device waits for an answer: `certificate` from publish to 200, `connect` from dial to SUBACK."""

    register: float = 300.0
    connect: float = 120.0
    certificate: float = 300.0
    publish: float = 10.0
    http: float = 30.0


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a step is tried, the first try included."""

    register: int = 5
    connect: int = 3
    renew: int = 1


@dataclass(frozen=True, slots=True)
class Messages:
    """The telemetry of one iteration."""

    count: int = 3
    size_bytes: int = 256
    interval_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Setup:
    """Shared by every device of a batch; wall_at_zero is the unix time at which the run's clock shows 0.

    renewal_path says whom a device asks for its next certificate: hub or dps. on_pending says what becomes of a request
    that is overdue when the device is to make the next one: wait, ask, replace or replace-any. rests_as_told: after a
    failure a device rests for as long as the service asked, and not for its back-off. websocket: hubs are reached by
    MQTT inside a WebSocket. namespace and token are the device registry's and who may use it, service_token is for the
    service API of the provisioning services; both are called for every request, and never block. budgets hold preparing
    and retries to the batch's share of the target's quotas, by the operation they limit. get_share is how often
    `adr-get-patch` gets rather than patches; cases are those of `conformance`, one per device by ordinal.
    """

    dps: tuple[Dps, ...]
    hub_port: int
    allows: Callable[[str], bool]
    wall_at_zero: float
    seed: int
    request_tag: str
    key_type: x509.KeyType = x509.KeyType.EC_P256
    reuse_key: bool = True
    renewal_path: str = "hub"
    on_pending: str = "wait"
    rests_as_told: bool = False
    verify: str = "reconnect"
    on_invalid: str = "reprovision"
    may_provision: bool = True
    websocket: bool = False
    keep_alive_s: int = 60
    clean_session: bool = True
    hold_s: float = 5.0
    timeouts: Timeouts = Timeouts()
    attempts: Attempts = Attempts()
    backoff: Backoff = Backoff()
    budgets: Mapping[Operation, Budget] = field(default_factory=dict)
    messages: Messages = Messages()
    probe_url: str = ""
    namespace: Namespace | None = None
    token: Callable[[], str] = field(default=lambda: "", repr=False)
    service_token: Callable[[], str] = field(default=lambda: "", repr=False)
    get_share: float = 0.7
    cases: tuple[str, ...] = ()
