"""Registrations, through the whole service."""

from collections.abc import Callable

from engine.emulator.dps import KEPT_S, Pace
from engine.emulator.faults import Fault, Faults
from engine.emulator.packet import Publish, Subscribe
from engine.emulator.service import Options, Where
from engine.emulator.throttle import Quotas
from engine.errors import Outcome
from engine.protocol import dps, x509
from unit.emulator.rig import HUB, NOW, Rig, closed, messages


def ask(rig: Rig, conn: int, topic: str, payload: bytes = b"") -> dps.Reply:
    """The one reply to a request."""
    (answer,) = messages(rig.send(conn, Publish(topic, payload, 1, 7)))
    return dps.parse_reply(answer.topic, answer.payload)


def register(rig: Rig, conn: int, *, device_id: str = "d-1", csr: bytes | None = None) -> dps.Reply:
    return ask(rig, conn, dps.register_topic("1"), dps.register_payload(device_id, csr))


def counts(rig: Rig, group: str) -> object:
    return rig.service.report()[group]


def test_registration_is_accepted_and_then_assigned(rig: Rig) -> None:
    """202 until it is ready, then 200 with the hub and a chain for the key that asked."""
    conn = rig.dps_device()
    first = register(rig, conn, csr=rig.csr())
    assert (first.status, first.retry_after_s, first.state) == (202, 1.0, dps.Status.ASSIGNING)
    assert ask(rig, conn, dps.poll_topic("1", first.operation_id)).status == 202
    rig.now += 0.2
    last = ask(rig, conn, dps.poll_topic("1", first.operation_id))
    assert last.assignment is not None
    assert (last.assignment.hub, last.assignment.device_id) == (HUB, "d-1")
    assert x509.check_chain(last.assignment.chain, rig.key, NOW) is None
    assert ask(rig, conn, dps.poll_topic("1", first.operation_id)) == last
    assert counts(rig, "dps.register") == {"200": 2, "202": 1, "requests": 1}
    assert counts(rig, "dps.poll") == {"200": 2, "202": 1, "requests": 3}


def test_registration_without_a_request_has_no_chain(rig: Rig) -> None:
    """A null csr, and another registration id left out, are fine."""
    conn = rig.dps_device()
    first = ask(rig, conn, dps.register_topic("1"), b'{"csr": null, "payload": null}')
    rig.now += 1
    last = ask(rig, conn, dps.poll_topic("1", first.operation_id))
    assert last.assignment is not None
    assert last.assignment.chain == ()


def test_bad_bodies_are_answered_with_400(rig: Rig) -> None:
    """No JSON, no CSR, one of a version that there is not, one for another name, and another registration id."""
    conn = rig.dps_device()
    version = rig.csr().replace(b"\x02\x01\x00", b"\x02\x01\x01", 1)
    bodies = [
        b"{",
        b'{"csr": "YQ=="}',
        dps.register_payload("d-1", version),
        dps.register_payload("d-1", rig.csr("d-2")),
        dps.register_payload("d-2", None),
    ]
    for body in bodies:
        failure = ask(rig, conn, dps.register_topic("1"), body).failure
        assert failure is not None
        assert (failure.outcome, failure.code) == (Outcome.BAD_REQUEST, "400004")
    assert counts(rig, "dps.register") == {"400": 5, "requests": 5}


def test_polls_for_other_operations_are_answered_with_404(rig: Rig) -> None:
    """An unknown operation, and one that is long over."""
    conn = rig.dps_device()
    missing = ask(rig, conn, dps.poll_topic("1", "4.x")).failure
    assert missing is not None
    assert missing.outcome is Outcome.NOT_FOUND
    first = register(rig, conn)
    assert ask(rig, conn, dps.poll_topic("1", "4.x")).failure is not None
    rig.now += KEPT_S / 2
    second = register(rig, conn)
    rig.now += KEPT_S / 2
    assert ask(rig, conn, dps.poll_topic("1", first.operation_id)).failure is not None
    assert ask(rig, conn, dps.poll_topic("1", second.operation_id)).assignment is not None
    rig.now += KEPT_S
    assert ask(rig, conn, dps.poll_topic("1", second.operation_id)).failure is not None


def test_foreign_topics_close(rig: Rig) -> None:
    """A hub's topic is nobody's at DPS."""
    conn = rig.dps_device()
    assert closed(rig.send(conn, Publish("devices/d-1/messages/events/", b""))) == {conn: "protocol"}


def test_throttled_registrations_say_how_long_to_wait(rig: Rig) -> None:
    """A fault answers 429 with its delay."""
    conn = rig.dps_device()
    rig.set_faults(Faults({Fault.DPS_THROTTLED: 1.0}, retry_after_s=7))
    reply = register(rig, conn)
    assert reply.failure is not None
    assert (reply.failure.outcome, reply.failure.code, reply.retry_after_s) == (Outcome.THROTTLED, "429001", 7.0)


def test_a_quota_throttles_what_is_above_it(new_rig: Callable[[Options], Rig]) -> None:
    """One a second: the second is refused, and accepted a second later."""
    rig = new_rig(Options(quotas=Quotas(dps_registers_per_s=1.0)))
    conn = rig.dps_device()
    assert [register(rig, conn).status for _ in range(2)] == [202, 429]
    rig.now += 1
    assert register(rig, conn).status == 202


def test_a_bad_token_can_show_at_the_register_request(new_rig: Callable[[Options], Rig]) -> None:
    """With the other switch the login is accepted and the request answered 401, until a good login."""
    rig = new_rig(Options(dps_refusal=Where.REGISTER, pace=Pace(poll_after_s=3)))
    conn = rig.open()
    rig.send(conn, rig.dps_connect("d-1", password=b"bad"))
    rig.send(conn, Subscribe(1, ((dps.RESPONSES, 1),)))
    reply = register(rig, conn)
    assert reply.failure is not None
    assert (reply.failure.outcome, reply.failure.code) == (Outcome.UNAUTHORIZED, "401002")
    again = rig.dps_device()
    assert register(rig, again).retry_after_s == 3.0
