"""The accounting rules of the product, one test each, on one device against the emulator in memory."""

from dataclasses import replace

import pytest

from doubles.drive import HUB, World, assert_conserved, make_bundle, make_setup, outcomes, settled
from engine.device.attestations.symmetric import GroupKey
from engine.device.backoff import Backoff
from engine.device.log import Log
from engine.device.scenarios.renewal import CERT_RENEWAL
from engine.device.setup import Attempts, Timeouts
from engine.device.start import Start
from engine.device.steps.connect import connect, leave
from engine.device.steps.publish import publish
from engine.device.steps.register import register
from engine.device.steps.renew import renew
from engine.device.steps.verify import ready
from engine.emulator import packet
from engine.emulator.faults import Fault, Faults
from engine.emulator.service import Options, Where
from engine.emulator.throttle import Quotas
from engine.errors import Failure, Outcome
from engine.measure.operation import DropReason, Operation, Phase
from engine.protocol import issuing, x509

ALWAYS = {fault: Options(faults=Faults({fault: 1.0})) for fault in Fault}


def renewing(world, *, until=float("inf"), **setup):
    """A device that is connected, and the log of one renewal by it."""
    session = world.session(make_setup(**setup), bundle=world.stored("d-0"))
    world.drive(session, ready, phase=Phase.PREPARE)
    log = world.drive(session, *CERT_RENEWAL.steps, until=until)
    assert_conserved(log)
    return session, log


def test_rule_1_a_failed_iteration_owes_the_main_operation_it_never_reached():
    """A device that cannot connect has a dropped cert.issued, reason step-failed, beside its failed iteration."""
    world = World()
    world.wire.hosts.clear()
    session = world.session(make_setup(attempts=Attempts(connect=1)), bundle=make_bundle("d-0"))
    log = world.drive(session, *CERT_RENEWAL.steps)
    assert_conserved(log)
    assert outcomes(log) == {"hub.connect": ["network"], "iteration": ["network"], "cert.issued": ["dropped"]}
    (owed,) = settled(log, Operation.CERT_ISSUED)
    assert (owed.began, owed.code) == (None, DropReason.STEP_FAILED)


def test_rule_1_a_failed_iteration_that_reached_its_main_operation_owes_nothing():
    """A main operation that began has an end of its own."""
    _, log = renewing(World(ALWAYS[Fault.THROTTLED]))
    assert log.dropped == []
    assert outcomes(log)["cert.issued"] == ["throttled"]


def test_rule_2_slip_is_carried_by_every_operation():
    """What begins late because the iteration did is due as much earlier; actual latency does not see it."""
    world = World()
    session = world.session(bundle=world.stored("d-0"))
    world.drive(session, ready, phase=Phase.PREPARE)
    world.clock.sleep(7.0)
    begun = world.clock.now()
    for order in session.begin(Start((renew,), begun - 7.0, Phase.STEADY, Operation.CERT_ISSUED), begun):
        world.wire.send(0, order)
    session.stop(begun)
    for sample in session.drain_log().samples:
        assert sample.began - sample.due == pytest.approx(7.0)


def test_rule_4_what_was_never_answered_has_no_latency():
    """Lost and cancelled waits have no time to an answer, and nothing has a time without a begin."""
    _, log = renewing(World(ALWAYS[Fault.LOST]), until=1000.0)
    for sample in log.samples:
        if sample.outcome in (Outcome.LOST, Outcome.CANCELLED, Outcome.TIMEOUT):
            assert not sample.has_latency


def test_rule_4_a_second_200_is_unmatched():
    """A duplicate is counted beside the outcomes and is no success."""
    world = World()
    session = world.session(bundle=world.stored("d-0"))
    world.drive(session, ready, phase=Phase.PREPARE)
    hear, doubled = world.wire._hear, []

    def twice(link, heard):
        hear(link, heard)
        if isinstance(heard, packet.Publish) and "/200/" in heard.topic:
            doubled.append(heard)
            hear(link, heard)

    world.wire._hear = twice
    log = world.drive(session, *CERT_RENEWAL.steps)
    assert len(doubled) == 1
    assert [series.operation for series, _ in log.unmatched] == [Operation.CERT_ISSUED]
    assert outcomes(log)["cert.issued"] == ["ok"]
    assert_conserved(log)


