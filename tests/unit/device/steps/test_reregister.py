"""Renewing by registering again, against the emulator in memory and by hand."""

import pytest

from doubles.drive import HUB, Puppet, World, assert_conserved, make_bundle, make_setup, outcomes, settled
from engine.device.catalog import SCENARIOS
from engine.device.setup import Attempts, Timeouts
from engine.device.steps.reregister import reregister
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.protocol import dps, x509

BY_DPS = {"renewal_path": "dps"}
CREATED = "2025-01-01T00:00:00Z"


def renewing(world, name="cert-renewal", **setup):
    """A device that prepared, and the log of one iteration of its renewing by DPS."""
    scenario = SCENARIOS[name]
    stored = None if scenario.fresh else world.stored("d-0")
    session = world.session(make_setup(**(BY_DPS | setup)), bundle=stored)
    world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    log = world.drive(session, *scenario.steps, main=scenario.main)
    assert_conserved(log)
    return session, log


def asking(**setup):
    """A puppet that is connected to DPS and has asked for its next certificate."""
    made = Puppet(reregister, bundle=make_bundle("d-0"), **(BY_DPS | setup))
    made.start()
    made.connect()
    return made


def rid(made):
    """The id of its last request."""
    return made.publishes()[-1].topic.rpartition("$rid=")[2].partition("&")[0]


def assign(made, chain, hub=HUB):
    """DPS assigns a hub, with this chain, and the connection ends as asked."""
    assignment = dps.Assignment(hub, "d-0", chain)
    made.receive(
        dps.reply_topic(200, rid(made)), dps.assigned_payload("op", "d-0", assignment=assignment, created=CREATED)
    )
    made.closed()


def ended(made):
    """What the puppet measured, once it is idle."""
    assert not made.session.is_busy
    log = made.session.drain_log()
    assert_conserved(log)
    return log


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cert-renewal", {"dps.register": ["ok"], "state.save": ["ok"], "hub.connect": ["ok"]}),
        (
            "cert-lifecycle",
            {
                "dps.register": ["ok"] * 2,
                "state.save": ["ok"] * 2,
                "hub.connect": ["ok"] * 2,
                "telemetry.publish": ["ok"] * 3,
            },
        ),
    ],
)
def test_renewal_by_dps_costs_a_registration(name, expected):
    """cert.issued lies within dps.register; the hub is asked for nothing, and sees the new certificate."""
    world = World()
    session, log = renewing(world, name)
    leaves = {"hub.disconnect": expected["hub.connect"]}
    assert outcomes(log) == {**expected, **leaves, "cert.issued": ["ok"], "cert.verified": ["ok"], "iteration": ["ok"]}
    assert "requests" not in world.service.report().get("cert", {})
    assert session.device.bundle == world.saved[-1]
    assert session.device.bundle.generation == 2


def test_renewal_by_dps_is_issued_from_the_register_publish_to_the_chain():
    """It begins where the SUBACK came and ends where dps.register does; so do the parts accepted and assigned."""
    _, log = renewing(World())
    (issued,), (registered,) = settled(log, Operation.CERT_ISSUED), settled(log, Operation.DPS_REGISTER)
    parts = dict(registered.parts)
    assert list(parts) == ["tcp", "tls", "connack", "suback", "accepted", "assigned"]
    assert issued.ended == registered.ended
    assert issued.ended - issued.began == pytest.approx(parts["accepted"] + parts["assigned"])
    (verified,) = settled(log, Operation.CERT_VERIFIED)
    assert verified.began == issued.ended


@pytest.mark.parametrize("reuse_key", [True, False])
@pytest.mark.parametrize("verify", ["chain", "none"])
def test_renewal_by_dps_that_is_not_to_be_proved_connects_when_it_is_next_due(verify, reuse_key):
    """The device leaves the hub to ask, and the next iteration comes back with what it was given."""
    world = World()
    session, first = renewing(world, verify=verify, reuse_key=reuse_key)
    assert "hub.connect" not in outcomes(first)
    assert not session.device.linked
    second = world.drive(session, *SCENARIOS["cert-renewal"].steps)
    assert outcomes(second)["hub.connect"] == outcomes(second)["iteration"] == ["ok"]
    assert outcomes(second).get("cert.verified", []) == ([] if verify == "none" else ["ok"])
    assert session.device.bundle.generation == 3


