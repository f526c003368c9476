"""Sessions driven without a batch: over a Loopback by `World.drive`, or event by event by `Puppet`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from doubles.clock import VirtualClock
from doubles.loopback import DPS_HOST, WEB_HOST, Loopback
from engine.device.attestations import symmetric
from engine.device.bundle import Bundle
from engine.device.identity import Device
from engine.device.log import Log
from engine.device.scenarios.scenario import Step
from engine.device.script import Order, Save, Saved
from engine.device.session import Session
from engine.device.setup import Dps, Setup
from engine.device.start import Start
from engine.emulator.authority import Authority
from engine.emulator.registry import Registry
from engine.emulator.service import Options, Service
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample
from engine.protocol import adr, http, issuing, mqtt, x509

ZERO_WALL = 1_700_000_000.0
HUB = "hub-1.example"
SCOPE = "0ne00000001"
GROUP_KEY = bytes(range(32))
SAVE_S = 0.01
NAMESPACE = adr.Namespace("sub-1", "group-1", "namespace-1", "westeurope", f"https://{WEB_HOST}")

ROOT = issuing.new_root(x509.KeyType.EC_P384, "root", now=ZERO_WALL)
ISSUER = issuing.new_issuer(ROOT, "issuer", now=ZERO_WALL)
ONBOARDING = issuing.new_root(x509.KeyType.EC_P256, "onboarding", now=ZERO_WALL)


def make_setup(**changes: object) -> Setup:
    """What devices have in common, as the emulator in memory wants it."""
    dps = Dps(DPS_HOST, 8883, SCOPE, symmetric.GroupKey(GROUP_KEY))
    setup = Setup(
        (dps,),
        8883,
        lambda host: True,
        ZERO_WALL,
        seed=1,
        request_tag="aaaa",
        probe_url=f"https://{WEB_HOST}/",
        namespace=NAMESPACE,
        token=lambda: adr.local_token(GROUP_KEY),
    )
    return replace(setup, **changes)  # type: ignore[arg-type]


def make_bundle(device_id: str, *, hub: str = HUB, issuer: issuing.Issuer = ISSUER, mark: bytes = b"") -> Bundle:
    """A bundle with a certificate that holds for a day; only one with the registry's mark is let in."""
    key = x509.generate_key(x509.KeyType.EC_P256)
    csr = issuing.read_csr(x509.build_csr(key, device_id))
    leaf = issuing.issue_leaf(issuer, csr, mark=mark, begins=ZERO_WALL - 300, ends=ZERO_WALL + 86400)
    return Bundle(device_id, hub, x509.key_to_der(key), (leaf, issuer.der, ROOT.der))


class World:
    """A service, a wire that ends in it, and the time of both, at 0 when the load begins."""

    def __init__(
        self, options: Options | None = None, *, hubs: Sequence[str] = (HUB,), validity_s: float = 86400.0
    ) -> None:
        self.clock = VirtualClock(0.0, ZERO_WALL)
        registry = Registry(SCOPE, GROUP_KEY, hubs=hubs)
        self.service = Service(
            registry, Authority(ROOT, ISSUER, onboarding=ONBOARDING, validity_s=validity_s), options or Options()
        )
        self.wire = Loopback(self.service, self.clock)
        self.save_failure: Failure | None = None
        self.saved: list[Bundle] = []

    def stored(self, device_id: str) -> Bundle:
        """A bundle as an earlier run may have left it: the hub lets it in."""
        registry = self.service.registry
        return make_bundle(device_id, hub=registry.hub_of(device_id), mark=registry.mark_of(device_id))

    def session(self, setup: Setup | None = None, *, bundle: Bundle | None = None, index: int = 0) -> Session:
        """A device that is idle."""
        device = Device(setup or make_setup(), f"d-{index}", index=index, ordinal=index, bundle=bundle)
        return Session(device, self.clock.now)

    def drive(
        self,
        session: Session,
        *steps: Step,
        main: Operation = Operation.CERT_ISSUED,
        phase: Phase = Phase.STEADY,
        until: float = math.inf,
    ) -> Log:
        """Everything that one script of the session on channel 0 measured; it is stopped at until."""
        answers: list[Saved] = []
        orders = session.begin(
            Start(steps, self.clock.now(), phase, main, phase is not Phase.PREPARE), self.clock.now()
        )
        while True:
            self._carry_out(orders, answers)
            orders = []
            if not session.is_busy:
                return session.drain_log()
            if self.clock.now() >= until:
                session.stop(self.clock.now())
                return session.drain_log()
            for _, event in self.wire.wait(min(until, math.inf if session.wake_at is None else session.wake_at)):
                orders += session.feed(event)
            while answers:
                orders += session.feed(answers.pop(0))
            if session.wake_at is not None and session.wake_at <= self.clock.now():
                orders += session.expire(self.clock.now())

    def _carry_out(self, orders: Sequence[Order], answers: list[Saved]) -> None:
        for order in orders:
            if isinstance(order, Save):
                self.saved.append(order.bundle)
                self.wire.after(SAVE_S, lambda: self._answer(answers))
            else:
                self.wire.send(0, order)

    def _answer(self, answers: list[Saved]) -> None:
        answers.append(Saved(self.clock.now(), self.save_failure))
        self.wire.wake()


