"""Whoever uses a wire in these tests."""

import os
import socket
import time

from engine.adapters.net.wire import EpollWire
from engine.protocol import http
from engine.protocol.mqtt import (
    Connect,
    Connected,
    Disconnected,
    Publish,
    Published,
    Received,
)

PATIENCE_S = 20.0
BIG = 200_000


class Monotonic:
    """The system's clock."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)


CLOCK = Monotonic()


class Caller:
    """A wire, and what it said by channel."""

    def __init__(self, ca_file, newest_tls="1.3", **options):
        self.wire = EpollWire(CLOCK, ca_file=ca_file, newest_tls=newest_tls, **options)
        self.heard = {}

    def connect(self, channel, port, host="localhost", **fields):
        """Send Connect."""
        fields = {"client_id": f"device-{channel}", "username": f"hub/device-{channel}"} | fields
        self.wire.send(channel, Connect(host, port, **fields))

    def next(self, channel, kind):
        """The channel's next event, which must be of this kind."""
        deadline = CLOCK.now() + PATIENCE_S
        while not self.heard.get(channel):
            assert CLOCK.now() < deadline, f"no {kind.__name__} on channel {channel}"
            for source, event in self.wire.wait(deadline):
                self.heard.setdefault(source, []).append(event)
        event = self.heard[channel].pop(0)
        assert isinstance(event, kind), event
        return event

    def failure(self, channel):
        """The failure of the Disconnected that must come next, as (outcome, code)."""
        event = self.next(channel, Disconnected)
        assert not event.asked
        return event.failure.outcome, event.failure.code

    def up(self, channel, port, **fields):
        """Connect and see it through."""
        self.connect(channel, port, **fields)
        return self.next(channel, Connected)

    def publish_and_hear(self, channel, topic, payload, tag=0):
        """Publish to the echo and check that both the acknowledgement and the echo come."""
        self.wire.send(channel, Publish(topic, payload, tag))
        assert self.next(channel, Published).tag == tag
        event = self.next(channel, Received)
        assert (event.topic, event.payload) == (topic, payload)

    def ask(self, channel, url, method="GET", **fields):
        """Send Request."""
        self.wire.send(channel, http.Request(method, url, **fields))

    def answer(self, channel, url, method="GET", **fields):
        """Ask, and the response that must come next."""
        self.ask(channel, url, method, **fields)
        return self.next(channel, http.Responded).response

    def unanswered(self, channel):
        """The failure of the Unanswered that must come next, as (outcome, code)."""
        failure = self.next(channel, http.Unanswered).failure
        return failure.outcome, failure.code

    def rest(self):
        """Turn until everything at hand has been served, and hear that nothing was said."""
        for _ in range(3):
            assert not self.wire.wait(CLOCK.now() + 0.01)


def free_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def descriptors():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))