def test_renewal_by_dps_that_is_refused_ends_both_waits():
    """A 429 is dps.register's and cert.issued's, owes nothing, and leaves the device with what it had."""
    world = World()
    session, _ = renewing(world)
    world.service.faults = Faults({Fault.DPS_THROTTLED: 1.0})
    log = world.drive(session, *SCENARIOS["cert-renewal"].steps)
    assert_conserved(log)
    found = outcomes(log)
    assert found["dps.register"] == found["cert.issued"] == found["iteration"] == ["throttled"]
    assert (log.dropped, log.retries) == ([], [])
    assert (session.device.bundle.generation, session.device.linked) == (2, False)
    world.service.faults = Faults()
    assert outcomes(world.drive(session, *SCENARIOS["cert-renewal"].steps))["iteration"] == ["ok"]


def test_renewal_by_dps_is_tried_as_often_as_renewals_are():
    """retries.renew counts, not retries.register; every attempt is a sample of both."""
    world = World(Options(faults=Faults({Fault.DPS_THROTTLED: 1.0})))
    _, log = renewing(world, attempts=Attempts(register=5, renew=3))
    assert outcomes(log)["dps.register"] == outcomes(log)["cert.issued"] == ["throttled"] * 3
    assert [series.operation for series, _ in log.retries] == [Operation.DPS_REGISTER] * 2


def test_renewal_by_dps_that_never_asks_owes_its_certificate():
    """Without a connection to DPS there is no cert.issued: it is dropped, reason step-failed."""
    world = World()
    scenario = SCENARIOS["cert-renewal"]
    session = world.session(make_setup(**BY_DPS), bundle=world.stored("d-0"))
    world.drive(session, *scenario.prepare, phase=Phase.PREPARE)
    world.wire.hosts.discard(session.device.dps.host)
    log = world.drive(session, *scenario.steps)
    assert_conserved(log)
    assert outcomes(log)["dps.register"] == outcomes(log)["iteration"] == ["network"]
    (owed,) = settled(log, Operation.CERT_ISSUED)
    assert (owed.outcome, owed.code) == (Outcome.DROPPED, DropReason.STEP_FAILED)


def test_renewal_by_dps_ends_with_its_connection():
    """DPS pushes nothing after a reconnect, so both waits are disconnected."""
    made = asking()
    made.lose()
    found = outcomes(ended(made))
    assert found["dps.register"] == found["cert.issued"] == ["disconnected"]


def test_renewal_by_dps_is_late_after_its_deadline():
    """Overdue past timeouts.certificate while dps.register still has time; the chain settles it with its true age."""
    _, log = renewing(World(), timeouts=Timeouts(certificate=0.5))
    (issued,) = settled(log, Operation.CERT_ISSUED)
    assert issued.outcome is Outcome.LATE
    assert len(log.overdue) == 1
    assert outcomes(log)["dps.register"] == outcomes(log)["cert.verified"] == ["ok"]


def test_renewal_by_dps_times_out_with_its_registration():
    """At timeouts.register the device closes the connection, and no answer can come any more."""
    made = asking(timeouts=Timeouts(register=30.0))
    made.expire()
    made.closed()
    found = outcomes(ended(made))
    assert found["dps.register"] == found["cert.issued"] == ["timeout"]
    assert not made.device.linked


def test_renewal_by_dps_for_another_key_was_issued_and_is_unusable():
    """cert.verified says so; the device hangs up and keeps what it had."""
    made = asking()
    before = made.device.bundle
    made.device.key = x509.key_from_der(before.key)
    assign(made, make_bundle("d-0").chain)
    log = ended(made)
    assert outcomes(log)["dps.register"] == outcomes(log)["cert.issued"] == ["ok"]
    (verified,) = settled(log, Operation.CERT_VERIFIED)
    assert (verified.outcome, verified.code) == (Outcome.UNUSABLE, "other-key")
    assert (made.device.bundle, made.device.linked) == (before, False)


def test_renewal_by_dps_without_a_chain_issued_nothing():
    """An assignment alone is no certificate, and never replaces one, whatever is verified."""
    made = asking(verify="none")
    before = made.device.bundle
    assign(made, ())
    log = ended(made)
    (issued,) = settled(log, Operation.CERT_ISSUED)
    assert (issued.outcome, issued.code) == (Outcome.UNUSABLE, "no-chain")
    assert outcomes(log)["dps.register"] == ["unusable"]
    assert made.device.bundle == before


def test_renewal_by_dps_to_a_hub_outside_the_allow_list_is_blocked():
    """Both waits say so; the device stays with the hub and the certificate it has."""
    made = asking(allows=lambda host: host == HUB)
    assign(made, make_bundle("d-0").chain, hub="elsewhere.example")
    found = outcomes(ended(made))
    assert found["dps.register"] == found["cert.issued"] == found["iteration"] == ["blocked"]
    assert made.device.bundle.hub == HUB
