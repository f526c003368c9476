"""Every case against the service in memory: met by one that conforms, and nothing left behind by any."""

import pytest

from doubles.conformance import begun, carried_out
from doubles.deviations import faulty, loses
from doubles.drive import World, make_setup, outcomes, settled
from engine.device.conformance.table import CASES
from engine.emulator.credentials import Contract
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.protocol.credentials import CODES_JANUARY_2026


@pytest.mark.parametrize("number", CASES)
def test_case_is_met_and_leaves_nothing_behind(number: str):
    """The device has the certificate it had, no connection, and no request at the service; nothing else went wrong."""
    world, session = begun(number)
    bundle = session.device.bundle
    sample, log = carried_out(world, session)
    assert (sample.outcome, sample.detail) == (Outcome.OK, "")
    assert outcomes(log)["iteration"] == ["ok"]
    assert (session.device.bundle, world.saved, log.unmatched) == (bundle, [], [])
    assert world.service.report()["pending"] == world.wire.open_connections == 0
    assert not session.device.connected


@pytest.mark.parametrize("number", CASES)
def test_case_can_be_carried_out_again(number: str):
    """The first time leaves nothing that the second would stumble over."""
    world, session = begun(number)
    for _ in range(2):
        assert carried_out(world, session)[0].outcome is Outcome.OK


@pytest.mark.parametrize("number", CASES)
def test_case_is_met_whatever_codes_the_service_has(number: str):
    """Those of the recorded run as well as the newer ones; the code is told where the answer was a refusal."""
    world, session = begun(number, Options(contract=Contract(codes=CODES_JANUARY_2026)))
    sample, _ = carried_out(world, session)
    codes = {"002": "400006", "011": "412001", "012": "400037", "023": "409004", "024": "409004"}
    expected = codes.get(number, "400004" if number < "011" else "")
    assert (sample.outcome, sample.code) == (Outcome.OK, expected)


@pytest.mark.parametrize(("number", "at"), [("014", 6.0), ("016", 3.0), ("026", 3.0), ("026", 7.0)])
def test_silence_may_be_a_dropped_connection(number: str, at: float):
    """Where the list says that the connection may drop, that ends the case; it is counted as what it is.

    Without an id the service in memory drops it by itself.
    """
    world, session = begun(number)
    world.wire.after(at, lambda: world.wire.open_connections and world.wire.cut(0))
    sample, log = carried_out(world, session)
    assert sample.outcome is Outcome.OK
    assert sample.ended == at if number != "014" else sample.ended < 0.1
    assert outcomes(log)["hub.disconnect"] == ["disconnected", "ok"]


def test_connection_must_not_drop_elsewhere():
    """A silence that holds an answer back is one of a connection that lives."""
    world, session = begun("017")
    world.wire.after(3.0, lambda: world.wire.cut(0))
    sample, log = carried_out(world, session)
    assert (sample.outcome, sample.detail) == ("disconnected", "case 017: expected silence, the connection ended")
    assert world.service.report()["pending"] == 0
    assert outcomes(log)["hub.disconnect"] == ["disconnected", "ok"]


def test_certificate_that_is_held_back_is_not_kept_waiting_for():
    """018 to 020: the device comes back after the certificate is there, and gets it at once."""
    for number in ("018", "019", "020"):
        world, session = begun(number)
        sample, _ = carried_out(world, session)
        assert 5.0 < sample.ended - sample.began < 5.1
        assert world.service.report()["cert"]["held"] >= 1


def test_case_begins_when_the_device_is_connected():
    """What the dial takes is `hub.connect`."""
    world, session = begun("001")
    sample, log = carried_out(world, session)
    (connect,) = settled(log, Operation.HUB_CONNECT)
    assert sample.began == connect.ended


# What is left behind.


def test_request_that_was_never_answered_is_replaced():
    """The device asks once more, in the place of whatever is open; its case has failed all the same."""
    world, session = begun("015")
    world.service.faults = Faults({Fault.LOST: 1.0})
    world.wire.after(1.0, lambda: setattr(world.service, "faults", Faults()))
    sample, log = carried_out(world, session)
    counted = world.service.report()
    assert (sample.outcome, sample.detail) == ("lost", "case 015: expected 200, got nothing")
    assert (counted["pending"], counted["cert"]["replaced"], counted["cert"]["200"]) == (0, 1, 1)
    assert outcomes(log) == {
        "hub.connect": ["ok"],
        "conformance.case": ["lost"],
        "hub.disconnect": ["ok"],
        "iteration": ["lost"],
    }


def test_request_that_was_accepted_is_waited_for():
    """Nothing is asked a second time where the certificate is on its way."""
    world, session = begun("024")
    carried_out(world, session)
    assert (world.service.report()["cert"]["requests"], world.service.report()["cert"]["200"]) == (2, 1)


def test_case_that_is_met_and_cannot_be_cleared_up_fails_its_iteration():
    """The contract held: that the next run may find a request in its way is another matter."""
    world, session = begun("024")
    loses(200)(world)
    sample, log = carried_out(world, session)
    assert sample.outcome is Outcome.OK
    (iteration,) = settled(log, Operation.ITERATION)
    says = "case 024: met, but a request of it is still open, nothing came in its place"
    assert (iteration.outcome, iteration.detail) == ("lost", says)


def test_what_clearing_up_meets_does_not_hide_why_a_case_failed():
    """The first failure is the one that is told, also where the hub is gone by then."""
    world, session = begun("015")
    faulty(Fault.LOST)(world)
    (hub,) = world.service.registry.hubs
    world.wire.after(1.0, lambda: (world.wire.hosts.discard(hub), world.wire.cut(0)))
    sample, log = carried_out(world, session)
    assert (sample.outcome, outcomes(log)["iteration"]) == ("disconnected", ["disconnected"])
    assert outcomes(log)["hub.connect"] == ["ok", "network", "network", "network"]


def test_case_is_that_of_the_devices_place():
    """The first place has the first case named."""
    world = World()
    session = world.session(make_setup(cases=("001", "011")), bundle=world.stored("d-1"), index=1)
    assert carried_out(world, session)[0].code == "412001"