class Puppet:
    """One session by hand: `hear` tells it what happened, orders holds what it wanted since the last look."""

    def __init__(
        self, *steps: Step, bundle: Bundle | None = None, main: Operation = Operation.CERT_ISSUED, **setup: object
    ):
        self.now = 0.0
        self.device = Device(make_setup(**setup), "d-0", index=0, ordinal=0, bundle=bundle)
        self.session = Session(self.device, lambda: self.now)
        self.orders: list[Order] = []
        self.steps, self.main = steps, main

    def start(self, *, due: float | None = None, phase: Phase = Phase.STEADY, iteration: bool = True) -> None:
        """Begin the steps now."""
        begun = Start(self.steps, self.now if due is None else due, phase, self.main, iteration)
        self.orders += self.session.begin(begun, self.now)

    def hear(self, make: Callable[[float], mqtt.Event | http.Event | Saved], *, after_s: float = 0.1) -> None:
        """Something happens after a while; make is called with the time."""
        self.now += after_s
        self.orders += self.session.feed(make(self.now))

    def expire(self) -> None:
        """The time that the session waits for comes."""
        assert self.session.wake_at is not None
        self.now = max(self.now, self.session.wake_at)
        self.orders += self.session.expire(self.now)

    def take(self) -> list[Order]:
        """What it wanted since the last look."""
        orders, self.orders = self.orders, []
        return orders

    def connect(self) -> None:
        """The dial succeeds, and so does the subscription."""
        self.hear(lambda at: mqtt.Connected(at, 0.01, 0.02, 0.07))
        wanted = [order for order in self.orders if isinstance(order, mqtt.Subscribe)]
        self.hear(lambda at: mqtt.Subscribed(at, wanted[-1].topic, 1))

    def receive(self, topic: str, payload: bytes, *, after_s: float = 0.1) -> None:
        """A message comes."""
        self.hear(lambda at: mqtt.Received(at, topic, payload), after_s=after_s)

    def acknowledge(self, tag: int) -> None:
        """A PUBACK comes."""
        self.hear(lambda at: mqtt.Published(at, tag))

    def lose(self, outcome: Outcome = Outcome.DISCONNECTED, code: str = "EOF") -> None:
        """The connection ends unasked, or does not come to be."""
        self.hear(lambda at: mqtt.Disconnected(at, False, Failure(outcome, code)))

    def closed(self) -> None:
        """The connection ends as it was asked to."""
        self.hear(lambda at: mqtt.Disconnected(at, True))

    def save(self, failure: Failure | None = None) -> None:
        """The store answers."""
        self.hear(lambda at: Saved(at, failure))

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        """The open request is answered; `_` in a header's name is a dash."""
        held = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self.hear(lambda at: http.Responded(at, http.Response(status, held, body)))

    def requests(self) -> list[http.Request]:
        """The requests among the orders."""
        return [order for order in self.orders if isinstance(order, http.Request)]

    def publishes(self) -> list[mqtt.Publish]:
        """The messages among the orders."""
        return [order for order in self.orders if isinstance(order, mqtt.Publish)]


def settled(log: Log, operation: Operation) -> list[Sample]:
    """The samples of one operation, in order."""
    return [sample for sample in log.samples if sample.series.operation is operation]


def outcomes(log: Log) -> Mapping[str, list[str]]:
    """How each operation ended, by its name."""
    found: dict[str, list[str]] = {}
    for sample in log.samples:
        found.setdefault(sample.series.operation.value, []).append(sample.outcome.value)
    return found


def assert_conserved(log: Log) -> None:
    """Every start has one end, and every dropped one is told, series by series."""
    begun = sorted(series for series, _ in log.started)
    ended = sorted(sample.series for sample in log.samples if sample.outcome is not Outcome.DROPPED)
    assert begun == ended
    dropped = sorted(sample.series for sample in log.samples if sample.outcome is Outcome.DROPPED)
    assert sorted(series for series, _ in log.dropped) == dropped
