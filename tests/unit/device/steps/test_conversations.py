"""The steps' conversations by hand: what the emulator does not do."""

import math

import pytest

from doubles.drive import HUB, Puppet, World, assert_conserved, make_bundle, make_setup, outcomes, settled
from engine.device.backoff import Backoff
from engine.device.scenarios.provision import PROVISION
from engine.device.setup import Attempts, Timeouts
from engine.device.steps.connect import connect, connect_bare, connected, leave
from engine.device.steps.pause import stay
from engine.device.steps.publish import publish
from engine.device.steps.register import POLL_AFTER_S, register
from engine.device.steps.renew import renew
from engine.device.steps.save import save
from engine.device.steps.verify import prove_first
from engine.device.steps.waiting import DISCONNECT_WITHIN_S
from engine.errors import Failure, Outcome
from engine.measure.operation import Operation, Phase
from engine.protocol import credentials, dps, hub, mqtt

ONCE = Attempts(register=1, connect=1)


def begun(*steps, bundle=True, **setup):
    """A puppet that has begun."""
    made = Puppet(*steps, bundle=make_bundle("d-0") if bundle else None, **({"attempts": ONCE} | setup))
    made.start()
    return made


def ended(made, operation):
    """The one sample of the operation, once the puppet is idle."""
    assert not made.session.is_busy
    log = made.session.drain_log()
    assert_conserved(log)
    (sample,) = settled(log, operation)
    return sample


# Connecting.


def test_connect_is_nothing_where_there_is_a_connection():
    """It does not dial twice, subscribed or bare."""
    made = begun(connect, connect, connect_bare)
    made.connect()
    assert [type(order) for order in made.orders] == [mqtt.Connect, mqtt.Subscribe]
    assert not made.session.is_busy


def test_connect_presents_the_bundle():
    """Host, name, key and chain are the stored ones."""
    made = begun(connect)
    (dial,) = made.take()
    bundle = made.device.bundle
    assert (dial.host, dial.client_id, dial.username) == (HUB, "d-0", hub.username(HUB, "d-0"))
    assert dial.identity == mqtt.Identity(bundle.key, bundle.chain)


def test_refused_connect_is_reported_at_once():
    """With the CONNACK's code; nothing is left to close."""
    made = begun(connect)
    made.lose(Outcome.UNAUTHORIZED, "connack 5")
    sample = ended(made, Operation.HUB_CONNECT)
    assert (sample.outcome, sample.code) == (Outcome.UNAUTHORIZED, "connack 5")
    assert (made.device.linked, made.device.connected) == (False, False)
    assert [type(order) for order in made.orders] == [mqtt.Connect]


def test_refused_subscription_ends_the_connection():
    """It is unauthorized, and the device is left unlinked."""
    made = begun(connect)
    made.hear(lambda at: mqtt.Connected(at, 0.0, 0.0, 0.0))
    made.hear(lambda at: mqtt.Subscribed(at, credentials.RESPONSES, 0x80))
    assert made.device.linked
    made.closed()
    sample = ended(made, Operation.HUB_CONNECT)
    assert (sample.outcome, sample.code) == (Outcome.UNAUTHORIZED, "suback 128")
    assert (made.device.linked, made.device.connected) == (False, False)
    assert made.session.failure.outcome is Outcome.UNAUTHORIZED


def test_connect_that_takes_too_long_times_out():
    """The dial is given up by a Disconnect, and its end is waited for."""
    made = begun(connect, timeouts=Timeouts(connect=5.0))
    made.expire()
    assert made.now == 5.0
    assert made.orders[-1] == mqtt.Disconnect()
    made.closed()
    assert ended(made, Operation.HUB_CONNECT).outcome is Outcome.TIMEOUT


def test_connect_closes_what_an_earlier_story_left_open():
    """The new dial is not made before the old connection has ended."""
    made = begun(connect)
    made.session.fail(Failure(Outcome.INTERNAL))
    made.take()
    made.session.drain_log()
    made.start()
    assert made.take() == [mqtt.Disconnect()]
    made.closed()
    assert [type(order) for order in made.take()] == [mqtt.Connect]
    made.connect()
    assert ended(made, Operation.HUB_CONNECT).outcome is Outcome.OK


def test_connection_that_does_not_close_is_a_timeout():
    """Leaving is given up, and so is a dial behind it."""
    made = begun(connect, leave)
    made.connect()
    made.expire()
    assert made.now == pytest.approx(0.2 + DISCONNECT_WITHIN_S)
    assert ended(made, Operation.HUB_DISCONNECT).outcome is Outcome.TIMEOUT
    made.start()
    made.expire()
    made.expire()
    assert ended(made, Operation.HUB_CONNECT).outcome is Outcome.TIMEOUT
    assert not [order for order in made.orders[2:] if isinstance(order, mqtt.Connect)]


