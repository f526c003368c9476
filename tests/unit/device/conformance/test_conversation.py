"""Every case against a service that deviates from the contract, and what a device may hear besides."""

from dataclasses import replace

import pytest

from doubles.conformance import begun, carried_out
from doubles.deviations import (
    accepts_everything,
    alter,
    answers_at_once,
    answers_without_id,
    faulty,
    gossips,
    hears_nothing,
    ignores_unsubscribing,
    loses,
    needs_no_subscription,
    replacing,
    serves_one_by_one,
    sessions,
    tells_replaced,
)
from doubles.drive import outcomes
from engine.device.conformance.table import CASES
from engine.device.setup import Timeouts
from engine.emulator import packet
from engine.emulator.faults import Fault
from engine.errors import Outcome
from engine.protocol import credentials

BITES = [
    *((f"{n:03}", accepts_everything, "protocol", "202", "expected 400, got 202") for n in range(1, 11)),
    ("011", accepts_everything, "protocol", "202", "expected 412, got 202"),
    ("011", replacing("123"), "bad-request", "400040", "expected 412, got 400"),
    ("012", accepts_everything, "protocol", "200", "expected 400, got 200"),
    ("012", loses(400), "lost", "", "expected 400, got nothing"),
    ("014", answers_without_id, "protocol", "202", "expected silence, got 202"),
    ("015", faulty(Fault.THROTTLED), "throttled", "429002", "expected 202, got 429"),
    ("015", faulty(Fault.SERVER), "server", "503001", "expected 202, got 503"),
    ("015", faulty(Fault.CONFLICT), "conflict", "409005", "expected 202, got 409"),
    ("015", faulty(Fault.LOST), "lost", "", "expected 200, got nothing"),
    ("015", faulty(Fault.DROPPED), "disconnected", "EOF", "expected 200, the connection ended"),
    ("015", faulty(Fault.UNUSABLE), "unusable", "other-key", "got 200, but the leaf certifies another key"),
    ("015", loses(202), "protocol", "200", "expected 202, got 200"),
    ("016", needs_no_subscription, "protocol", "202", "expected silence, got 202"),
    ("017", ignores_unsubscribing, "protocol", "200", "expected silence, got 200"),
    ("017", answers_at_once, "protocol", "overtaken", "200 came before the device had unsubscribed"),
    ("018", ignores_unsubscribing, "protocol", "200", "expected silence, got 200"),
    ("018", loses(200), "lost", "", "expected 200, got nothing"),
    ("019", sessions(are_clean=True), "lost", "", "expected 200, got nothing"),
    ("019", serves_one_by_one, "protocol", "overtaken", "200 came before the device had disconnected"),
    ("020", faulty(Fault.LOST), "lost", "", "expected 200, got nothing"),
    ("021", sessions(are_clean=False), "protocol", "200", "expected silence, got 200"),
    ("022", loses(200), "lost", "", "expected 200, got nothing"),
    ("023", replacing("*"), "lost", "", "expected one 200 and one 409, got nothing"),
    ("023", faulty(Fault.CONFLICT), "conflict", "409005", "expected one 200 and one 409, got 409 and 409"),
    ("023", serves_one_by_one, "protocol", "200", "expected one 200 and one 409, got 200 and 200"),
    ("023", faulty(Fault.SERVER), "server", "503001", "expected one 200 and one 409, got 503"),
    ("023", faulty(Fault.UNUSABLE), "unusable", "other-key", "got 200, but the leaf certifies another key"),
    ("024", replacing("*"), "protocol", "202", "expected 409, got 202"),
    ("024", answers_at_once, "protocol", "overtaken", "the request before was answered with 200 first"),
    ("025a", replacing(None), "conflict", "409005", "expected 202, got 409"),
    ("025b", replacing(None), "conflict", "409005", "expected 202, got 409"),
    ("026", needs_no_subscription, "protocol", "202", "expected silence, got 202"),
]


@pytest.mark.parametrize(
    ("number", "plant", "outcome", "code", "says"), BITES, ids=[f"{bite[0]}-{bite[3] or bite[2]}" for bite in BITES]
)
def test_case_is_refuted_by_a_service_that_deviates(number, plant, outcome, code, says):
    """With the outcome of what came, the service's number, and one line that begins with the case."""
    world, session = begun(number)
    plant(world)
    sample, log = carried_out(world, session)
    assert (sample.outcome, sample.code) == (outcome, code)
    assert sample.detail.startswith(f"case {number}: expected ")
    assert sample.detail.endswith(says)
    assert outcomes(log)["iteration"] == [outcome]


