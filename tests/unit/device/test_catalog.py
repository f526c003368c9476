"""What a spec can name, from its first step to its last."""

import math

import pytest

from doubles.drive import ISSUER, World, assert_conserved, make_setup, outcomes, settled
from engine.device import setup
from engine.device.attestations.symmetric import GroupKey
from engine.device.catalog import ATTESTATIONS, SCENARIOS
from engine.errors import LocalProtocolError
from engine.measure.operation import Operation, Phase
from engine.plan import target
from engine.plan.target import Attestation
from engine.protocol import issuing

HOLDS = {"telemetry": math.inf}
CONNECTED = {"hub.connect": ["ok"]}
RENEWED = {name: ["ok"] for name in ("cert.request", "cert.accepted", "cert.issued", "cert.verified", "state.save")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("provision", {"dps.register": ["ok"], "state.save": ["ok"], "cert.verified": ["ok"], **CONNECTED}),
        ("cert-renewal", {**RENEWED, **CONNECTED}),
        (
            "cert-lifecycle",
            {
                **RENEWED,
                "dps.register": ["ok"],
                "state.save": ["ok", "ok"],
                "hub.connect": ["ok", "ok"],
                "telemetry.publish": ["ok"] * 3,
            },
        ),
        ("connect-churn", CONNECTED),
        ("connect-storm", CONNECTED),
        ("telemetry", {"telemetry.publish": ["ok"] * 3}),
        ("adr-get-patch", {"adr.get": ["ok"]}),
        ("adr-patch", {"adr.patch": ["ok"], "adr.poll": ["ok"]}),
        ("http-probe", {"http.get": ["ok"]}),
        ("conformance", {"conformance.case": ["ok"], **CONNECTED}),
    ],
)
def test_scenario_does_what_its_page_says(name, expected):
    """Every operation of one iteration, in a world without faults; the device is left as it was found."""
    scenario, world = SCENARIOS[name], World()
    session = world.session(make_setup(hold_s=HOLDS.get(name, 5.0), get_share=1.0, cases=("015",)))
    world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert_conserved(log)
    leaves = {"hub.disconnect": expected["hub.connect"]} if "hub.connect" in expected else {}
    assert outcomes(log) == {**expected, **leaves, "iteration": ["ok"]}
    assert session.device.connected is (name in ("cert-renewal", "telemetry"))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario_can_be_repeated(name):
    """A second iteration starts from what the first left."""
    scenario, world = SCENARIOS[name], World()
    session = world.session(make_setup(cases=("015",)))
    world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    for _ in range(3):
        assert outcomes(world.drive(session, *scenario.steps, main=scenario.main))["iteration"] == ["ok"]


def test_renewal_that_is_not_to_be_proved_keeps_its_connection():
    """verify chain: checked, saved, and no reconnect."""
    world = World()
    session = world.session(make_setup(verify="chain"), bundle=world.stored("d-0"))
    world.drive(session, *SCENARIOS["cert-renewal"].prepare, phase=Phase.PREPARE)
    log = world.drive(session, *SCENARIOS["cert-renewal"].steps)
    assert outcomes(log) == {**RENEWED, "iteration": ["ok"]}
    assert SCENARIOS["cert-renewal"].main is Operation.CERT_ISSUED


def test_churn_replaces_a_certificate_only_when_it_was_rejected():
    """A revoked one leads to DPS and a new connection within the iteration, once; a hub that is gone does not."""
    scenario, world = SCENARIOS["connect-churn"], World()
    session = world.session(bundle=world.stored("d-0"))
    world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    world.service.registry.revoke("d-0")
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert outcomes(log)["hub.connect"] == ["unauthorized", "ok"]
    assert outcomes(log)["dps.register"] == outcomes(log)["iteration"] == ["ok"]
    world.wire.hosts.discard(session.device.bundle.hub)
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert outcomes(log) == {"hub.connect": ["network"] * 3, "iteration": ["network"]}
    assert session.device.bundle.generation == 2
    assert_conserved(log)


@pytest.mark.parametrize("name", ["connect-churn", "connect-storm"])
def test_load_begins_unconnected(name):
    """Preparing proves the stored certificate by one connection and leaves it."""
    scenario, world = SCENARIOS[name], World()
    session = world.session(bundle=world.stored("d-0"))
    log = world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    assert outcomes(log) == {"hub.connect": ["ok"], "hub.disconnect": ["ok"]}
    assert not session.device.linked


def test_storm_counts_to_the_connection_that_came_after_all():
    """The iteration's part is from its due time to the connect that succeeded, the failed one and the wait included."""
    scenario, world = SCENARIOS["connect-storm"], World()
    session = world.session(bundle=world.stored("d-0"))
    (hub,) = world.service.registry.hubs
    world.wire.hosts.discard(hub)
    world.wire.after(0.5, lambda: world.wire.hosts.add(hub))
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert outcomes(log)["hub.connect"] == ["network", "ok"]
    (iteration,) = settled(log, Operation.ITERATION)
    retried = settled(log, Operation.HUB_CONNECT)[1]
    assert iteration.parts == (("connected", retried.ended - iteration.due),)
    assert retried.ended - retried.due < 0.1 < iteration.parts[0][1]


def test_storm_that_never_connects_has_no_such_part():
    """A failed iteration was never connected."""
    scenario, world = SCENARIOS["connect-storm"], World()
    session = world.session(bundle=world.stored("d-0"))
    world.wire.hosts.clear()
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert [sample.parts for sample in settled(log, Operation.ITERATION)] == [()]


def test_telemetry_connects_again_only_after_it_lost_its_connection():
    """Two iterations share the connection that preparing made; the one after a loss makes another."""
    scenario, world = SCENARIOS["telemetry"], World()
    session = world.session(make_setup(hold_s=math.inf), bundle=world.stored("d-0"))
    world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    for _ in range(2):
        assert "hub.connect" not in outcomes(world.drive(session, *scenario.steps, main=scenario.main))
    world.wire.cut(0)
    for channel, event in world.wire.wait(math.inf):
        assert (channel, session.feed(event)) == (0, ())
    assert outcomes(session.drain_log()) == {"hub.disconnect": ["disconnected"]}
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert outcomes(log) == {"hub.connect": ["ok"], "telemetry.publish": ["ok"] * 3, "iteration": ["ok"]}


def test_telemetry_with_a_hold_leaves_when_it_is_over():
    """A finite hold is kept after the last message; the next iteration connects."""
    scenario, world = SCENARIOS["telemetry"], World()
    session = world.session(make_setup(hold_s=2.0), bundle=world.stored("d-0"))
    for _ in range(2):
        log = world.drive(session, *scenario.steps, main=scenario.main)
        assert outcomes(log)["hub.connect"] == outcomes(log)["hub.disconnect"] == ["ok"]


def test_attestations_are_those_that_a_profile_can_name():
    """Each is made from its secret; one of no use is refused."""
    assert ATTESTATIONS.keys() == set(Attestation)
    assert ATTESTATIONS["symmetric-key-group"](b"key") == GroupKey(b"key")
    assert ATTESTATIONS["x509"](issuing.authority_pem(ISSUER)).chain == (ISSUER.der,)
    with pytest.raises(LocalProtocolError):
        ATTESTATIONS["x509"](b"key")


def test_transports_are_those_that_a_profile_can_name():
    """The same words on either side."""
    assert [*setup.DpsTransport] == [*target.DpsTransport]
