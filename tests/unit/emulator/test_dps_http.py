"""Registrations over HTTPS, through the whole service, asked by the calls that devices make."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options
from engine.emulator.throttle import Quotas
from engine.errors import Outcome
from engine.protocol import dps, dps_http, sas, x509
from engine.protocol.dps_http import Caller
from engine.protocol.http import Request, Response
from unit.emulator.rig import GROUP_KEY, HUB, NOW, SCOPE, Rig


def caller(device_id: str = "d-1", *, key: bytes = GROUP_KEY) -> Caller:
    """A device that proves itself by a token."""
    resource = dps.sas_resource(SCOPE, device_id)
    token = sas.token(resource, sas.derive_key(key, device_id), int(NOW) + 3600)
    return Caller("localhost", 8883, SCOPE, device_id, token)


def reply(rig: Rig, request: Request, chain: Sequence[bytes] = ()) -> dps.Reply:
    """What the device reads in the answer."""
    return dps_http.read_response(rig.call(request, chain))


def look_up(who: Caller) -> Request:
    """A question for the last registration."""
    return replace(who.register(None), method="POST", url=who.register(None).url.replace("/register", ""))


def error(answer: Response) -> tuple[int, int]:
    """The status, and the code in the body."""
    return answer.status, json.loads(answer.body)["errorCode"]


def counts(rig: Rig, group: str) -> object:
    return rig.service.report()[group]


def test_registration_is_accepted_and_then_assigned(rig: Rig) -> None:
    """202 with Retry-After until it is ready, then 200 with the hub and a chain for the key that asked."""
    first = reply(rig, caller().register(rig.csr()))
    assert (first.status, first.retry_after_s, first.state) == (202, 1.0, dps.Status.ASSIGNING)
    assert reply(rig, caller().poll(first.operation_id)).status == 202
    rig.now += 0.2
    last = reply(rig, caller().poll(first.operation_id))
    assert last.assignment is not None
    assert (last.assignment.hub, last.assignment.device_id) == (HUB, "d-1")
    assert x509.check_chain(last.assignment.chain, rig.key, NOW) is None
    assert counts(rig, "dps.register") == {"200": 1, "202": 1, "requests": 1}
    assert counts(rig, "dps.poll") == {"200": 1, "202": 1, "requests": 2}


def test_a_registration_goes_on_over_the_other_protocol(rig: Rig) -> None:
    """The operation is the device's, however it was begun."""
    first = reply(rig, caller().register(None))
    rig.now += 1
    answer = rig.service._provisioning.answer(
        "d-1", dps.poll_topic("1", first.operation_id), payload=b"", faults=Faults(), now=rig.now
    )
    assert dps.parse_reply(answer.topic, answer.payload).assignment is not None


def test_the_last_registration_can_be_looked_up(rig: Rig) -> None:
    """404 before there is one, then its state."""
    assert error(rig.call(look_up(caller()))) == (404, 404201)
    reply(rig, caller().register(rig.csr()))
    assert json.loads(rig.call(look_up(caller())).body) == {"registrationId": "d-1", "status": "assigning"}
    rig.now += 0.2
    state = json.loads(rig.call(look_up(caller())).body)
    assert (state["status"], state["assignedHub"], len(state["issuedCertificateChain"])) == ("assigned", HUB, 3)
    assert counts(rig, "dps.lookup") == {"200": 2, "404": 1, "requests": 3}
    assert counts(rig, "dps.poll") == {}


def test_certificates_of_the_onboarding_ca_prove_a_device(rig: Rig) -> None:
    """Those with its name; an operational one does not, and neither does a token beside it."""
    bare = replace(caller(), token=None)
    assert reply(rig, bare.register(None), rig.onboarding_chain()).status == 202
    assert reply(rig, bare.register(None), rig.onboarding_chain("d-2")).status == 401
    assert reply(rig, bare.register(None), rig.chain()).status == 401
    assert reply(rig, caller().register(None), rig.chain()).status == 401
    assert reply(rig, bare.register(None)).status == 401


@pytest.mark.parametrize("kind", ["register", "poll", "look_up"])
def test_every_request_is_proved(rig: Rig, kind: str) -> None:
    """A token of another key or another device is 401, and each is counted where it belongs."""
    good = caller()
    first = reply(rig, good.register(None))
    for bad in (caller(key=b"other"), replace(good, token=caller("d-2").token), replace(good, token=None)):
        requests = {"register": bad.register(None), "poll": bad.poll(first.operation_id), "look_up": look_up(bad)}
        answer = rig.call(requests[kind])
        assert error(answer) == (401, 401002)
        failure = dps_http.read_response(answer).failure
        assert failure is not None
        assert failure.outcome is Outcome.UNAUTHORIZED
    group = counts(rig, {"register": "dps.register", "poll": "dps.poll", "look_up": "dps.lookup"}[kind])
    assert isinstance(group, dict)
    assert group["401"] == 3


def test_wrong_requests_are_refused(rig: Rig) -> None:
    """A bad body, another id scope, no api-version, another method, another operation, another name in the body."""
    good = caller().register(None)
    assert error(rig.call(replace(good, body=b"{"))) == (400, 400004)
    assert error(rig.call(replace(good, body=dps.register_payload("d-2", None)))) == (400, 400004)
    assert error(rig.call(replace(good, body=dps.register_payload("d-1", rig.csr("d-2"))))) == (400, 400004)
    assert error(rig.call(replace(good, url=good.url.replace(SCOPE, "0ne9")))) == (404, 404201)
    assert error(rig.call(replace(good, url=good.url.partition("?")[0]))) == (400, 400004)
    assert error(rig.call(replace(good, url=good.url + "&api-version=2"))) == (400, 400004)
    assert rig.call(replace(good, method="DELETE")).status == 405
    assert error(rig.call(caller().poll("4.x"))) == (404, 404201)
    assert rig.call(replace(good, url=good.url.replace("/registrations/", "/devices/"))).status == 404


def test_throttled_registrations_say_how_long_to_wait(rig: Rig) -> None:
    """A fault answers 429 with its delay in a header."""
    rig.set_faults(Faults({Fault.DPS_THROTTLED: 1.0}, retry_after_s=7))
    answer = rig.call(caller().register(None))
    assert (error(answer), answer.header("retry-after")) == ((429, 429001), "7")


def test_both_protocols_share_a_quota(new_rig: Callable[[Options], Rig]) -> None:
    """One a second, whoever asks how."""
    rig = new_rig(Options(quotas=Quotas(dps_registers_per_s=1.0)))
    assert [rig.call(caller(name).register(None)).status for name in ("d-1", "d-2")] == [202, 429]