def test_every_case_is_refuted_by_something():
    """There is none that nothing could fail."""
    assert {bite[0] for bite in BITES} == set(CASES)


@pytest.mark.parametrize("number", ["025a", "025b"])
def test_replaced_request_may_be_told_so_but_not_served(number: str):
    """What it hears is unknown, but a certificate means that it was not cancelled."""
    world, session = begun(number)
    tells_replaced(world, 409, b"")
    assert carried_out(world, session)[0].outcome is Outcome.OK
    world, session = begun(number)
    tells_replaced(world, 200, credentials.issued_payload("correlation-1", session.device.bundle.chain))
    sample, _ = carried_out(world, session)
    assert (sample.outcome, sample.code) == ("protocol", "200")
    assert sample.detail == f"case {number}: expected 200, got 200 for the request that was replaced"


ACCEPTED = credentials.accepted_payload("correlation-1", "2026-01-01T12:00:00.000Z")


@pytest.mark.parametrize(
    ("number", "after"),
    [
        ("001", packet.Subscribe),
        ("015", packet.Publish),
        ("016", packet.Publish),
        ("018", packet.Unsubscribe),
        ("018", packet.Subscribe),
        ("023", packet.Publish),
    ],
)
def test_answer_to_a_strange_request_is_counted_and_passed_over(number, after):
    """What an earlier run left behind refutes nothing."""
    world, session = begun(number)
    gossips(world, after, ACCEPTED)
    sample, log = carried_out(world, session)
    assert sample.outcome is Outcome.OK
    assert log.unmatched


def test_request_without_an_id_must_not_be_answered_at_all():
    """Whatever id the answer bears: there was none it could be to."""
    world, session = begun("014")
    gossips(world, packet.Publish, ACCEPTED)
    sample, _ = carried_out(world, session)
    assert (sample.outcome, sample.detail) == ("protocol", "case 014: expected silence, got 202")


def test_answer_that_nobody_can_read_refutes_a_case():
    """It is none that the contract allows."""
    world, session = begun("015")
    gossips(world, packet.Publish, b"no JSON")
    sample, _ = carried_out(world, session)
    assert sample.outcome is Outcome.PROTOCOL
    assert sample.detail.startswith("case 015: expected 202, got what is no answer: ")


def test_request_nobody_acknowledged_is_a_timeout():
    """Without a PUBACK nothing says that the service has it; with one it is lost."""
    for plant, outcome in ((hears_nothing, "timeout"), (loses(0), "lost")):
        world, session = begun("001", timeouts=Timeouts(certificate=20.0))
        plant(world)
        sample, _ = carried_out(world, session)
        assert (sample.outcome, sample.detail) == (outcome, "case 001: expected 400, got nothing")
        assert sample.ended - sample.began == 20.0


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [("017", packet.Unsuback, "expected an UNSUBACK"), ("020", packet.Suback, "expected a SUBACK")],
)
def test_subscription_that_is_not_confirmed_refutes_a_case(number, kind, says):
    """The case cannot go on without it, and does not wait longer than for a PUBACK."""
    world, session = begun(number)
    loaded = []
    world.wire.swallows = lambda _, sent: (
        isinstance(sent, kind) and bool(loaded.append(sent) or number == "017" or len(loaded) == 2)
    )
    sample, _ = carried_out(world, session)
    assert (sample.outcome, sample.detail) == ("timeout", f"case {number}: {says}, got timeout")


def test_subscription_that_is_refused_refutes_a_case():
    """The device has no right to its answers."""
    world, session = begun("026")
    alter(
        world,
        lambda sent: replace(sent, filters=(("$nobody", 1),)) if isinstance(sent, packet.Subscribe) else sent,
    )
    sample, _ = carried_out(world, session)
    assert (sample.outcome, sample.code) == (Outcome.UNAUTHORIZED, "suback 128")


def test_short_timeout_shortens_the_silence():
    """Nobody listens for longer than an answer is given."""
    world, session = begun("016", timeouts=Timeouts(certificate=2.0))
    sample, _ = carried_out(world, session)
    assert (sample.outcome, sample.ended - sample.began) == (Outcome.OK, pytest.approx(2.0))