def test_rule_5_a_200_after_the_deadline_is_late_with_its_true_age():
    """The answer settles the wait whenever it comes; the certificate is verified and stored like any other."""
    world = World(Options(faults=Faults(issue_delay_s=30.0)))
    session, log = renewing(world, timeouts=Timeouts(certificate=10.0))
    (issued,) = settled(log, Operation.CERT_ISSUED)
    assert issued.outcome is Outcome.LATE
    assert issued.ended - issued.began == pytest.approx(30.0, abs=0.1)
    assert [until - since for _, since, until in log.overdue] == [pytest.approx(20.0, abs=0.1)]
    assert outcomes(log)["cert.verified"] == outcomes(log)["iteration"] == ["ok"]
    assert session.device.bundle == world.saved[-1]
    assert session.device.bundle.generation == 2


def test_rule_5_an_overdue_wait_is_lost_at_the_drains_end():
    """A 202 without a 200 stays in flight past its deadline, then is lost, and its iteration with it."""
    world = World(ALWAYS[Fault.LOST])
    session, log = renewing(world, until=20.0, timeouts=Timeouts(certificate=10.0))
    assert outcomes(log) == {
        "cert.request": ["ok"],
        "cert.accepted": ["ok"],
        "cert.issued": ["lost"],
        "iteration": ["lost"],
    }
    assert not session.is_busy


def test_rule_5_a_wait_within_its_deadline_is_cancelled_at_the_drains_end():
    """What could still have been answered in time is nobody's loss."""
    _, log = renewing(World(ALWAYS[Fault.LOST]), until=5.0, timeouts=Timeouts(certificate=10.0))
    assert outcomes(log)["cert.issued"] == outcomes(log)["iteration"] == ["cancelled"]


def test_rule_5_an_operation_that_expires_is_lost():
    """When operationExpires passes, nothing is waited for any more."""
    _, log = renewing(World(ALWAYS[Fault.LOST]), timeouts=Timeouts(certificate=10.0))
    (issued,) = settled(log, Operation.CERT_ISSUED)
    assert (issued.outcome, issued.code) == (Outcome.LOST, "expired")
    assert issued.ended - issued.began == pytest.approx(12 * 3600, abs=2.0)


def test_rule_5_an_answer_acknowledges_the_request_too():
    """A 202 shows as well as the PUBACK that never came that the request arrived."""
    world = World()
    world.wire.swallows = lambda channel, sent: isinstance(sent, packet.Puback)
    _, log = renewing(world)
    assert outcomes(log)["cert.request"] == ["ok"]


def test_rule_5_telemetry_without_a_puback_is_lost_at_the_drains_end():
    """The device waits, overdue, and starts nothing else."""
    world = World()
    session = world.session(bundle=world.stored("d-0"))
    world.wire.swallows = lambda channel, sent: isinstance(sent, packet.Puback)
    log = world.drive(session, publish, main=Operation.TELEMETRY_PUBLISH, until=60.0)
    assert outcomes(log)["telemetry.publish"] == ["lost"]
    assert_conserved(log)


def test_rule_6_a_drop_between_202_and_200_costs_a_reconnect_and_no_certificate():
    """Reconnect, subscribe, the held 200 comes by itself: one ok cert.issued, one disconnect without a latency."""
    world = World(ALWAYS[Fault.DROPPED])
    session, log = renewing(world)
    found = outcomes(log)
    assert found["cert.request"] == found["cert.accepted"] == found["cert.issued"] == ["ok"]
    assert found["hub.disconnect"] == ["disconnected", "ok"]
    unasked = settled(log, Operation.HUB_DISCONNECT)[0]
    assert (unasked.began, unasked.has_latency) == (None, False)
    assert found["hub.connect"] == ["ok", "ok"]
    assert world.service.report()["cert"] == {"200": 1, "202": 1, "requests": 1}
    assert session.device.bundle.generation == 2