def test_events_of_the_old_connection_do_not_confuse_the_next():
    """A PUBACK or message that comes while we leave is none of the new connection's."""
    made = begun(connect, leave, connect)
    made.connect()
    made.hear(lambda at: mqtt.Published(at, 99))
    made.receive("$iothub/credentials/res/200/?$rid=old-1", b"{}")
    made.closed()
    made.connect()
    assert not made.session.is_busy
    log = made.session.drain_log()
    assert outcomes(log)["hub.connect"] == ["ok", "ok"]
    assert len(log.unmatched) == 1


def test_stay_holds_and_leaves():
    """The connection lives as long as the spec's hold, and is then closed."""
    made = begun(connect, stay, hold_s=4.0)
    made.connect()
    made.expire()
    assert made.now == pytest.approx(4.2)
    assert made.orders[-1] == mqtt.Disconnect()


def test_stay_is_over_at_once_where_the_connection_is_kept_for_the_run():
    """hold: run leaves leaving to whoever ends the run."""
    made = begun(connect, connected, stay, hold_s=math.inf)
    made.connect()
    assert not made.session.is_busy
    assert made.device.connected


def test_leave_is_nothing_where_there_is_no_connection():
    """No disconnect is counted."""
    made = begun(leave)
    assert outcomes(made.session.drain_log()) == {"iteration": ["ok"]}


# Registering.


def registering(**setup):
    """A puppet that is connected to DPS and has asked."""
    made = begun(register, bundle=False, main=Operation.DPS_REGISTER, **setup)
    made.connect()
    return made


def rid(made):
    """The id of its last request."""
    return made.publishes()[-1].topic.rpartition("$rid=")[2].partition("&")[0]


def test_register_polls_when_the_service_says():
    """After retry-after, else after the SDKs' two seconds, for as long as it is assigning."""
    made = registering()
    made.receive(dps.reply_topic(202, rid(made), 7), dps.assigning_payload("op"))
    assert made.session.wake_at == pytest.approx(made.now + 7.0)
    made.expire()
    made.receive(dps.reply_topic(202, rid(made)), dps.assigning_payload("op"))
    assert made.session.wake_at == pytest.approx(made.now + POLL_AFTER_S)
    made.expire()
    assert [publish.topic.count("operationId=op") for publish in made.publishes()] == [0, 1, 1]
    assert len({publish.topic for publish in made.publishes()}) == 3


def test_register_does_not_rest_past_its_deadline():
    """A service that asks for more patience than there is gets a timeout."""
    made = registering(timeouts=Timeouts(register=30.0))
    made.receive(dps.reply_topic(202, rid(made), 3600), dps.assigning_payload("op"))
    made.expire()
    made.closed()
    sample = ended(made, Operation.DPS_REGISTER)
    assert (sample.outcome, sample.ended) == (Outcome.TIMEOUT, 30.0)


def test_register_counts_answers_nobody_waits_for():
    """To another request, while it rests, or while it leaves: unmatched, and none of the hub's conversation."""
    made = registering(timeouts=Timeouts(register=30.0))
    made.receive(dps.reply_topic(202, "else", 7), dps.assigning_payload("op"))
    made.receive(dps.reply_topic(202, rid(made), 7), dps.assigning_payload("op"))
    made.receive(dps.reply_topic(202, rid(made), 7), dps.assigning_payload("op"))
    made.expire()
    made.expire()
    made.receive(dps.reply_topic(202, rid(made), 7), dps.assigning_payload("op"))
    made.closed()
    log = made.session.drain_log()
    assert [series.operation for series, _ in log.unmatched] == [Operation.DPS_REGISTER] * 3
    assert made.device.inbox == []


def test_register_hears_a_connection_that_ends_while_it_rests():
    """It is disconnected, at once."""
    made = registering()
    made.receive(dps.reply_topic(202, rid(made), 7), dps.assigning_payload("op"))
    made.hear(lambda at: mqtt.Published(at, 5))
    made.lose()
    assert ended(made, Operation.DPS_REGISTER).outcome is Outcome.DISCONNECTED


@pytest.mark.parametrize(
    ("topic", "payload", "outcome"),
    [
        ("$dps/registrations/res/200/?$rid=", b"not json", Outcome.PROTOCOL),
        ("something/else/", b"{}", Outcome.PROTOCOL),
        ("$dps/registrations/res/500/?$rid=", b'{"errorCode":500001,"message":"m"}', Outcome.SERVER),
    ],
)
def test_register_fails_as_it_was_answered(topic, payload, outcome):
    """What the contract does not allow is protocol."""
    made = registering()
    made.receive(topic + rid(made), payload)
    made.closed()
    assert ended(made, Operation.DPS_REGISTER).outcome is outcome


def test_register_without_a_chain_is_unusable():
    """An assignment alone is no certificate."""
    made = registering()
    assigned = dps.assigned_payload("op", "d-0", assignment=dps.Assignment(HUB, "d-0"), created="2025-01-01T00:00:00Z")
    made.receive(dps.reply_topic(200, rid(made)), assigned)
    made.closed()
    sample = ended(made, Operation.DPS_REGISTER)
    assert (sample.outcome, sample.code) == (Outcome.UNUSABLE, "no-chain")
    assert made.device.bundle is None


