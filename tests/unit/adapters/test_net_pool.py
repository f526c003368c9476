"""Idle connections."""

from doubles.clock import VirtualClock
from engine.adapters.net.dial import Endpoint
from engine.adapters.net.pool import IDLE_LINES, IDLE_S, Pool
from engine.protocol.mqtt import Identity

HERE, THERE = Endpoint("a.test", 443), Endpoint("b.test", 443)


class Line:
    """A line that is quiet until it is told otherwise."""

    def __init__(self, endpoint=HERE):
        self.endpoint, self.quiet = endpoint, True

    def is_quiet(self):
        return self.quiet


def pool():
    """A pool, its clock, and what it has closed."""
    closed = []
    clock = VirtualClock()
    return Pool(clock, closed.append), clock, closed


def test_pool_gives_a_line_to_the_same_endpoint_only():
    """Host, port, identity and TLS must all be the same; equal identities are."""
    under_test, _, _ = pool()
    mine = Endpoint("a.test", 443, Identity(b"k", (b"c",)))
    under_test.put(line := Line(mine))
    for other in (HERE, THERE, Endpoint("a.test", 444, mine.identity), Endpoint("a.test", 443, mine.identity, False)):
        assert under_test.take(other) is None
    assert under_test.take(Endpoint("a.test", 443, Identity(b"k", (b"c",)))) is line
    assert under_test.take(mine) is None
    assert not under_test._idle


def test_pool_gives_the_line_used_last():
    """Those that are not needed grow old."""
    under_test, _, _ = pool()
    lines = [Line() for _ in range(3)]
    for line in lines:
        under_test.put(line)
    assert [under_test.take(HERE) for _ in range(3)] == lines[::-1]


def test_pool_never_gives_a_line_that_is_not_quiet():
    """It is closed and the next one is tried."""
    under_test, _, closed = pool()
    good, stale = Line(), Line()
    under_test.put(good)
    under_test.put(stale)
    stale.quiet = False
    assert under_test.take(HERE) is good
    assert closed == [stale]


def test_pool_closes_a_line_that_something_happened_to():
    """One that is quiet all the same stays."""
    under_test, _, closed = pool()
    line = Line()
    under_test.put(line)
    under_test.check(line)
    assert line in under_test
    line.quiet = False
    under_test.check(line)
    assert line not in under_test
    assert closed == [line]


def test_pool_closes_what_has_been_idle_for_long():
    """Each line has its time, from when it was put in."""
    under_test, clock, closed = pool()
    old, young = Line(), Line(THERE)
    under_test.put(old)
    clock.sleep(IDLE_S / 2)
    under_test.put(young)
    clock.sleep(IDLE_S / 2)
    under_test.sweep()
    assert closed == [old]
    assert len(under_test) == 1


def test_pool_takes_no_more_than_it_has_room_for():
    """The line too many is closed, and those that are there stay."""
    under_test, _, closed = pool()
    lines = [Line() for _ in range(IDLE_LINES + 1)]
    for line in lines:
        under_test.put(line)
    assert closed == [lines[-1]]
    assert len(under_test) == IDLE_LINES
    under_test.clear()
    assert len(closed) == IDLE_LINES + 1
    assert not under_test._idle