def test_rule_6_a_drop_before_the_202_repeats_the_same_request_id():
    """The PUBACK's wait ends as disconnected; the request goes out again, counted as a retry, and is answered."""
    world, cut = World(), []
    session = world.session(bundle=world.stored("d-0"))
    world.drive(session, ready, phase=Phase.PREPARE)
    world.wire.swallows = lambda channel, sent: _cut_before(world, channel, sent, cut)
    log = world.drive(session, *CERT_RENEWAL.steps)
    assert_conserved(log)
    assert outcomes(log)["cert.request"] == ["disconnected", "ok"]
    assert outcomes(log)["cert.accepted"] == outcomes(log)["cert.issued"] == ["ok"]
    assert [series.operation for series, _ in log.retries] == [Operation.CERT_REQUEST]
    assert world.service.report()["cert"]["requests"] == 2
    assert world.service.report()["cert"]["resubmitted"] == 1


def _cut_before(world, channel, sent, cut):
    """Swallow the first answers of any kind to a request, and break the connection."""
    if cut or not isinstance(sent, packet.Puback | packet.Publish):
        return False
    cut.append(sent)
    world.wire.cut(channel)
    return True


def test_rule_6_a_drop_under_telemetry_is_disconnected():
    """The PUBACK cannot come any more, because the connection was clean."""
    world = World()
    session = world.session(bundle=world.stored("d-0"))
    cut = []
    world.wire.swallows = lambda channel, sent: _cut_before(world, channel, sent, cut)
    log = world.drive(session, publish, main=Operation.TELEMETRY_PUBLISH)
    assert outcomes(log)["telemetry.publish"] == outcomes(log)["iteration"] == ["disconnected"]
    assert_conserved(log)


def test_telemetry_goes_on_after_a_connection_lost_between_messages():
    """A device that lost its connection while it paused connects before it publishes again."""
    world = World()
    session = world.session(bundle=world.stored("d-0"))
    world.wire.after(0.5, lambda: world.wire.cut(0))
    log = world.drive(session, publish, main=Operation.TELEMETRY_PUBLISH)
    assert outcomes(log)["telemetry.publish"] == ["ok"] * 3
    assert outcomes(log)["hub.connect"] == ["ok"] * 2


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (Fault.THROTTLED, "throttled", "429002"),
        (Fault.CONFLICT, "conflict", "409005"),
        (Fault.SERVER, "server", "503001"),
    ],
)
def test_an_error_answer_settles_every_wait_that_is_open(fault, outcome, code):
    """The failure share of cert.issued covers the whole renewal; the PUBACK came before."""
    _, log = renewing(World(ALWAYS[fault]))
    found = outcomes(log)
    assert found["cert.request"] == ["ok"]
    assert found["cert.accepted"] == found["cert.issued"] == found["iteration"] == [outcome]
    assert {s.code for s in settled(log, Operation.CERT_ISSUED)} == {code}
    assert log.retries == []


def test_rule_7_every_attempt_is_a_sample_and_retries_are_counted():
    """A renewal that is tried again has as many ends of each wait as it had attempts."""
    _, log = renewing(World(ALWAYS[Fault.THROTTLED]), attempts=Attempts(renew=3))
    found = outcomes(log)
    assert found["cert.issued"] == found["cert.accepted"] == ["throttled"] * 3
    assert found["cert.request"] == ["ok"] * 3
    assert found["iteration"] == ["throttled"]
    assert [series.operation for series, _ in log.retries] == [Operation.CERT_ISSUED] * 2


