"""The wire in memory behaves like the one over sockets, event by event."""

import math

import pytest

from doubles.drive import GROUP_KEY, HUB, SCOPE, ZERO_WALL, World, make_bundle
from doubles.loopback import DPS_HOST, HOP_S, TCP_S, TLS_S
from engine.emulator import packet
from engine.emulator.service import Options, Where
from engine.errors import LocalProtocolError, Outcome
from engine.ports import Wire
from engine.protocol import credentials, dps, hub, issuing, mqtt, sas, x509

NOISE = "$iothub/twin/GET/?$rid=1"


def dial(device_id="d-0", *, bundle=None, host=HUB, **fields):
    """A dial of the hub."""
    identity = mqtt.Identity(bundle.key, bundle.chain) if bundle else None
    return mqtt.Connect(host, 8883, device_id, hub.username(HUB, device_id), identity=identity, **fields)


def hear(world, until=math.inf):
    """The next events, without their channels where there is one."""
    return [event for _, event in world.wire.wait(until)]


def up(world, channel=0, device_id="d-0", **fields):
    """A connection to the hub."""
    world.wire.send(channel, dial(device_id, bundle=world.stored(device_id), **fields))
    ((source, event),) = world.wire.wait(math.inf)
    assert (source, type(event)) == (channel, mqtt.Connected)
    return event


def failure(world, command):
    """Why a dial came to nothing."""
    world.wire.send(0, command)
    (event,) = hear(world)
    assert isinstance(event, mqtt.Disconnected)
    assert not event.asked
    assert world.wire.open_connections == 0
    return event.failure.outcome, event.failure.code


def test_loopback_is_a_wire():
    """It can stand wherever the engine asks for one."""
    wire: Wire = World().wire
    wire.close()
    wire.close()
    assert wire.is_closed


def test_connected_has_the_parts_of_the_time_since_the_dial():
    """They add up."""
    world = World()
    event = up(world)
    assert (event.tcp_s, event.tls_s, event.connack_s) == pytest.approx((TCP_S, TLS_S, 2 * HOP_S))
    assert event.at == world.clock.now() == pytest.approx(TCP_S + TLS_S + 2 * HOP_S)


def test_commands_are_answered_in_order():
    """SUBACK with what was granted, PUBACK with the tag, messages as they come."""
    world = World()
    up(world)
    world.wire.send(0, mqtt.Subscribe(credentials.RESPONSES))
    world.wire.send(0, mqtt.Subscribe("nobody/may"))
    world.wire.send(0, mqtt.Publish(hub.events_topic("d-0"), b"{}", tag=7))
    world.wire.send(0, mqtt.Publish(hub.events_topic("d-0"), b"{}", tag=8, qos=0))
    events = hear(world)
    assert [type(event).__name__ for event in events] == ["Subscribed", "Subscribed", "Published"]
    assert [event.granted for event in events[:2]] == [1, 0x80]
    assert events[2].tag == 7
    assert world.service.report()["telemetry"] == 2


def test_unsubscribing_is_answered_and_ends_what_comes_in():
    """UNSUBACK with the topic; an answer that comes later is held back."""
    world = World()
    up(world)
    world.wire.send(0, mqtt.Subscribe(credentials.RESPONSES))
    world.wire.send(0, mqtt.Unsubscribe(credentials.RESPONSES))
    subscribed, unsubscribed = hear(world)
    assert isinstance(subscribed, mqtt.Subscribed)
    assert unsubscribed == mqtt.Unsubscribed(world.clock.now(), credentials.RESPONSES)
    world.wire.send(0, mqtt.Publish(credentials.request_topic("rid-1"), b"{}", tag=7))
    assert [type(event).__name__ for event in hear(world, 5.0)] == ["Published"]
    assert hear(world, 6.0) == []


