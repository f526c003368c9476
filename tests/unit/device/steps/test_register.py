"""Registering by every attestation over every transport, against the emulator in memory and by hand."""

from dataclasses import replace

import pytest

from doubles.drive import (
    GROUP_KEY,
    HUB,
    ONBOARDING,
    ZERO_WALL,
    Puppet,
    World,
    assert_conserved,
    make_bundle,
    make_setup,
    outcomes,
    settled,
)
from engine.device.attestations.symmetric import GroupKey
from engine.device.attestations.x509 import GroupAuthority
from engine.device.scenarios.renewal import CERT_RENEWAL
from engine.device.setup import Attempts, DpsTransport, Timeouts
from engine.device.steps.register import POLL_AFTER_S, register
from engine.device.steps.verify import ready
from engine.emulator.dps import Pace
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options, Where
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation, Phase
from engine.protocol import dps, http, issuing, mqtt, sas, x509

ONCE = Attempts(register=1)
GROUP = {"key": GroupKey(GROUP_KEY), "x509": GroupAuthority(ONBOARDING, (ONBOARDING.der,))}
OTHER_CA = issuing.new_root(x509.KeyType.EC_P256, "onboarding", now=ZERO_WALL)
STRANGER = {"key": GroupKey(b"another key"), "x509": GroupAuthority(OTHER_CA, (OTHER_CA.der,))}
DIALLED = ["tcp", "tls", "connack", "suback"]

by_each_attestation = pytest.mark.parametrize("attestation", GROUP)
over_each_transport = pytest.mark.parametrize("transport", DpsTransport)


def setup_of(attestation="key", transport=DpsTransport.MQTT, **changes):
    """Devices that reach DPS so."""
    found = GROUP[attestation] if isinstance(attestation, str) else attestation
    return make_setup(dps=(replace(make_setup().dps[0], attestation=found, transport=transport),), **changes)


def registered(world, setup, *steps):
    """A device that has registered, and its log."""
    session = world.session(setup)
    log = world.drive(session, *(steps or (register,)), main=Operation.DPS_REGISTER)
    assert_conserved(log)
    return session, log


def the_one(log):
    """The one sample of dps.register."""
    (sample,) = settled(log, Operation.DPS_REGISTER)
    return sample


def asking(key=None, **setup):
    """A puppet that has sent its register request over HTTPS, and the request."""
    made = Puppet(register, main=Operation.DPS_REGISTER)
    made.device.setup = setup_of("key", DpsTransport.HTTPS, **({"attempts": ONCE} | setup))
    made.device.key = key
    made.start()
    (request,) = made.take()
    return made, request


def respond(made, status, body, *headers):
    """An answer comes over HTTPS; what the puppet wanted then."""
    made.hear(lambda at: http.Responded(at, http.Response(status, headers, body)))
    return made.take()


def ended(made):
    """The puppet's one dps.register, once it is idle."""
    assert not made.session.is_busy
    log = made.session.drain_log()
    assert_conserved(log)
    return the_one(log)


@by_each_attestation
@over_each_transport
def test_register_succeeds(attestation, transport):
    """DPS takes the proof, the device asks again when it is told to, and the hub takes what was issued."""
    world = World()
    session, log = registered(world, setup_of(attestation, transport), register, ready)
    assert outcomes(log) == {name: ["ok"] for name in outcomes(log)}
    assert session.device.bundle == world.saved[-1]
    counted = world.service.report()
    assert (counted["dps.register"]["200"], counted["dps.poll"]["200"]) == (1, 1)
    assert (session.device.onboarding_key is not None) is (attestation == "x509")
    assert session.device.connected


@by_each_attestation
@over_each_transport
def test_register_has_the_parts_that_its_wire_tells(attestation, transport):
    """Those of the dial over MQTT only; over HTTPS accepted begins with dps.register. They add up to the whole."""
    _, log = registered(World(), setup_of(attestation, transport))
    sample = the_one(log)
    dialled = [] if transport is DpsTransport.HTTPS else DIALLED
    assert [name for name, _ in sample.parts] == [*dialled, "accepted", "assigned"]
    assert sum(took_s for _, took_s in sample.parts) == pytest.approx(sample.ended - sample.began)
    assert dict(sample.parts)["assigned"] > 1.0


@by_each_attestation
@over_each_transport
def test_renewal_by_dps_works_over_every_transport(attestation, transport):
    """The second certificate is issued, verified and saved; the onboarding key is the first one's."""
    world = World()
    session, _ = registered(world, setup_of(attestation, transport, renewal_path="dps"))
    key = session.device.onboarding_key
    log = world.drive(session, *CERT_RENEWAL.steps)
    assert_conserved(log)
    assert outcomes(log) == {name: ["ok"] * len(found) for name, found in outcomes(log).items()}
    assert outcomes(log)["cert.issued"] == outcomes(log)["cert.verified"] == ["ok"]
    assert session.device.bundle.generation == 2
    assert session.device.onboarding_key is key


