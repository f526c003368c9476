"""What a spec can name, from its first step to its last."""

import pytest

from doubles.drive import World, assert_conserved, make_setup, outcomes
from engine.device.catalog import SCENARIOS
from engine.measure.operation import Operation, Phase

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
    ],
)
def test_scenario_does_what_its_page_says(name, expected):
    """Every operation of one iteration, in a world without faults; the device is left as it was found."""
    scenario, world = SCENARIOS[name], World()
    session = world.session()
    world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert_conserved(log)
    leaves = {"hub.disconnect": ["ok"] * len(expected["hub.connect"])}
    assert outcomes(log) == {**expected, **leaves, "iteration": ["ok"]}
    assert session.device.connected is (name == "cert-renewal")


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario_can_be_repeated(name):
    """A second iteration starts from what the first left."""
    scenario, world = SCENARIOS[name], World()
    session = world.session()
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