def test_messages_come_in():
    """A request of a certificate is answered on the device's subscription."""
    world = World()
    up(world)
    world.wire.send(0, mqtt.Subscribe(credentials.RESPONSES))
    hear(world)
    csr = x509.build_csr(x509.generate_key(x509.KeyType.EC_P256), "d-0")
    body = credentials.request_payload("d-0", csr)
    world.wire.send(0, mqtt.Publish(credentials.request_topic("aaaa-1"), body, tag=1))
    published, accepted = hear(world)
    (issued,) = hear(world)
    assert isinstance(published, mqtt.Published)
    assert "/202/" in accepted.topic
    assert "/200/" in issued.topic
    assert issued.at - accepted.at == pytest.approx(0.15, abs=2 * HOP_S)


def test_disconnect_is_asked_for_and_harmless_twice():
    """It ends the connection, or the dial; where nothing is open it does nothing."""
    world = World()
    world.wire.send(0, mqtt.Disconnect())
    up(world)
    world.wire.send(0, mqtt.Disconnect())
    world.wire.send(0, mqtt.Disconnect())
    assert hear(world) == [mqtt.Disconnected(world.clock.now(), True)]
    world.wire.send(0, dial())
    world.wire.send(0, mqtt.Disconnect())
    assert hear(world) == [mqtt.Disconnected(world.clock.now(), True)]
    assert hear(world, world.clock.now() + 1.0) == []
    assert world.service.report()["closes"] == {"asked": 1}


@pytest.mark.parametrize("command", [mqtt.Subscribe("x"), mqtt.Publish("x", b"")])
def test_commands_that_make_no_sense_are_refused(command):
    """Before the CONNACK nothing can be sent, and a channel is dialled once; without a connection nothing happens."""
    world = World()
    world.wire.send(0, command)
    world.wire.send(0, dial())
    with pytest.raises(LocalProtocolError):
        world.wire.send(0, command)
    with pytest.raises(LocalProtocolError):
        world.wire.send(0, dial())


def test_commands_after_the_end_are_dropped():
    """Its Disconnected is on the way."""
    world = World()
    up(world)
    world.wire.cut(0)
    world.wire.send(0, mqtt.Publish(NOISE, b""))
    assert [type(event).__name__ for event in hear(world)] == ["Disconnected"]
    up(world)
    world.wire.send(0, mqtt.Disconnect())
    world.wire.send(0, mqtt.Publish(NOISE, b""))
    assert [event.asked for event in hear(world)] == [True]


def test_name_that_leads_nowhere_is_the_networks():
    """As from a resolver."""
    assert failure(World(), dial(host="nowhere.example")) == (Outcome.NETWORK, "EAI_NONAME")


def test_foreign_chain_is_refused_in_the_handshake():
    """The alert says so."""
    stranger = issuing.new_root(x509.KeyType.EC_P256, "stranger", now=ZERO_WALL)
    assert failure(World(), dial(bundle=make_bundle("d-0", issuer=stranger))) == (Outcome.TLS, "alert 48")


def test_foreign_chain_is_refused_at_connect_where_the_service_does_that():
    """The service's own switch."""
    world = World(Options(foreign=Where.CONNACK))
    stranger = issuing.new_root(x509.KeyType.EC_P256, "stranger", now=ZERO_WALL)
    wanted = dial(bundle=make_bundle("d-0", issuer=stranger))
    assert failure(world, wanted) == (Outcome.UNAUTHORIZED, "connack 5")


def test_missing_chain_is_refused_at_connect():
    """Nothing else proves who the device is."""
    assert failure(World(), dial()) == (Outcome.UNAUTHORIZED, "connack 5")


def test_chain_of_another_device_is_refused_at_connect():
    """Its name is not the one that logs in."""
    world = World()
    assert failure(world, dial("d-1", bundle=world.stored("d-0"))) == (Outcome.UNAUTHORIZED, "connack 5")


