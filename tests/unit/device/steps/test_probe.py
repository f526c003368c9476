"""Asking for a page, and following where it leads."""

import pytest

from doubles.drive import Puppet, World, assert_conserved, make_setup, outcomes, settled
from doubles.loopback import HOP_S, TCP_S, TLS_S, WEB_HOST
from engine.device.setup import Timeouts
from engine.device.steps.probe import MOST_REDIRECTS, probe
from engine.errors import Outcome
from engine.measure.operation import Operation
from engine.protocol import http

ROOT = f"https://{WEB_HOST}/"


def allows_web(host):
    """Nobody may be asked but the page's own host and one other."""
    return host in (WEB_HOST, "hub-1.example")


def probed(world, **setup):
    """How one probe ended."""
    session = world.session(make_setup(**{"allows": allows_web, **setup}))
    log = world.drive(session, probe, main=Operation.HTTP_GET)
    assert_conserved(log)
    (sample,) = settled(log, Operation.HTTP_GET)
    return sample


def moved(status, location):
    """A redirect."""
    return http.Response(status, (("location", location),))


def test_page_that_is_there_is_ok():
    """From the dial to the whole answer; the second time the connection is there already."""
    world = World()
    session = world.session()
    first = world.drive(session, probe, main=Operation.HTTP_GET)
    again = world.drive(session, probe, main=Operation.HTTP_GET)
    assert outcomes(first) == outcomes(again) == {"http.get": ["ok"], "iteration": ["ok"]}
    took = [sample.ended - sample.began for log in (first, again) for sample in settled(log, Operation.HTTP_GET)]
    assert took == pytest.approx([TCP_S + TLS_S + 2 * HOP_S, 2 * HOP_S])
    assert world.service.report()["http.get"] == 2


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Outcome.OK),
        (304, Outcome.PROTOCOL),
        (401, Outcome.UNAUTHORIZED),
        (404, Outcome.NOT_FOUND),
        (418, Outcome.BAD_REQUEST),
        (503, Outcome.SERVER),
    ],
)
def test_status_decides(status, outcome):
    """2xx is ok, everything else has its outcome and is its own code."""
    world = World()
    world.wire.pages[ROOT] = http.Response(status)
    sample = probed(world)
    assert (sample.outcome, sample.code) == (outcome, "" if outcome is Outcome.OK else str(status))


def test_throttled_probe_rests_as_it_is_told():
    """The device is not free again before that."""
    world = World()
    world.wire.pages[ROOT] = http.Response(429, (("retry-after", "100"),))
    session = world.session()
    log = world.drive(session, probe, main=Operation.HTTP_GET)
    assert outcomes(log) == {"http.get": ["throttled"], "iteration": ["throttled"]}
    assert session.rest_s == 100.0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_within_the_operation(status):
    """One sample, as long as all of it."""
    world = World()
    world.wire.pages[ROOT] = moved(status, "/a")
    world.wire.pages[f"{ROOT}a"] = moved(status, "//hub-1.example/b")
    world.wire.pages["https://hub-1.example/b"] = http.Response(200)
    sample = probed(world)
    assert sample.outcome is Outcome.OK
    assert sample.ended - sample.began == pytest.approx(2 * (TCP_S + TLS_S) + 6 * HOP_S)


def test_redirects_end():
    """Five are followed, the sixth is one too many."""
    world = World()
    for n in range(MOST_REDIRECTS):
        world.wire.pages[f"{ROOT}{n or ''}"] = moved(302, f"/{n + 1}")
    world.wire.pages[f"{ROOT}{MOST_REDIRECTS}"] = http.Response(200)
    assert probed(world).outcome is Outcome.OK
    world.wire.pages[f"{ROOT}{MOST_REDIRECTS}"] = moved(302, "/last")
    world.wire.pages[f"{ROOT}last"] = http.Response(200)
    sample = probed(world)
    assert (sample.outcome, sample.code) == (Outcome.PROTOCOL, "redirects")


@pytest.mark.parametrize(
    ("location", "outcome", "code"),
    [
        ("https://evil.example/", Outcome.BLOCKED, "evil.example"),
        (f"http://{WEB_HOST}/", Outcome.BLOCKED, "downgrade"),
        ("http://evil.example/", Outcome.BLOCKED, "downgrade"),
        ("", Outcome.PROTOCOL, "302"),
        ("ftp://web.example/", Outcome.PROTOCOL, "302"),
    ],
)
def test_redirect_that_must_not_be_followed_ends_it(location, outcome, code):
    """To a host that nobody allowed, out of TLS, or nowhere: nothing more is asked."""
    world = World()
    world.wire.pages[ROOT] = moved(302, location)
    sample = probed(world)
    assert (sample.outcome, sample.code) == (outcome, code)
    assert world.service.report()["opens"] == 1


def test_redirect_from_http_may_lead_anywhere_allowed():
    """There was no TLS to leave."""
    world = World()
    world.wire.pages["http://web.example/"] = moved(301, "http://hub-1.example/")
    world.wire.pages["http://hub-1.example/"] = moved(301, ROOT)
    assert probed(world, probe_url="http://web.example/").outcome is Outcome.OK


def test_first_host_is_checked_too():
    """Whoever named it."""
    assert probed(World(), allows=lambda host: False).outcome is Outcome.BLOCKED


def test_host_that_does_not_exist_is_the_networks_fault():
    """With the resolver's code."""
    world = World()
    world.wire.hosts.clear()
    sample = probed(world)
    assert (sample.outcome, sample.code) == (Outcome.NETWORK, "EAI_NONAME")


def test_time_out_covers_the_redirects():
    """All of them together have the time of one."""
    made = Puppet(probe, main=Operation.HTTP_GET, timeouts=Timeouts(http=1.0))
    made.start()
    made.hear(lambda at: http.Responded(at, moved(302, "/a")), after_s=0.6)
    made.expire()
    assert made.now == 1.0
    assert isinstance(made.take()[-1], http.Abandon)
    (sample,) = settled(made.session.drain_log(), Operation.HTTP_GET)
    assert sample.outcome is Outcome.TIMEOUT
