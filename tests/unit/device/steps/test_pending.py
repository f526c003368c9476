"""A renewal whose answer is overdue, when the device is to make the next one: `certificate.onPending`."""

import json

import pytest

from doubles.drive import HUB, ISSUER, ROOT, ZERO_WALL, Puppet, assert_conserved, make_bundle, outcomes
from engine.device.backoff import Backoff
from engine.device.setup import Attempts, Timeouts
from engine.device.steps.renew import renew
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.protocol import credentials, issuing, x509
from engine.protocol.credentials import CODES, Reason, Refusal

WITHIN_S = 20.0
YIELDING = ("ask", "replace", "replace-any")
EXPIRES = "2027-01-15T08:00:00Z"


def waiting(mode, *, renewals=1, overdue=True):
    """A puppet that has asked, was told 202, and whose deadline has passed."""
    made = Puppet(
        renew,
        bundle=make_bundle("d-0"),
        on_pending=mode,
        verify="chain",
        attempts=Attempts(connect=1, renew=renewals),
        timeouts=Timeouts(certificate=WITHIN_S),
        backoff=Backoff(base_s=1.0, jitter=0.0),
    )
    made.start()
    made.connect()
    accept(made, rid(made))
    if overdue:
        made.expire()
        assert made.now == pytest.approx(0.2 + WITHIN_S)
    return made


def rid(made):
    """The id of its last request."""
    return made.publishes()[-1].topic.rpartition("=")[2]


def replaced(made):
    """Whom its last request is to replace."""
    return json.loads(made.publishes()[-1].payload).get("replace")


def accept(made, request):
    made.receive(credentials.response_topic(202, request), credentials.accepted_payload("c", EXPIRES))


