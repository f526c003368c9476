"""The emulator without sockets: packets of connections and times in, packets for connections out.

Theory of operation. A connection is opened with the certificates its TLS handshake brought, says CONNECT, and is a
device of DPS or of a hub from then on, told apart by the form of its user name. One that speaks HTTP instead leaves,
has its requests answered by `call`, and may join again as a WebSocket. What concerns MQTT returns what to do, in order;
`tick` does what became due, and `next_due` says when to call it. Times are Unix seconds that never go back:
certificates and tokens are judged by them.

Where a refusal shows is not known for every cause, so each has a switch. By default a foreign certificate is a TLS
alert, and an expired or revoked one, a wrong name, key or hub is CONNACK 5, as a classic hub is thought to answer.
Source: article "Communicate with an IoT hub using the MQTT protocol"; azure-iot-sdk-python, common/mqtt_transport.py
(codes 3, 4 and 5 as they occur).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engine.emulator import adr
from engine.emulator.adr import DeviceRegistry
from engine.emulator.authority import Authority, Presented, Purpose, Standing
from engine.emulator.broker import Action, Broker, Client, Close, Host, Rules
from engine.emulator.credentials import Contract, Issuance
from engine.emulator.dps import Pace, Provisioning
from engine.emulator.dps_http import Registrations
from engine.emulator.faults import Dice, Faults
from engine.emulator.hub import Twins
from engine.emulator.names import Names
from engine.emulator.packet import Connect, Packet, Publish
from engine.emulator.registry import Registry
from engine.emulator.site import Site
from engine.emulator.stats import Stats
from engine.emulator.throttle import Quotas, bucket_of
from engine.protocol import credentials, dps, http, hub, sas

CLIENT_ID_REJECTED, UNAVAILABLE, NOT_AUTHORIZED = 2, 3, 5


class Where(StrEnum):
    """Where a device learns that it is refused; REGISTER is DPS's 401 to the register request, only for DPS."""

    ALERT = "alert"
    CONNACK = "connack"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that can be chosen about the services, apart from who they are."""

    seed: int = 1
    faults: Faults = field(default_factory=Faults)
    quotas: Quotas = field(default_factory=Quotas)
    rules: Rules = field(default_factory=Rules)
    contract: Contract = field(default_factory=Contract)
    pace: Pace = field(default_factory=Pace)
    adr_pace: adr.Pace = field(default_factory=adr.Pace)
    foreign: Where = Where.ALERT
    expired: Where = Where.CONNACK
    dps_refusal: Where = Where.CONNACK


class Service:
    """DPS, hubs and their certificate authority."""

    def __init__(self, registry: Registry, authority: Authority, options: Options) -> None:
        self.registry, self.stats, self.faults = registry, Stats(), options.faults
        self._authority, self._options = authority, options
        self._chains: dict[int, Sequence[bytes]] = {}
        names, dice = Names(options.seed), Dice(options.seed)
        self._broker = Broker(self, options.rules, self.stats)
        self._twins = Twins(self.stats)
        self._provisioning = Provisioning(
            registry, authority, names=names, dice=dice, stats=self.stats, pace=options.pace
        )
        self._issuance = Issuance(
            self._broker,
            authority,
            registry=registry,
            names=names,
            dice=dice,
            stats=self.stats,
            contract=options.contract,
        )
        quotas = options.quotas
        self._connects = bucket_of(quotas.hub_connects_per_s)
        self._provisioning.bucket = bucket_of(quotas.dps_registers_per_s)
        self._issuance.bucket = bucket_of(quotas.certificates_per_s)
        devices = DeviceRegistry(registry.adr_token, names=names, dice=dice, stats=self.stats, pace=options.adr_pace)
        devices.bucket = bucket_of(quotas.adr_requests_per_s)
        self._site = Site(Registrations(registry.id_scope, self._provisioning), devices, self.stats)

    def open(self, conn: int, peer_chain: Sequence[bytes], now: float) -> bool:
        """Begin a connection whose handshake brought these certificates (DER, leaf first, () for none).

        False when TLS refuses them: the peer sees an alert and the connection is not open. conn is never used again.
        """
        if peer_chain and self.refuses(self._authority.examine(peer_chain, now).standing):
            return False
        self.stats.add("opens")
        self._chains[conn] = peer_chain
        self._broker.open(conn, now)
        return True

    def refuses(self, standing: Standing) -> bool:
        """Whether a certificate that stands so is refused in the TLS handshake."""
        match standing:
            case Standing.GOOD:
                return False
            case Standing.FOREIGN:
                return self._options.foreign is Where.ALERT
            case Standing.EXPIRED | Standing.NOT_YET_VALID:
                return self._options.expired is Where.ALERT

    def receive(self, conn: int, packet: Packet, now: float) -> list[Action]:
        """What follows from a packet of an open connection, other connections included."""
        return self._broker.receive(conn, packet, now)

    def call(self, chain: Sequence[bytes], request: http.Request, now: float) -> http.Response:
        """The answer to an HTTP request; chain is what the handshake brought, as in `open`."""
        presented = self._authority.examine(chain, now) if chain else None

        def proof(registration_id: str, password: str) -> bool:
            return self._is_enrolled(registration_id, password, presented=presented, now=now)

        return self._site.answer(request, proof, faults=self.faults, now=now)

    def tick(self, now: float) -> list[Action]:
        """What became due by now."""
        actions = self._issuance.tick(now) + self._broker.tick(now)
        for action in actions:
            if isinstance(action, Close):
                self._chains.pop(action.conn, None)
        return actions

    def next_due(self) -> float | None:
        """When `tick` may have something to do, None while nothing is planned."""
        dues = [due for due in (self._issuance.next_due, self._broker.next_due) if due is not None]
        return min(dues, default=None)

    def closed(self, conn: int) -> None:
        """Note that the peer has gone. Not needed, and harmless, after a Close."""
        self._chains.pop(conn, None)
        self._broker.closed(conn)

    def leave(self, conn: int) -> Sequence[bytes]:
        """Take a connection that speaks HTTP out of MQTT; the certificates it brought are what `call` wants."""
        self._broker.release(conn)
        return self._chains.pop(conn, ())

    def join(self, conn: int, peer_chain: Sequence[bytes], now: float) -> None:
        """Take a connection that left, and speaks MQTT in a WebSocket now, back in."""
        self.stats.add("websockets")
        self._chains[conn] = peer_chain
        self._broker.open(conn, now)

    def undelivered(self, count: int) -> None:
        """Note that this many messages given to a connection could not be written to it."""
        self.stats.add("undelivered", count)

    def report(self) -> dict[str, object]:
        """Every counter, and how many certificate requests wait for their end now."""
        return {**self.stats.to_json(), "pending": self._issuance.pending}

    def issued(self) -> dict[str, dict[str, object]]:
        """By device id: how many certificates it was issued, and the SHA-256 of the last one's DER, in hex."""
        return {name: {"count": one.count, "last": one.last} for name, one in self._authority.issued.items()}

    # The broker's backend.

    def admit(self, conn: int, connect: Connect, now: float) -> Client | int:
        """The client that logs in, or the CONNACK code that refuses it."""
        chain = self._chains.pop(conn, ())
        presented = self._authority.examine(chain, now) if chain else None
        if (at_dps := dps.parse_username(connect.username)) is not None:
            return self._admit_to_dps(at_dps, connect, presented=presented, now=now)
        if (at_hub := hub.parse_username(connect.username)) is not None:
            return self._admit_to_hub(at_hub, connect, presented=presented, now=now)
        return NOT_AUTHORIZED

    def _admit_to_dps(
        self, login: dps.Login, connect: Connect, *, presented: Presented | None, now: float
    ) -> Client | int:
        if connect.client_id != login.registration_id:
            return CLIENT_ID_REJECTED
        if login.id_scope != self.registry.id_scope:
            return NOT_AUTHORIZED
        client = Client(Host.DPS, "", login.registration_id)
        if self._is_enrolled(client.id, _password(connect), presented=presented, now=now):
            self._provisioning.trust(client.id)
            return client
        if self._options.dps_refusal is Where.REGISTER:
            self._provisioning.distrust(client.id)
            return client
        return NOT_AUTHORIZED

    def _admit_to_hub(
        self, login: hub.Login, connect: Connect, *, presented: Presented | None, now: float
    ) -> Client | int:
        if connect.client_id != login.client_id:
            return CLIENT_ID_REJECTED
        if self._connects is not None and not self._connects.take(now):
            return UNAVAILABLE
        is_member = self._is_member(login, _password(connect), presented=presented, now=now)
        if not is_member or login.hub != self.registry.hub_of(login.device_id):
            return NOT_AUTHORIZED
        self.stats.add_to("hub.connects", login.hub)
        return Client(Host.HUB, login.hub, login.client_id)

    def _is_enrolled(self, device_id: str, password: str, *, presented: Presented | None, now: float) -> bool:
        """Whether DPS takes the device for what it says: by a certificate of the onboarding CA, else by a token."""
        if presented is not None:
            return presented.named(Purpose.ONBOARDING, device_id) is not None
        resource = dps.sas_resource(self.registry.id_scope, device_id)
        return self._has_signed(device_id, password, resource=resource, now=now)

    def _is_member(self, login: hub.Login, password: str, *, presented: Presented | None, now: float) -> bool:
        """Whether a hub takes the device for what it says: by a certificate of ours with its mark, else by a token."""
        if presented is not None:
            leaf = presented.named(Purpose.OPERATION, login.device_id)
            return leaf is not None and leaf.mark == self.registry.mark_of(login.device_id)
        resource = hub.sas_resource(login.hub, login.client_id)
        return self._has_signed(login.device_id, password, resource=resource, now=now)

    def _has_signed(self, device_id: str, password: str, *, resource: str, now: float) -> bool:
        return sas.verify(password, [self.registry.device_key(device_id)], resource=resource, now=now) is None

    def filters(self, client: Client) -> frozenset[str]:
        """The topic filters the client may subscribe to."""
        return frozenset({dps.RESPONSES}) if client.host is Host.DPS else hub.filters(client.id)

    def received(self, client: Client, publish: Publish, now: float) -> list[Action]:
        """What follows from a message. Raises RemoteProtocolError when it closes the connection."""
        topic, payload = publish.topic, publish.payload
        if client.host is Host.DPS:
            answer = self._provisioning.answer(client.id, topic, payload=payload, faults=self.faults, now=now)
            return self._broker.push(client, [answer])
        rid = credentials.parse_request_topic(topic)
        if rid is not None:
            return self._issuance.request(client, rid, payload=payload, faults=self.faults, now=now)
        return self._broker.push(client, self._twins.answer(client, topic, payload))

    def ready(self, client: Client) -> list[Action]:
        """What was held back until the client could receive."""
        return self._issuance.ready(client)


def _password(connect: Connect) -> str:
    return (connect.password or b"").decode("utf-8", "replace")
