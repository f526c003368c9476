"""Name look-ups."""

import errno
import socket

import pytest

from doubles.clock import VirtualClock
from engine.adapters.net.hosts import FAILED_REMEMBERED_S, REMEMBERED_S, Hosts
from engine.errors import Failure, Outcome

V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0))
V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))


class Resolver:
    """Answers like getaddrinfo, and counts."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    def __call__(self, host, port, **_):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_hosts_asks_once_a_minute():
    """A name is looked up once, and again when a minute has passed."""
    clock, resolver = VirtualClock(), Resolver([V4])
    hosts = Hosts(clock, resolver)
    for _ in range(3):
        assert hosts.addresses("a", 1) == ((socket.AF_INET, ("127.0.0.1", 1)),)
    assert resolver.asked == 1
    clock.sleep(REMEMBERED_S)
    hosts.addresses("a", 1)
    assert resolver.asked == 2


def test_hosts_puts_ipv4_first():
    """A server that listens on IPv4 alone is found at once."""
    hosts = Hosts(VirtualClock(), Resolver([V6, V4]))
    assert [family for family, _ in hosts.addresses("a", 1)] == [socket.AF_INET, socket.AF_INET6]


@pytest.mark.parametrize("name", ["localhost", "hub-1.localhost", "a.b.LocalHost", "hub-1.localhost."])
def test_hosts_keeps_localhost_and_names_under_it_here(name):
    """They lead to loopback, 127.0.0.1 first, and nobody is asked."""
    resolver = Resolver([])
    found = Hosts(VirtualClock(), resolver).addresses(name, 1)
    assert found == ((socket.AF_INET, ("127.0.0.1", 1)), (socket.AF_INET6, ("::1", 1, 0, 0)))
    assert not resolver.asked


@pytest.mark.parametrize("name", ["notlocalhost", "localhost.test"])
def test_hosts_asks_for_names_that_only_look_like_localhost(name):
    """The last label decides."""
    resolver = Resolver([V4])
    Hosts(VirtualClock(), resolver).addresses(name, 1)
    assert resolver.asked


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EMFILE, "EMFILE"), (socket.EAI_AGAIN, "EAI_AGAIN"), (-99, "EAI_FAIL")]
)
def test_hosts_tells_the_systems_refusals_from_the_resolvers(number, code):
    """A look-up that ran out of descriptors is not a name that does not exist."""
    failure = Hosts(VirtualClock(), Resolver(OSError(number, "no"))).addresses("a", 1)
    assert (failure.outcome, failure.code) == (Outcome.NETWORK, code)


def test_hosts_names_the_resolvers_error_and_remembers_it_shortly():
    """A name that leads nowhere is a network failure, asked for again after a few seconds."""
    clock, resolver = VirtualClock(), Resolver(socket.gaierror(socket.EAI_NONAME, "no such name"))
    hosts = Hosts(clock, resolver)
    failure = hosts.addresses("a", 1)
    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.code) == (Outcome.NETWORK, "EAI_NONAME")
    hosts.addresses("a", 1)
    assert resolver.asked == 1
    clock.sleep(FAILED_REMEMBERED_S)
    hosts.addresses("a", 1)
    assert resolver.asked == 2


def test_hosts_refuses_an_impossible_name():
    """A label over 63 letters is no name."""
    failure = Hosts(VirtualClock()).addresses("a" * 70, 1)
    assert isinstance(failure, Failure)
    assert failure.code == "EAI_NONAME"
