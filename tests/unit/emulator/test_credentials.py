"""The contract of certificate issuance, case by case, through the whole service."""

import json
from collections.abc import Callable

import pytest

from engine.emulator.broker import Action
from engine.emulator.credentials import BodyForm, Contract
from engine.emulator.faults import Fault, Faults
from engine.emulator.packet import Disconnect, Puback, Publish, Subscribe, Unsubscribe
from engine.emulator.service import Options
from engine.emulator.throttle import Quotas
from engine.errors import Outcome
from engine.protocol import credentials, x509
from engine.protocol.credentials import Accepted, Issued, Rejected
from unit.emulator.rig import NOW, Rig, closed, messages

Answer = Accepted | Issued | Rejected


def answers(actions: list[Action], conn: int | None = None) -> list[Answer]:
    """What a device is told."""
    return [credentials.parse_response(message.topic, message.payload) for message in messages(actions, conn)]


def payload(rig: Rig, **changes: object) -> bytes:
    """A good request with some fields changed."""
    body = json.loads(credentials.request_payload("d-1", rig.csr()))
    return json.dumps({**body, **changes}).encode()


def cert(rig: Rig) -> object:
    return rig.service.report()["cert"]


def test_a_request_is_accepted_and_then_issued(rig: Rig) -> None:
    """PUBACK and 202 at once, 200 when it is made, and then the slot is free."""
    conn = rig.hub_device()
    actions = rig.request(conn, "abcd-1")
    assert [type(action.packet) for action in actions if hasattr(action, "packet")] == [Puback, Publish]
    (accepted,) = answers(actions)
    assert isinstance(accepted, Accepted)
    assert accepted.expires_at == NOW + credentials.LIFETIME_S
    assert rig.service.next_due() == NOW + 1.0
    assert rig.tick(0.9) == []
    (issued,) = answers(rig.tick(0.1))
    assert isinstance(issued, Issued)
    assert issued.rid == "abcd-1"
    assert x509.check_chain(issued.chain, rig.key, rig.now) is None
    assert x509.check_signatures(issued.chain) is None
    assert rig.service.report()["pending"] == 0
    assert answers(rig.request(conn, "abcd-2")) != []
    assert cert(rig) == {"200": 1, "202": 2, "requests": 2}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": "d-1"}'])
def test_bad_payloads_are_refused_at_once(rig: Rig, body: bytes) -> None:
    """400 instead of the 202, and the slot stays free."""
    (answer,) = answers(rig.request(rig.hub_device(), "abcd", body))
    assert isinstance(answer, Rejected)
    assert (answer.failure.outcome, answer.failure.code) == (Outcome.BAD_REQUEST, "400040")
    assert cert(rig) == {"400": 1, "requests": 1}


@pytest.mark.parametrize("case", ["no PKCS#10", "another name", "a kind of key that is not accepted"])
def test_a_bad_csr_is_accepted_first(rig: Rig, case: str) -> None:
    """202, then 400 with the verification error in its info."""
    rsa = x509.build_csr(x509.generate_key(x509.KeyType.RSA_2048), "d-1")
    csr = {"no PKCS#10": b"hello", "another name": rig.csr("d-2")}.get(case, rsa)
    conn = rig.hub_device()
    first = rig.request(conn, "abcd", credentials.request_payload("d-1", csr))
    assert isinstance(answers(first)[0], Accepted)
    later = rig.tick(1.0)
    (answer,) = answers(later)
    assert isinstance(answer, Rejected)
    assert answer.failure.outcome is Outcome.BAD_REQUEST
    assert json.loads(messages(later)[0].payload)["info"]["credentialError"] == "400000"
    assert rig.service.report()["pending"] == 0


def test_a_second_request_is_a_conflict(rig: Rig) -> None:
    """409 with the id of the request in the way, which goes on."""
    conn = rig.hub_device()
    rig.request(conn, "first-1")
    (answer,) = answers(rig.request(conn, "second-1"))
    assert isinstance(answer, Rejected)
    assert (answer.failure.outcome, answer.failure.code, answer.active_rid) == (Outcome.CONFLICT, "409005", "first-1")
    assert [answer.rid for answer in answers(rig.tick(1.0))] == ["first-1"]


@pytest.mark.parametrize("replace", ["*", "first-1"])
def test_a_second_request_can_replace_the_first(rig: Rig, replace: str) -> None:
    """By id or by star; the replaced request is never answered."""
    conn = rig.hub_device()
    rig.request(conn, "first-1")
    (answer,) = answers(rig.request(conn, "second-1", payload(rig, replace=replace)))
    assert isinstance(answer, Accepted)
    assert [answer.rid for answer in answers(rig.tick(5.0))] == ["second-1"]
    assert cert(rig) == {"200": 1, "202": 2, "replaced": 1, "requests": 2}


