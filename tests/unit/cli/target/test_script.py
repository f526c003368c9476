"""Requests that are repeated while what is wrong passes, and not otherwise."""

import pytest

from engine.cli.target.script import (
    DONE_WITHIN_S,
    PATIENCE_S,
    Ask,
    SetupFailed,
    accepted,
    carried_out,
    patiently,
    read,
)
from engine.errors import Failure, Outcome
from engine.protocol import arm
from engine.protocol.arm import Address
from tests.unit.cli.target.playing import LOST, Stage, answer, carry_out, error, play

ADDRESS = Address("https://arm.example", "/subscriptions/one", "1")
ASK = Ask(arm.put(ADDRESS, {"value": "canary"}), "scope", "the thing")
HIDDEN = Ask(ASK.request, "scope", "the secret", is_secret=True)
OPERATION = "https://arm.example/operations/1"


@pytest.mark.parametrize("passing", [LOST, error(429, "Busy"), error(408, "x"), error(500, "x"), error(504, "x")])
def test_what_passes_is_asked_again(passing: object):
    """With pauses that double, whether an answer came or not."""
    found, stage = play(patiently(ASK), [passing, passing, passing, answer(201)])
    assert (found.status, len(stage.asked)) == (201, 4)
    assert stage.clock.now() == 2 + 4 + 8
    assert len(stage.said) == 3


@pytest.mark.parametrize(
    "final", [error(400, "Bad"), error(401, "x"), error(403, "x"), error(404, "x"), error(501, "x")]
)
def test_what_does_not_pass_is_the_answer(final: object):
    """Once, and at once."""
    found, stage = play(patiently(ASK), [final])
    assert found is final
    assert (len(stage.asked), stage.clock.now()) == (1, 0)


def test_codes_that_pass_here_are_asked_again():
    """Those of Resource Manager, and numbers of the provisioning service."""
    first, second = error(403, "AuthorizationFailed"), answer(400, {"errorCode": 400004, "message": "x"})
    found, _ = play(patiently(ASK, passing={"AuthorizationFailed", "400004"}), [first, second, answer()])
    assert found.status == 200
    found, _ = play(patiently(ASK, passing={"400004"}), [first])
    assert found is first


def test_time_that_is_asked_for_is_waited():
    """Where it is longer than ours."""
    _, stage = play(
        patiently(ASK), [error(429, "Busy", retry_after="50"), error(429, "Busy", retry_after="1"), answer()]
    )
    assert stage.clock.now() == 50 + 4


def test_patience_has_an_end():
    """What came last is told, and how long it took."""
    stage = Stage([error(429, "Busy")])
    with pytest.raises(SetupFailed, match=r"the thing: 429 Busy, words; given up after [0-9]+ s"):
        carry_out(patiently(ASK), rest=stage, clock=stage.clock, say=stage.said.append)
    assert PATIENCE_S - 30 <= stage.clock.now() <= PATIENCE_S


def test_identity_without_token_is_told_at_once():
    """That does not pass."""
    with pytest.raises(SetupFailed, match="gets no token"):
        play(patiently(ASK), [Failure(Outcome.UNAUTHORIZED, "no-token", "this identity gets no token: X")])


def test_what_has_to_succeed_names_what_failed():
    """Status, code and words of the service; of what is secret no words."""
    with pytest.raises(SetupFailed, match=r"^the thing: 400 Bad, words$"):
        play(accepted(ASK), [error(400, "Bad")])
    with pytest.raises(SetupFailed, match=r"^the secret: 400 Bad$"):
        play(accepted(HIDDEN), [error(400, "Bad")])


def test_answer_that_is_not_json_is_told_by_its_status():
    """Gateways answer in their own words, which nobody needs."""
    with pytest.raises(SetupFailed, match=r"^the thing: 400 400$"):
        play(accepted(ASK), [answer(400, [1])])


def test_operation_is_followed_to_its_end():
    """At the pace that the service names, then every 5 s."""
    started = answer(202, None, azure_asyncoperation=OPERATION, retry_after="7")
    _, stage = play(
        carried_out(ASK), [started, LOST, answer(200, {"status": "Running"}), answer(200, {"status": "Succeeded"})]
    )
    assert [request.url for request in stage.asked[1:]] == [OPERATION] * 3
    assert stage.clock.now() == 7 + 2 + 5


def test_operation_that_failed_is_told():
    """By its code."""
    failed = answer(200, {"status": "Failed", "error": {"code": "Broken", "message": "words"}})
    with pytest.raises(SetupFailed, match="the thing: Broken, words"):
        play(carried_out(ASK), [answer(202, None, azure_asyncoperation=OPERATION), failed])


def test_operation_that_failed_with_what_passes_is_asked_for_again():
    """Within the same bound as everything."""
    started = answer(202, None, azure_asyncoperation=OPERATION)
    failed = answer(200, {"status": "Failed", "error": {"code": "Soon", "message": "words"}})
    _, stage = play(carried_out(ASK, passing={"Soon"}), [started, failed, answer(200)])
    assert [request.method for request in stage.asked] == ["PUT", "GET", "PUT"]
    endless = Stage([started, failed] * 1000)
    with pytest.raises(SetupFailed, match="Soon"):
        carry_out(carried_out(ASK, passing={"Soon"}), rest=endless, clock=endless.clock, say=endless.said.append)
    assert PATIENCE_S <= endless.clock.now() <= PATIENCE_S + 60


def test_operation_that_never_ends_is_given_up():
    """After half an hour."""
    with pytest.raises(SetupFailed, match="not done after 1800 s"):
        play(
            carried_out(ASK),
            [answer(202, None, azure_asyncoperation=OPERATION), answer(200, {"status": "Running"})],
        )
    assert DONE_WITHIN_S == 1800


@pytest.mark.parametrize("url", ["https://other.example/1", "http://arm.example/1", "https://arm.example:444/1"])
def test_token_does_not_follow_elsewhere(url: str):
    """Nothing is asked of another host, scheme or port."""
    stage = Stage([answer(202, None, location=url)])
    with pytest.raises(SetupFailed, match="leads to another host"):
        carry_out(carried_out(ASK), rest=stage, clock=stage.clock, say=stage.said.append)
    assert len(stage.asked) == 1


def test_resource_is_read_or_is_not_there():
    """404 is an answer, every other error is none."""
    found, _ = play(read(ADDRESS, "it"), [answer(200, {"a": 1})])
    assert found is not None
    assert found.values == {"a": 1}
    assert play(read(ADDRESS, "it"), [error(404, "ResourceNotFound")])[0] is None
    with pytest.raises(SetupFailed, match="it: 403 AuthorizationFailed"):
        play(read(ADDRESS, "it"), [error(403, "AuthorizationFailed")])