def test_rule_7_dps_429_is_tried_again_after_its_retry_after():
    """The service's own wait is kept to, where it is longer than ours."""
    world = World(Options(faults=Faults({Fault.DPS_THROTTLED: 1.0}, retry_after_s=77)))
    setup = make_setup(attempts=Attempts(register=3), backoff=Backoff(base_s=2.0))
    log = world.drive(world.session(setup), register, main=Operation.DPS_REGISTER)
    first, second, third = settled(log, Operation.DPS_REGISTER)
    assert {s.outcome for s in (first, second, third)} == {Outcome.THROTTLED}
    assert second.began - first.ended == pytest.approx(77.0, abs=0.1)
    assert second.due == second.began
    assert [series.operation for series, _ in log.retries] == [Operation.DPS_REGISTER] * 2
    assert_conserved(log)


def test_rule_7_a_wrong_group_key_is_unauthorized_at_once():
    """A refused credential is not tried again."""
    wrong = replace(make_setup().dps[0], attestation=GroupKey(b"another key"))
    for where, code in ((Where.CONNACK, "connack 5"), (Where.REGISTER, "401002")):
        world = World(Options(dps_refusal=where))
        log = world.drive(world.session(make_setup(dps=(wrong,))), register, main=Operation.DPS_REGISTER)
        (sample,) = settled(log, Operation.DPS_REGISTER)
        assert (sample.outcome, sample.code) == (Outcome.UNAUTHORIZED, code)
        assert log.retries == []


def test_a_certificate_for_another_key_is_unusable():
    """cert.issued is ok, cert.verified is not, and the device keeps what it had."""
    world = World(ALWAYS[Fault.UNUSABLE])
    session, log = renewing(world)
    assert outcomes(log)["cert.issued"] == ["ok"]
    (verified,) = settled(log, Operation.CERT_VERIFIED)
    assert (verified.outcome, verified.code) == (Outcome.UNUSABLE, "other-key")
    assert session.device.bundle.generation == 1
    assert world.saved == []
    again = world.drive(session, *CERT_RENEWAL.steps)
    assert settled(again, Operation.CERT_VERIFIED)[0].code == "wrong-order"


def test_a_certificate_that_the_hub_refuses_is_unusable():
    """cert.verified says unusable with the hub's code; hub.connect says what it saw."""
    world = World()
    session = world.session(bundle=world.stored("d-0"))
    world.drive(session, ready, phase=Phase.PREPARE)
    world.wire.after(3.0, lambda: world.service.registry.revoke("d-0"))
    log = world.drive(session, *CERT_RENEWAL.steps)
    (verified,) = settled(log, Operation.CERT_VERIFIED)
    assert (verified.outcome, verified.code) == (Outcome.UNUSABLE, "connack 5")
    assert outcomes(log)["hub.connect"] == ["unauthorized"]
    assert outcomes(log)["iteration"] == ["unusable"]
    assert_conserved(log)


def test_an_assigned_hub_outside_the_allow_list_is_blocked():
    """The registration fails as blocked, and nothing is saved or dialled."""
    world = World()
    session = world.session(make_setup(allows=lambda host: host != HUB))
    log = world.drive(session, register, connect, main=Operation.DPS_REGISTER)
    assert outcomes(log) == {"dps.register": ["blocked"], "iteration": ["blocked"]}
    assert session.device.bundle is None
    assert world.service.report()["dials"] == 1


def test_a_stored_hub_outside_the_allow_list_is_blocked_and_never_dialled():
    """The allow-list may be newer than the bundle; it is no reason to register again either."""
    world = World()
    session = world.session(make_setup(allows=lambda host: False), bundle=world.stored("d-0"))
    log = world.drive(session, ready, phase=Phase.PREPARE)
    assert outcomes(log) == {"hub.connect": ["blocked"]}
    assert world.service.report()["dials"] == 0
    assert world.wire.open_connections == 0
    assert (session.device.invalid, session.device.linked) == (False, False)


def prepared(world, on_invalid="reprovision", **setup):
    """A device whose stored certificate is revoked, after it prepared."""
    session = world.session(make_setup(on_invalid=on_invalid, **setup), bundle=world.stored("d-0"))
    world.service.registry.revoke("d-0")
    log = world.drive(session, ready, phase=Phase.PREPARE)
    assert_conserved(log)
    return session, log