def test_replacing_what_is_not_there_fails(rig: Rig) -> None:
    """412 with the id that was named, with and without another active request; a star is always fine."""
    conn = rig.hub_device()
    for rid in ("abcd-1", "abcd-2"):
        (answer,) = answers(rig.request(conn, rid, payload(rig, replace="gone-1")))
        assert isinstance(answer, Rejected)
        assert (answer.failure.outcome, answer.failure.code) == (Outcome.PRECONDITION, "412001")
        assert answer.active_rid == "gone-1"
        rig.request(conn, "first-1", payload(rig, replace="*"))


def test_the_same_request_again_is_accepted_again(rig: Rig) -> None:
    """After a lost connection a device asks again; there is still one certificate."""
    conn = rig.hub_device()
    rig.request(conn, "abcd")
    assert isinstance(answers(rig.request(conn, "abcd"))[0], Accepted)
    assert len(answers(rig.tick(5.0))) == 1
    assert cert(rig) == {"200": 1, "202": 2, "requests": 2, "resubmitted": 1}


def test_a_request_without_a_subscription_is_ignored(rig: Rig) -> None:
    """Only the PUBACK comes, and no slot is taken."""
    conn = rig.hub_device(subscribe=False)
    assert messages(rig.request(conn, "abcd")) == []
    assert rig.service.report()["pending"] == 0
    assert cert(rig) == {"ignored": 1, "requests": 1}


@pytest.mark.parametrize("query", ["", "?", "?$rid=", "?$rid=abc"])
def test_a_request_without_an_id_closes(rig: Rig, query: str) -> None:
    """Nobody can be answered."""
    conn = rig.hub_device()
    topic = f"$iothub/credentials/POST/issueCertificate/{query}"
    assert closed(rig.send(conn, Publish(topic, payload(rig), 1, 7))) == {conn: "protocol"}


def test_a_result_is_held_until_the_device_subscribes_again(rig: Rig) -> None:
    """Unsubscribed after the 202: the 200 waits for the next subscription."""
    conn = rig.hub_device()
    rig.request(conn, "abcd")
    rig.send(conn, Unsubscribe(2, (credentials.RESPONSES,)))
    assert messages(rig.tick(5.0)) == []
    assert rig.tick(5.0) == []
    assert len(answers(rig.send(conn, Subscribe(3, ((credentials.RESPONSES, 1),))))) == 1
    assert cert(rig) == {"200": 1, "202": 1, "held": 1, "requests": 1}


def test_a_result_waits_for_a_kept_session(rig: Rig) -> None:
    """With a clean session of 0 the 200 comes right after the CONNACK."""
    conn = rig.hub_device(clean=False)
    rig.request(conn, "abcd")
    rig.send(conn, Disconnect())
    assert messages(rig.tick(5.0)) == []
    again = rig.open()
    assert len(answers(rig.send(again, rig.hub_connect("d-1", clean_session=False)), again)) == 1


def test_a_result_waits_for_a_clean_session_to_subscribe(rig: Rig) -> None:
    """With a clean session nothing comes before the device subscribed."""
    conn = rig.hub_device()
    rig.request(conn, "abcd")
    rig.service.closed(conn)
    rig.tick(5.0)
    again = rig.open()
    assert messages(rig.send(again, rig.hub_connect("d-1"))) == []
    assert len(answers(rig.send(again, Subscribe(1, ((credentials.RESPONSES, 1),))))) == 1


def test_a_result_that_nobody_fetches_is_thrown_away(rig: Rig) -> None:
    """After twelve hours the slot is free, and the undelivered certificate is counted."""
    conn = rig.hub_device()
    rig.request(conn, "abcd")
    rig.service.closed(conn)
    rig.tick(5.0)
    assert rig.service.next_due() is not None
    rig.tick(credentials.LIFETIME_S)
    assert rig.service.report()["pending"] == 0
    assert rig.service.report()["undelivered"] == 1
    again = rig.hub_device()
    assert messages(rig.tick()) == []
    assert isinstance(answers(rig.request(again, "abcd"))[0], Accepted)


def test_lost_requests_are_never_answered_and_keep_the_slot(rig: Rig) -> None:
    """202 without a 200; another request is a conflict, or replaces it, and at last it expires."""
    rig.set_faults(Faults({Fault.LOST: 1.0}))
    conn = rig.hub_device()
    rig.request(conn, "abcd-1")
    assert rig.tick(60.0) == []
    (answer,) = answers(rig.request(conn, "abcd-2"))
    assert isinstance(answer, Rejected)
    assert isinstance(answers(rig.request(conn, "abcd-3", payload(rig, replace="*")))[0], Accepted)
    rig.tick(credentials.LIFETIME_S)
    assert cert(rig) == {"202": 2, "409": 1, "expired": 1, "lost": 2, "replaced": 1, "requests": 3}
    assert rig.service.report()["undelivered"] == 0