def test_register_leaves_the_hub_first():
    """A device that an iteration left connected registers on a connection of its own."""
    world = World()
    session = world.session(bundle=world.stored("d-0"))
    world.drive(session, connect, phase=Phase.PREPARE)
    log = world.drive(session, register, main=Operation.DPS_REGISTER)
    assert outcomes(log) == {
        "hub.disconnect": ["ok"],
        "dps.register": ["ok"],
        "state.save": ["ok"],
        "iteration": ["ok"],
    }
    assert session.device.bundle.generation == 2


# Proving, renewing, saving, publishing.


@pytest.mark.parametrize("reuse_key", [True, False])
@pytest.mark.parametrize(("verify", "connects"), [("reconnect", 1), ("chain", 0), ("none", 0)])
def test_first_certificate_is_proved_as_asked(reuse_key, verify, connects):
    """By a connect, by its chain alone, or not at all; with a new key per request as well."""
    world = World()
    log = world.drive(world.session(make_setup(reuse_key=reuse_key, verify=verify)), *PROVISION.steps)
    found = outcomes(log)
    assert found["iteration"] == ["ok"]
    assert found.get("cert.verified", []) == ([] if verify == "none" else ["ok"])
    assert len(found.get("hub.connect", [])) == connects


def test_first_certificate_that_another_key_belongs_to_is_unusable():
    """The bundle's own key is what it must fit."""
    made = begun(prove_first)
    made.session.stop(0.0)
    made.device.bundle = type(made.device.bundle)("d-0", HUB, make_bundle("d-0").key, made.device.bundle.chain)
    made.session.drain_log()
    made.start()
    assert ended(made, Operation.CERT_VERIFIED).code == "other-key"


def test_renewal_told_nonsense_is_protocol():
    """All three waits end with it."""
    made = begun(renew)
    made.connect()
    made.receive("$iothub/credentials/res/200/?$rid=x", b"not json")
    found = outcomes(made.session.drain_log())
    assert found["cert.request"] == found["cert.accepted"] == found["cert.issued"] == ["protocol"]


def test_renewal_passes_over_answers_to_others():
    """They are unmatched; a PUBACK of something else is nothing."""
    made = begun(renew)
    made.connect()
    made.receive(credentials.response_topic(202, "else-1"), credentials.accepted_payload("c", ""))
    made.hear(lambda at: mqtt.Published(at, 12345))
    made.hear(lambda at: mqtt.Subscribed(at, "late", 1))
    assert made.session.is_busy
    assert [series.operation for series, _ in made.session.log.unmatched] == [Operation.CERT_ISSUED]


def test_renewal_accepted_twice_is_accepted_once():
    """A 202 to a repeated request, and one that names no end."""
    made = begun(renew)
    made.connect()
    for _ in range(2):
        made.receive(credentials.response_topic(202, rid(made)), credentials.accepted_payload("c", ""))
    made.acknowledge(made.publishes()[-1].tag)
    assert outcomes(made.session.log)["cert.accepted"] == outcomes(made.session.log)["cert.request"] == ["ok"]


def test_renewal_that_cannot_reconnect_ends_with_that():
    """The waits that were left open end as the connect did."""
    made = begun(renew, backoff=Backoff(base_s=1.0))
    made.connect()
    made.acknowledge(made.publishes()[-1].tag)
    made.lose()
    made.lose(Outcome.NETWORK, "ECONNREFUSED")
    log = made.session.drain_log()
    assert_conserved(log)
    assert outcomes(log)["cert.request"] == ["ok"]
    assert outcomes(log)["cert.accepted"] == outcomes(log)["cert.issued"] == outcomes(log)["iteration"] == ["network"]


def test_renewal_expires_no_later_than_the_operation():
    """operationExpires may be nearer than our own deadline."""
    made = begun(renew)
    made.connect()
    expires = "2023-11-14T22:14:00.000Z"  # forty seconds after the setup's zero
    made.receive(credentials.response_topic(202, rid(made)), credentials.accepted_payload("c", expires))
    made.expire()
    assert ended(made, Operation.CERT_ISSUED).outcome is Outcome.LOST
    assert made.now == pytest.approx(40.0)


def test_save_keeps_messages_and_waits_for_its_answer():
    """Nothing else ends it."""
    made = begun(save)
    made.receive("$iothub/credentials/res/200/?$rid=x", b"{}")
    made.lose()
    assert made.session.is_busy
    made.save()
    assert outcomes(made.session.log)["state.save"] == ["ok"]
    assert len(made.session.log.unmatched) == 1


def test_telemetry_has_its_size_and_its_pace():
    """So many bytes, each acknowledged before the next, with a pause between."""
    made = begun(publish, main=Operation.TELEMETRY_PUBLISH)
    made.connect()
    for n in range(3):
        (message,) = made.publishes()
        made.take()
        assert len(message.payload) == 256
        made.hear(lambda at: mqtt.Published(at, 0))
        made.acknowledge(message.tag)
        if n < 2:
            assert made.session.wake_at == pytest.approx(made.now + 1.0)
            made.expire()
    assert outcomes(made.session.log)["telemetry.publish"] == ["ok"] * 3
