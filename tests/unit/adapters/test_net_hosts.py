"""Name look-ups."""

import socket

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
    """An emulator on 127.0.0.1 is found where localhost is ::1 first."""
    hosts = Hosts(VirtualClock(), Resolver([V6, V4]))
    assert [family for family, _ in hosts.addresses("localhost", 1)] == [socket.AF_INET, socket.AF_INET6]


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