@pytest.mark.parametrize("broken", [{"key": b"none"}, {"chain": (b"none",)}, {"chain": ()}, {"key": None}])
def test_key_and_chain_that_do_not_belong_together_never_leave(broken):
    """TLS cannot be begun with them."""
    world = World()
    bundle = world.stored("d-0")
    fields = {"key": bundle.key, "chain": bundle.chain} | broken
    if fields["key"] is None:
        fields["key"] = make_bundle("d-0").key
    wanted = mqtt.Connect(HUB, 8883, "d-0", hub.username(HUB, "d-0"), identity=mqtt.Identity(**fields))
    assert failure(world, wanted) == (Outcome.TLS, "credentials")


def test_token_opens_the_provisioning_service():
    """Both services are behind the one wire."""
    world = World()
    token = sas.token(dps.sas_resource(SCOPE, "d-0"), sas.derive_key(GROUP_KEY, "d-0"), int(ZERO_WALL) + 3600)
    world.wire.send(0, mqtt.Connect(DPS_HOST, 8883, "d-0", dps.username(SCOPE, "d-0"), password=token))
    assert [type(event) for event in hear(world)] == [mqtt.Connected]


def test_connection_the_service_ends_is_disconnected():
    """A newer connection of the same device takes over."""
    world = World()
    up(world, 0)
    world.wire.send(1, dial(bundle=world.stored("d-0")))
    events = dict(world.wire.wait(math.inf))
    assert events[0].failure.code == "EOF"
    assert not events[0].asked
    assert isinstance(events[1], mqtt.Connected)


def test_connection_that_idles_is_kept_alive():
    """Pings keep the service from closing it; without them it would."""
    world = World()
    up(world, keep_alive_s=10)
    assert hear(world, 100.0) == []
    assert world.wire.open_connections == 1


def test_cut_is_seen_by_both_ends():
    """A dial is cut as well as a connection."""
    world = World()
    up(world)
    world.wire.cut(0)
    assert [event.failure.code for event in hear(world)] == ["ECONNRESET"]
    world.wire.send(0, dial())
    world.wire.cut(0)
    assert [event.failure.code for event in hear(world)] == ["ECONNRESET"]
    assert hear(world, 1.0) == []
    assert world.service.report()["closes"] == {"by peer": 1}


def test_swallowed_packets_never_come():
    """As if they were lost on a way that loses nothing else."""
    world = World()
    up(world)
    world.wire.swallows = lambda channel, sent: isinstance(sent, packet.Puback)
    world.wire.send(0, mqtt.Publish(hub.events_topic("d-0"), b"{}", tag=7))
    assert hear(world, 60.0) == []


def test_message_to_one_who_left_is_undelivered():
    """The service counts it, as behind sockets."""
    world = World()
    up(world)
    world.wire.send(0, mqtt.Subscribe("$iothub/twin/res/#"))
    hear(world)
    world.wire.send(0, mqtt.Publish(NOISE, b""))
    world.wire.after(1.5 * HOP_S, lambda: world.wire.send(0, mqtt.Disconnect()))
    hear(world)
    hear(world, 1.0)
    assert world.service.report()["undelivered"] == 1


def test_wait_ends_at_its_time_or_when_woken():
    """The clock is moved no further than that."""
    world = World()
    assert hear(world, 5.0) == []
    assert world.clock.now() == 5.0
    world.wire.after(2.0, world.wire.wake)
    assert hear(world, 9.0) == []
    assert world.clock.now() == 7.0
    world.wire.wake()
    assert hear(world, 9.0) == []
    assert world.clock.now() == 7.0


def test_wait_for_nothing_for_ever_is_a_mistake():
    """A test that hangs says so."""
    with pytest.raises(AssertionError, match="nothing will ever happen"):
        hear(World())


def test_close_drops_everything():
    """The service sees every connection end."""
    world = World()
    up(world)
    world.wire.send(1, dial("d-1"))
    world.wire.close()
    assert world.wire.open_connections == 0
    assert world.service.report()["closes"] == {"by peer": 1}