def test_dropped_connections_get_their_result_later(rig: Rig) -> None:
    """The connection ends between 202 and 200; after a reconnect and a subscription the 200 comes."""
    rig.set_faults(Faults({Fault.DROPPED: 1.0}, issue_delay_s=2.0))
    conn = rig.hub_device()
    assert isinstance(answers(rig.request(conn, "abcd"))[0], Accepted)
    assert closed(rig.tick(1.0)) == {conn: "dropped"}
    assert rig.tick(1.0) == []
    again = rig.hub_device(subscribe=False)
    (answer,) = answers(rig.send(again, Subscribe(1, ((credentials.RESPONSES, 1),))))
    assert isinstance(answer, Issued)
    assert rig.service.report()["dropped"] == 1


def test_dropped_connections_may_be_back_in_time(rig: Rig) -> None:
    """A device that is quick to reconnect gets its 200 when it is made."""
    rig.set_faults(Faults({Fault.DROPPED: 1.0}, issue_delay_s=2.0))
    conn = rig.hub_device()
    rig.request(conn, "abcd")
    rig.tick(1.0)
    again = rig.hub_device()
    assert len(answers(rig.tick(1.0), again)) == 1


def test_unusable_certificates_alternate(rig: Rig) -> None:
    """Another key, then the wrong order."""
    rig.set_faults(Faults({Fault.UNUSABLE: 1.0}))
    conn = rig.hub_device()
    codes = []
    for n in range(3):
        rig.request(conn, f"abcd-{n}")
        (answer,) = answers(rig.tick(1.0))
        assert isinstance(answer, Issued)
        failure = x509.check_chain(answer.chain, rig.key, rig.now)
        assert failure is not None
        codes.append(failure.code)
    assert codes == ["other-key", "wrong-order", "other-key"]


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "wait_s"),
    [
        (Fault.THROTTLED, Outcome.THROTTLED, "429002", 9.0),
        (Fault.CONFLICT, Outcome.CONFLICT, "409005", None),
        (Fault.SERVER, Outcome.SERVER, "503001", None),
    ],
)
def test_refusals_by_fault(rig: Rig, fault: Fault, outcome: Outcome, code: str, wait_s: float | None) -> None:
    """Instead of the 202, and without a slot."""
    rig.set_faults(Faults({fault: 1.0}, retry_after_s=9))
    (answer,) = answers(rig.request(rig.hub_device(), "abcd"))
    assert isinstance(answer, Rejected)
    assert (answer.failure.outcome, answer.failure.code, answer.failure.retry_after_s) == (outcome, code, wait_s)
    assert rig.service.report()["pending"] == 0


def test_a_quota_throttles_what_is_above_it(new_rig: Callable[[Options], Rig]) -> None:
    """The second request in a second is refused with the time to wait."""
    rig = new_rig(Options(quotas=Quotas(certificates_per_s=0.5)))
    first, second = rig.hub_device("d-1"), rig.hub_device("d-2")
    rig.request(first, "abcd")
    (answer,) = answers(rig.request(second, "abcd", device_id="d-2"))
    assert isinstance(answer, Rejected)
    assert (answer.failure.outcome, answer.failure.retry_after_s) == (Outcome.THROTTLED, 2.0)


def test_the_contract_has_switches(new_rig: Callable[[Options], Rig]) -> None:
    """The codes of the recorded run, and the array that the SDK for C expects."""
    rig = new_rig(Options(contract=Contract(credentials.CODES_JANUARY_2026, BodyForm.ARRAY)))
    conn = rig.hub_device()
    (answer,) = answers(rig.request(conn, "abcd", b"{"))
    assert isinstance(answer, Rejected)
    assert answer.failure.code == "400006"
    rig.request(conn, "abcd")
    (message,) = messages(rig.tick(1.0))
    assert message.payload.startswith(b'["')


def test_two_devices_do_not_meet(rig: Rig) -> None:
    """Each has a slot of its own."""
    one, two = rig.hub_device("d-1"), rig.hub_device("d-2")
    rig.request(one, "abcd")
    rig.request(two, "abcd", device_id="d-2")
    actions = rig.tick(1.0)
    assert len(answers(actions, one)) == len(answers(actions, two)) == 1


def test_a_taken_over_connection_leaves_its_request_to_the_newer(rig: Rig) -> None:
    """The slot belongs to the device, not to the connection."""
    rig.request(rig.hub_device(), "abcd")
    again = rig.hub_device()
    assert len(answers(rig.tick(1.0), again)) == 1