def test_a_refused_stored_certificate_is_replaced():
    """onInvalid reprovision: a new key, a new certificate, one generation up, connected."""
    world = World()
    session, log = prepared(world)
    assert outcomes(log)["hub.connect"] == ["unauthorized", "ok"]
    assert outcomes(log)["dps.register"] == ["ok"]
    assert (session.device.bundle.generation, session.device.connected, session.device.invalid) == (2, True, False)


@pytest.mark.parametrize("on_invalid", ["skip", "fail"])
def test_a_refused_stored_certificate_is_marked(on_invalid):
    """onInvalid skip and fail: the device is invalid, and DPS is not asked."""
    session, log = prepared(World(), on_invalid)
    assert outcomes(log) == {"hub.connect": ["unauthorized"]}
    assert session.device.invalid


def test_a_refused_stored_certificate_is_marked_where_dps_must_not_be_asked():
    """source stored-only never calls DPS."""
    session, log = prepared(World(), may_provision=False)
    assert outcomes(log) == {"hub.connect": ["unauthorized"]}
    assert session.device.invalid


def test_a_device_without_state_is_not_provisioned_where_dps_must_not_be_asked():
    """There is nothing it could do."""
    world = World()
    session = world.session(make_setup(may_provision=False))
    assert world.drive(session, ready, phase=Phase.PREPARE) == Log()
    assert session.failure == Failure(Outcome.NOT_FOUND, "no-stored-state", "no usable state is stored for the device")


def test_a_foreign_stored_certificate_is_replaced_after_its_retries():
    """A TLS alert may be the network's; only after the last attempt is the certificate given up."""
    world = World()
    stranger = issuing.new_root(x509.KeyType.EC_P256, "stranger", now=1_700_000_000.0)
    session = world.session(bundle=make_bundle("d-0", issuer=stranger))
    log = world.drive(session, ready, phase=Phase.PREPARE)
    assert outcomes(log)["hub.connect"] == ["tls", "tls", "tls", "ok"]


def test_throttling_never_causes_a_reprovision():
    """A hub that lets nobody in now is waited for, and then failed on; the certificate is kept."""
    world = World(Options(quotas=Quotas(hub_connects_per_s=1e-6)))
    setup = make_setup(backoff=Backoff(base_s=1.0))
    first = world.session(setup, bundle=world.stored("d-0"))
    world.drive(first, connect, leave, phase=Phase.PREPARE)
    second = world.session(setup, bundle=world.stored("d-1"), index=1)
    log = world.drive(second, ready, phase=Phase.PREPARE)
    assert outcomes(log) == {"hub.connect": ["server"] * 3}
    assert [series.operation for series, _ in log.retries] == [Operation.HUB_CONNECT] * 2
    assert (second.device.invalid, second.device.bundle.generation) == (False, 1)


def test_a_save_that_fails_is_counted_and_the_device_goes_on():
    """A store's fault is state.save's failure; the certificate is used all the same."""
    world = World()
    world.save_failure = Failure(Outcome.SERVER, "store-unavailable", "devices")
    _, log = renewing(world)
    (saved,) = settled(log, Operation.STATE_SAVE)
    assert (saved.outcome, saved.code) == (Outcome.SERVER, "store-unavailable")
    assert outcomes(log)["iteration"] == outcomes(log)["cert.verified"] == ["ok"]


def test_new_keys_stay_in_step_with_their_certificates():
    """reuseKey false: a renewal that failed leaves the device with the key and the chain it had."""
    world = World(ALWAYS[Fault.THROTTLED])
    session, _ = renewing(world, reuse_key=False)
    assert outcomes(world.drive(session, leave, connect))["hub.connect"] == ["ok"]
    world.service.faults = Faults()
    log = world.drive(session, *CERT_RENEWAL.steps)
    assert outcomes(log)["iteration"] == outcomes(log)["cert.verified"] == ["ok"]