@over_each_transport
@pytest.mark.parametrize(
    ("attestation", "options", "expected"),
    [
        ("key", Options(), {"mqtt": "connack 5", "https": "401002"}),
        ("key", Options(dps_refusal=Where.REGISTER), {"mqtt": "401002", "https": "401002"}),
        ("x509", Options(foreign=Where.CONNACK), {"mqtt": "connack 5", "https": "401002"}),
        ("x509", Options(foreign=Where.CONNACK, dps_refusal=Where.REGISTER), {"mqtt": "401002", "https": "401002"}),
    ],
)
def test_register_with_a_strange_secret_is_unauthorized_at_once(attestation, options, expected, transport):
    """A refused proof is not tried again, wherever the service says so; the code is the service's."""
    _, log = registered(World(options), setup_of(STRANGER[attestation], transport))
    sample = the_one(log)
    code = expected["https" if transport is DpsTransport.HTTPS else "mqtt"]
    assert (sample.outcome, sample.code) == (Outcome.UNAUTHORIZED, code)
    assert log.retries == []


@over_each_transport
def test_register_with_a_ca_that_the_handshake_refuses_is_tls(transport):
    """A service that knows no such CA ends the session by an alert."""
    _, log = registered(World(), setup_of(STRANGER["x509"], transport, attempts=ONCE))
    assert (the_one(log).outcome, the_one(log).code) == (Outcome.TLS, "alert 48")


@by_each_attestation
@over_each_transport
def test_register_rests_as_long_as_a_429_says(attestation, transport):
    """The delay comes with the answer, by topic or by header; the next attempt begins when it is over."""
    world = World(Options(faults=Faults({Fault.DPS_THROTTLED: 1.0}, retry_after_s=77)))
    world.wire.after(70.0, lambda: setattr(world.service, "faults", Faults()))
    _, log = registered(world, setup_of(attestation, transport))
    first, second = settled(log, Operation.DPS_REGISTER)
    assert (first.outcome, first.code, second.outcome) == (Outcome.THROTTLED, "429001", Outcome.OK)
    assert second.began - first.ended == pytest.approx(77.0, abs=0.1)
    assert [series.operation for series, _ in log.retries] == [Operation.DPS_REGISTER]


@by_each_attestation
@over_each_transport
def test_register_that_never_ends_is_given_up_at_its_deadline(attestation, transport):
    """The time is that of the whole attempt, polls included; then nothing is open any more."""
    world = World(Options(pace=Pace(assign_s=1000.0, poll_after_s=2)))
    session, log = registered(world, setup_of(attestation, transport, attempts=ONCE, timeouts=Timeouts(register=7.0)))
    sample = the_one(log)
    assert sample.outcome is Outcome.TIMEOUT
    assert sample.ended - sample.began == pytest.approx(7.0)
    assert world.service.report()["dps.poll"]["202"] == 3
    assert not session.device.linked


@over_each_transport
def test_register_that_is_never_answered_is_given_up_at_its_deadline(transport):
    """Nothing of the request is left that an answer could come to."""
    world = World()
    world.wire.mutes = lambda *_: True
    world.wire.swallows = lambda *_: True
    session, log = registered(world, setup_of("key", transport, attempts=ONCE, timeouts=Timeouts(register=7.0)))
    assert the_one(log).outcome is Outcome.TIMEOUT
    world.wire.mutes = lambda *_: False
    world.wire.swallows = lambda *_: False
    assert outcomes(world.drive(session, register))["dps.register"] == ["ok"]


@by_each_attestation
@over_each_transport
def test_register_to_a_hub_outside_the_allow_list_is_blocked(attestation, transport):
    """Whatever DPS assigned, nothing is kept, and nobody dials it."""
    setup = setup_of(attestation, transport, allows=lambda host: host != HUB)
    session, log = registered(World(), setup)
    assert (the_one(log).outcome, the_one(log).code) == (Outcome.BLOCKED, HUB)
    assert session.device.bundle is None


@over_each_transport
def test_register_where_dps_does_not_answer_is_network(transport):
    """Told with the code of the look-up."""
    world = World()
    world.wire.hosts.discard(setup_of().dps[0].host)
    _, log = registered(world, setup_of("key", transport, attempts=ONCE))
    assert (the_one(log).outcome, the_one(log).code) == (Outcome.NETWORK, "EAI_NONAME")


