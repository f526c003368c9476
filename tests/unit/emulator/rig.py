"""A service in memory, and devices that are packets written by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from engine.emulator.authority import Authority
from engine.emulator.broker import Action, Close, Send
from engine.emulator.faults import Faults
from engine.emulator.packet import Connack, Connect, Packet, Publish, Subscribe
from engine.emulator.registry import Registry
from engine.emulator.service import Options, Service
from engine.protocol import credentials, dps, http, hub, issuing, sas, x509
from engine.protocol.x509 import KeyType

NOW = 1767225600.0
HUB = "hub.example"
SCOPE = "0ne00000001"
GROUP_KEY = bytes(range(32))


@dataclass
class Rig:
    """A service, a clock that stands still, and the connections opened so far."""

    service: Service
    authority: Authority
    now: float = NOW
    conns: int = 0
    key: x509.PrivateKey = field(default_factory=lambda: x509.generate_key(KeyType.EC_P256))

    def open(self, chain: Sequence[bytes] = ()) -> int:
        """A new connection, which TLS does not refuse."""
        self.conns += 1
        assert self.service.open(self.conns, chain, self.now)
        return self.conns

    def send(self, conn: int, *packets: Packet) -> list[Action]:
        return [action for packet in packets for action in self.service.receive(conn, packet, self.now)]

    def tick(self, after_s: float = 0.0) -> list[Action]:
        self.now += after_s
        return self.service.tick(self.now)

    def hub_connect(self, device_id: str, **changes: object) -> Connect:
        """A CONNECT to the hub by token."""
        token = sas.token(f"{HUB}/devices/{device_id}", sas.derive_key(GROUP_KEY, device_id), int(self.now) + 3600)
        connect = Connect(device_id, hub.username(HUB, device_id), token.encode())
        return replace(connect, **changes)  # type: ignore[arg-type]

    def dps_connect(self, device_id: str, **changes: object) -> Connect:
        """A CONNECT to DPS by token."""
        resource = dps.sas_resource(SCOPE, device_id)
        token = sas.token(resource, sas.derive_key(GROUP_KEY, device_id), int(self.now) + 3600)
        connect = Connect(device_id, dps.username(SCOPE, device_id), token.encode())
        return replace(connect, **changes)  # type: ignore[arg-type]

    def hub_device(self, device_id: str = "d-1", *, clean: bool = True, subscribe: bool = True) -> int:
        """A device that is connected to the hub, and by default hears of its certificates."""
        conn = self.open()
        assert code(self.send(conn, self.hub_connect(device_id, clean_session=clean))) == 0
        if subscribe:
            self.send(conn, Subscribe(1, ((credentials.RESPONSES, 1),)))
        return conn

    def dps_device(self, device_id: str = "d-1") -> int:
        """A device that is connected to DPS and subscribed."""
        conn = self.open()
        assert code(self.send(conn, self.dps_connect(device_id), Subscribe(1, ((dps.RESPONSES, 1),)))) == 0
        return conn

    def csr(self, device_id: str = "d-1") -> bytes:
        return x509.build_csr(self.key, device_id)

    def chain(
        self, device_id: str = "d-1", *, begins: float = NOW - 300, ends: float = NOW + 86400
    ) -> tuple[bytes, ...]:
        """A certificate of the service's own authority for any time."""
        csr, mark = issuing.read_csr(self.csr(device_id)), self.service.registry.mark_of(device_id)
        return (issuing.issue_leaf(ISSUER, csr, mark=mark, begins=begins, ends=ends), ISSUER.der, ROOT.der)

    def onboarding_chain(
        self, device_id: str = "d-1", *, begins: float = NOW - 300, ends: float = NOW + 86400
    ) -> tuple[bytes, ...]:
        """A certificate of the onboarding CA, which has no mark."""
        csr = issuing.read_csr(self.csr(device_id))
        return (issuing.issue_leaf(ONBOARDING, csr, mark=b"", begins=begins, ends=ends), ONBOARDING.der)

    def call(self, request: http.Request, chain: Sequence[bytes] = ()) -> http.Response:
        """The answer to an HTTP request."""
        return self.service.call(chain, request, self.now)

    def request(self, conn: int, rid: str, payload: bytes | None = None, *, device_id: str = "d-1") -> list[Action]:
        """What follows from a certificate request at QoS 1."""
        body = credentials.request_payload(device_id, self.csr(device_id)) if payload is None else payload
        return self.send(conn, Publish(credentials.request_topic(rid), body, 1, 7))

    def set_faults(self, faults: Faults) -> None:
        self.service.faults = faults


ROOT = issuing.new_root(KeyType.EC_P384, "root", now=NOW)
ISSUER = issuing.new_issuer(ROOT, "issuer", now=NOW)
ONBOARDING = issuing.new_root(KeyType.EC_P256, "onboarding", now=NOW)


def code(actions: list[Action]) -> int:
    """The code of the CONNACK that comes first."""
    first = next(action.packet for action in actions if isinstance(action, Send) and isinstance(action.packet, Connack))
    return first.return_code


def messages(actions: list[Action], conn: int | None = None) -> list[Publish]:
    """The messages that are sent, to one connection or to all."""
    return [
        action.packet
        for action in actions
        if isinstance(action, Send) and isinstance(action.packet, Publish) and conn in (None, action.conn)
    ]


def closed(actions: list[Action]) -> dict[int, str]:
    """The connections that are closed, and why."""
    return {action.conn: action.reason for action in actions if isinstance(action, Close)}


def make_rig(options: Options, hubs: Sequence[str] = (HUB,)) -> Rig:
    """A service with options, its registry and its authority."""
    authority = Authority(ROOT, ISSUER, onboarding=ONBOARDING)
    return Rig(Service(Registry(SCOPE, GROUP_KEY, hubs=hubs), authority, options), authority)