def refuse(made, request, reason, *, active=""):
    code = CODES[reason]
    refusal = Refusal(reason, "no", request_id=active, correlation_id="c" if active else "", expires=EXPIRES)
    body = credentials.refused_payload(refusal, code, tracking_id="t", at="2023-11-14T22:13:20Z")
    made.receive(credentials.response_topic(code // 1000, request), body)


def issue(made, request):
    """A chain for the last CSR, under any request's id."""
    key = made.device.key or x509.key_from_der(made.device.bundle.key)
    made_csr = issuing.read_csr(x509.build_csr(key, "d-0"))
    leaf = issuing.issue_leaf(ISSUER, made_csr, mark=b"", begins=ZERO_WALL - 300, ends=ZERO_WALL + 86400)
    chain = (leaf, ISSUER.der, ROOT.der)
    made.receive(credentials.response_topic(200, request), credentials.issued_payload("c", chain))


def test_wait_gives_way_to_nobody():
    """The device is busy until its answer comes, the operation expires, or the run is over."""
    made = waiting("wait")
    assert made.session.is_busy
    assert not made.session.gives_way


@pytest.mark.parametrize("mode", YIELDING)
def test_device_gives_way_only_past_the_deadline(mode):
    """In time nobody may break a renewal off."""
    assert not waiting(mode, overdue=False).session.gives_way
    made = waiting(mode)
    assert made.session.is_busy
    assert made.session.gives_way


@pytest.mark.parametrize(("mode", "named"), [("ask", None), ("replace", "older"), ("replace-any", credentials.ANY)])
def test_next_request_breaks_off_the_older_one(mode, named):
    """What was open is lost, its iteration too, and the new request says what it is to replace."""
    made = waiting(mode)
    older = rid(made)
    made.start(due=made.now - 1.0)
    log = made.session.drain_log()
    lost = ["cert.request", "cert.issued", "iteration"]
    assert {name: ends for name, ends in outcomes(log).items() if "lost" in ends} == {
        name: ["lost"] for name in lost[1:]
    }
    assert outcomes(log)["cert.accepted"] == ["ok"]
    assert rid(made) != older
    assert replaced(made) == (older if named == "older" else named)
    assert not made.session.gives_way


def test_first_request_replaces_nobody():
    """There is nothing pending; replace-any says so in every request all the same."""
    assert replaced(waiting("replace", overdue=False)) is None
    assert replaced(waiting("replace-any", overdue=False)) == credentials.ANY


@pytest.mark.parametrize("mode", YIELDING)
def test_late_answer_that_comes_first_is_used(mode):
    """It is late, checked and saved; the device gives way no more while it is at that, and nothing is pending then."""
    made = waiting(mode)
    issue(made, rid(made))
    assert made.session.is_busy
    assert not made.session.gives_way
    made.save()
    log = made.session.drain_log()
    assert outcomes(log)["cert.issued"] == ["late"]
    assert outcomes(log)["cert.verified"] == outcomes(log)["iteration"] == ["ok"]
    assert made.device.pending == ""
    assert_conserved(log)


@pytest.mark.parametrize("mode", YIELDING)
def test_answer_to_the_broken_off_request_is_unmatched(mode):
    """It is never a success of the request that followed it."""
    made = waiting(mode)
    older = rid(made)
    made.start()
    made.session.drain_log()
    issue(made, older)
    assert made.session.is_busy
    newer = rid(made)
    issue(made, newer)
    made.save()
    log = made.session.drain_log()
    assert len(log.unmatched) == 1
    assert outcomes(log)["cert.issued"] == ["ok"]


def test_conflict_names_what_the_next_request_replaces():
    """The service knows better than we do which request is in the way."""
    made = waiting("replace")
    made.start()
    refuse(made, rid(made), Reason.CONFLICT, active="elsewhere-1")
    assert outcomes(made.session.drain_log())["cert.issued"][-1] == "conflict"
    made.start()
    assert replaced(made) == "elsewhere-1"


def test_request_that_had_ended_is_not_replaced_again():
    """412: the older request was answered meanwhile. The next one replaces nobody."""
    made = waiting("replace")
    made.start()
    refuse(made, rid(made), Reason.NOTHING_TO_REPLACE)
    assert outcomes(made.session.drain_log())["cert.issued"][-1] == "precondition"
    made.start()
    assert replaced(made) is None


@pytest.mark.parametrize("reason", [Reason.THROTTLED, Reason.UNAVAILABLE])
def test_refused_request_replaced_nobody(reason):
    """A 429 or 503 leaves the older request where it was, so the retry and the next request name that one."""
    made = waiting("replace", renewals=2)
    older = rid(made)
    made.start()
    for _ in range(2):
        assert replaced(made) == older
        refuse(made, rid(made), reason)
        if made.session.is_busy:
            made.expire()
    assert made.device.pending == older
    assert not made.session.is_busy
    made.start()
    assert replaced(made) == older
    assert_conserved_but_open(made)


def assert_conserved_but_open(made):
    made.session.stop(made.now)
    assert_conserved(made.session.drain_log())


def test_request_that_failed_after_its_202_leaves_nothing_pending():
    """It had taken the older one's place, and has ended itself."""
    made = waiting("replace")
    made.start()
    accept(made, rid(made))
    refuse(made, rid(made), Reason.UNAVAILABLE)
    assert made.device.pending == ""


def test_expired_operation_leaves_nothing_pending():
    """Nobody answers it any more."""
    made = waiting("replace")
    while made.session.is_busy:
        made.expire()
    assert outcomes(made.session.drain_log())["cert.issued"] == ["lost"]
    assert made.device.pending == ""


@pytest.mark.parametrize("mode", YIELDING)
def test_device_that_lost_its_connection_gives_way_again_when_it_is_back(mode):
    """While it reconnects nobody breaks it off."""
    made = waiting(mode)
    made.lose()
    assert not made.session.gives_way
    made.connect()
    assert made.session.gives_way
    assert made.device.bundle.hub == HUB


def test_connection_that_is_lost_for_good_keeps_what_is_pending():
    """The service may be working at it still."""
    made = waiting("replace")
    older = rid(made)
    made.lose()
    made.lose(Outcome.NETWORK, "ECONNREFUSED")
    assert outcomes(made.session.drain_log())["cert.issued"] == ["network"]
    assert made.device.pending == older
    made.start()
    made.connect()
    assert replaced(made) == older


def test_end_of_the_run_settles_a_device_that_gives_way():
    """What is overdue was lost, and so was its iteration."""
    made = waiting("replace")
    made.session.stop(made.now + 1.0)
    log = made.session.drain_log()
    assert outcomes(log)["cert.issued"] == outcomes(log)["iteration"] == ["lost"]
    assert not made.session.gives_way
    assert Operation.CERT_ISSUED not in {held.series.operation for held in made.session.open_operations}