@over_each_transport
def test_register_leaves_the_hub_first(transport):
    """A device that is connected talks to one service at a time."""
    world = World()
    setup = setup_of("key", transport)
    session = world.session(setup, bundle=world.stored("d-0"))
    world.drive(session, ready, phase=Phase.PREPARE)
    log = world.drive(session, register, main=Operation.DPS_REGISTER)
    (left,), sample = settled(log, Operation.HUB_DISCONNECT), the_one(log)
    assert left.ended <= sample.began
    assert sample.outcome is Outcome.OK


# By hand, what the emulator does not do.


@over_each_transport
def test_register_dials_by_its_transport(transport):
    """A WebSocket is asked for where the profile says so, at the port of the transport."""
    made = Puppet(register, main=Operation.DPS_REGISTER)
    made.device.setup = setup_of("x509", transport)
    made.start()
    (order,) = made.take()
    assert isinstance(order, http.Request if transport is DpsTransport.HTTPS else mqtt.Connect)
    assert (order.host, order.port) == ("dps.example", 8883)
    assert order.identity.chain[1:] == (ONBOARDING.der,)
    if isinstance(order, mqtt.Connect):
        assert (order.websocket, order.password) == (transport is DpsTransport.MQTT_WS, None)


def test_register_over_https_carries_its_token_in_every_request():
    """The polls too, and in no text of theirs."""
    made, request = asking()
    asked = respond(made, 202, dps.assigning_payload("op"), ("retry-after", "3"))
    assert asked == []
    assert made.session.wake_at == pytest.approx(made.now + 3)
    made.expire()
    (poll,) = made.take()
    token = request.header("authorization")
    resource, keys = dps.sas_resource("0ne00000001", "d-0"), [sas.derive_key(GROUP_KEY, "d-0")]
    assert sas.verify(token, keys, resource=resource, now=1_700_000_000.0) is None
    assert poll.header("authorization") == token
    assert token not in repr(poll)
    assert (poll.method, poll.target.partition("?")[0]) == ("GET", "/0ne00000001/registrations/d-0/operations/op")


def test_register_over_https_asks_again_after_a_while_where_it_is_not_told_when():
    """As long as over MQTT."""
    made, _ = asking()
    respond(made, 202, dps.assigning_payload("op"))
    assert made.session.wake_at == pytest.approx(made.now + POLL_AFTER_S)


def test_register_over_https_gives_its_request_up_at_the_deadline():
    """The request is abandoned; there is no connection of ours to close."""
    made, _ = asking(timeouts=Timeouts(register=30.0))
    made.expire()
    assert made.take() == [http.Abandon()]
    sample = ended(made)
    assert (sample.outcome, sample.ended) == (Outcome.TIMEOUT, 30.0)


def test_register_over_https_that_stays_unanswered_has_the_wires_failure():
    """With its outcome and code."""
    made, _ = asking()
    made.hear(lambda at: http.Unanswered(at, Failure(Outcome.TLS, "alert 42", "refused")))
    sample = ended(made)
    assert (sample.outcome, sample.code) == (Outcome.TLS, "alert 42")


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (200, b"<html>", Outcome.PROTOCOL, ""),
        (202, b'{"status":"assigning"}', Outcome.PROTOCOL, ""),
        (503, b"<html>", Outcome.SERVER, "503"),
        (404, b'{"errorCode":404001}', Outcome.NOT_FOUND, "404001"),
        (301, b"", Outcome.PROTOCOL, "301"),
    ],
)
def test_register_over_https_names_what_the_service_should_not_say(status, body, outcome, code):
    """A success that is none is protocol; an error is told by its status, also where a gateway wrote its body."""
    made, _ = asking()
    respond(made, status, body)
    sample = ended(made)
    assert (sample.outcome, sample.code) == (outcome, code)


def test_register_over_https_may_be_assigned_at_once():
    """Then `assigned` took no time, as no poll was needed."""
    bundle = make_bundle("d-0")
    made, _ = asking(key=x509.key_from_der(bundle.key))
    assignment = dps.Assignment(HUB, "d-0", bundle.chain)
    respond(made, 200, dps.assigned_payload("op", "d-0", assignment=assignment, created="2025-01-01T00:00:00Z"))
    made.save()
    sample = ended(made)
    assert sample.outcome is Outcome.OK
    assert dict(sample.parts) == {"accepted": pytest.approx(0.1), "assigned": 0.0}
    assert made.device.bundle == bundle


def test_renewal_at_the_hub_goes_on_after_a_registration_over_https():
    """The channel that DPS was asked on by HTTP carries the hub's connection next."""
    world = World()
    session, log = registered(world, setup_of("x509", DpsTransport.HTTPS), register, *CERT_RENEWAL.steps)
    assert outcomes(log) == {name: ["ok"] * len(found) for name, found in outcomes(log).items()}
    assert session.device.bundle.generation == 2
