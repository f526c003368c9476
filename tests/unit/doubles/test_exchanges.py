"""HTTP over the wire in memory behaves like HTTP over sockets, event by event."""

import math

import pytest

from doubles.drive import ZERO_WALL, World, make_bundle
from doubles.loopback import HOP_S, TCP_S, TLS_S, WEB_HOST
from engine.emulator.service import Options, Where
from engine.errors import LocalProtocolError, Outcome
from engine.protocol import http, issuing, mqtt, x509

PAGE = http.Request("GET", f"https://{WEB_HOST}/")
FOREIGN = issuing.new_issuer(issuing.new_root(x509.KeyType.EC_P256, "root", now=ZERO_WALL), "other", now=ZERO_WALL)


def hear(world):
    """The next event."""
    ((_, event),) = world.wire.wait(math.inf)
    return event


def asked(world, request, channel=0):
    """What comes of a request."""
    world.wire.send(channel, request)
    return hear(world)


def as_(bundle):
    """The page, with a client certificate."""
    return http.Request("GET", PAGE.url, identity=mqtt.Identity(bundle.key, bundle.chain))


def test_request_is_answered_by_the_service():
    """After dial, handshake, and a hop each way."""
    world = World()
    event = asked(world, PAGE)
    assert isinstance(event, http.Responded)
    assert event.response.status == 200
    assert event.at == world.clock.now() == pytest.approx(TCP_S + TLS_S + 2 * HOP_S)
    assert world.service.report()["http.get"] == 1


def test_connection_is_kept_per_channel():
    """The next request to the same place as the same client saves the dial; any other one does not."""
    world = World()
    asked(world, PAGE)
    began = world.clock.now()
    assert asked(world, PAGE).at - began == pytest.approx(2 * HOP_S)
    bundle = world.stored("d-0")
    for channel, request in ((1, PAGE), (0, as_(bundle)), (0, PAGE), (0, http.Request("GET", f"http://{WEB_HOST}/"))):
        before = world.service.report()["dials"]
        assert asked(world, request, channel).response.status == 200
        assert world.service.report()["dials"] == before + 1


def test_plain_http_has_no_handshake():
    """Only the dial."""
    event = asked(World(), http.Request("GET", f"http://{WEB_HOST}/"))
    assert event.at == pytest.approx(TCP_S + 2 * HOP_S)


def test_unknown_host_does_not_resolve():
    """A failure of the network, after the time of a dial."""
    event = asked(World(), http.Request("GET", "https://nowhere.example/"))
    assert isinstance(event, http.Unanswered)
    assert (event.failure.outcome, event.failure.code) == (Outcome.NETWORK, "EAI_NONAME")


def test_refused_certificate_ends_the_handshake():
    """One that is foreign, and one whose key is another's."""
    world = World(Options(foreign=Where.ALERT))
    event = asked(world, as_(make_bundle("d-0", issuer=FOREIGN)))
    assert (event.failure.outcome, event.failure.code) == (Outcome.TLS, "alert 48")
    mixed = mqtt.Identity(world.stored("d-0").key, world.stored("d-1").chain)
    event = asked(world, http.Request("GET", PAGE.url, identity=mixed))
    assert (event.failure.outcome, event.failure.code) == (Outcome.TLS, "credentials")


def test_one_request_per_channel_is_open():
    """A second one is a mistake of ours; abandoning makes room."""
    world = World()
    world.wire.send(0, PAGE)
    with pytest.raises(LocalProtocolError):
        world.wire.send(0, PAGE)
    world.wire.send(0, http.Abandon())
    assert asked(world, PAGE).response.status == 200


@pytest.mark.parametrize("after_s", [0.0, TCP_S, TCP_S + TLS_S + HOP_S])
def test_abandoned_request_is_never_answered(after_s):
    """Whenever it is given up; what the service has read it has done all the same."""
    world = World()
    world.wire.send(0, PAGE)
    assert world.wire.wait(after_s) == []
    world.wire.send(0, http.Abandon())
    world.wire.send(0, http.Abandon())
    assert world.wire.wait(10.0) == []
    assert world.service.report()["http.get"] == (after_s > TCP_S)


def test_exchange_and_connection_share_a_channel():
    """MQTT goes on beside it."""
    world = World()
    bundle = world.stored("d-0")
    world.wire.send(0, world.session(bundle=bundle).device.dial_hub())
    world.wire.send(0, PAGE)
    assert {type(event) for _, event in world.wire.wait(math.inf)} == {mqtt.Connected, http.Responded}


def test_pages_and_mutes_are_the_tests():
    """A page is answered as it says, and a muted request never."""
    world = World()
    world.wire.pages[PAGE.url] = http.Response(418)
    assert asked(world, PAGE).response.status == 418
    world.wire.mutes = lambda channel, request: request.method == "GET"
    world.wire.send(0, PAGE)
    assert world.wire.wait(10.0) == []


def test_closing_forgets_requests():
    """No event comes any more."""
    world = World()
    world.wire.send(0, PAGE)
    world.wire.close()
    assert world.wire.wait(10.0) == []
