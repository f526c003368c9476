"""The loop under all connections."""

import gc
import select
import socket
import threading
import weakref
from collections import Counter

from integration.net.caller import CLOCK, PATIENCE_S, Caller, descriptors, free_port

from engine.protocol.mqtt import (
    Connected,
    Disconnect,
    Disconnected,
    Publish,
)


def ours():
    """How many objects of ours and of the libraries under us are alive, by kind."""
    kinds = Counter(type(thing) for thing in gc.get_objects())
    return {
        k: n for k, n in kinds.items() if str(k.__module__).split(".")[0] in ("engine", "paho", "OpenSSL", "select")
    }


def test_wait_ends_at_its_time(caller):
    """No events by then are no events."""
    until = CLOCK.now() + 0.01
    assert not caller.wire.wait(until)
    assert CLOCK.now() >= until


def test_wake_from_another_thread_ends_the_wait(caller):
    """The wait in progress ends empty, long before its time."""
    until = CLOCK.now() + PATIENCE_S
    thread = threading.Thread(target=caller.wire.wake)
    thread.start()
    assert not caller.wire.wait(until)
    assert CLOCK.now() < until
    thread.join()


def test_wake_before_the_wait_ends_the_next_one_only(caller):
    """A call between two waits is not lost, and several are one."""
    caller.wire.wake()
    caller.wire.wake()
    until = CLOCK.now() + PATIENCE_S
    assert not caller.wire.wait(until)
    assert CLOCK.now() < until
    until = CLOCK.now() + 0.01
    caller.wire.wait(until)
    assert CLOCK.now() >= until


def test_close_drops_everything(authority, server):
    """Connections, dials and queued dials are gone without a word; closing and waking again is harmless."""
    before = descriptors()
    caller = Caller(authority.ca_file, handshakes=2)
    caller.up(1, server.port)
    for channel in range(2, 9):
        caller.connect(channel, server.port)
    caller.wire.close()
    caller.wire.close()
    caller.wire.wake()
    assert caller.wire.open_connections == 0
    server.close()
    assert descriptors() <= before


def test_connections_leave_nothing_behind(authority, server):
    """Hundreds of connections, ended in every way, leave no descriptor and no object, and no work for the collector."""
    caller = Caller(authority.ca_file)
    refused, identity = free_port(), authority.identity("d")
    live: weakref.WeakSet[object] = weakref.WeakSet()

    def churn(count):
        for first in range(0, count, 20):
            for channel in range(first, first + 20):
                caller.connect(channel, refused if channel % 5 == 0 else server.port, identity=identity)
            for channel in range(first, first + 20):
                if channel % 5:
                    caller.next(channel, Connected)
                    live.add(caller.wire._channels[channel]._client)
                    live.add(caller.wire._channels[channel]._stream._connection)
                    caller.wire.send(channel, Disconnect() if channel % 2 else Publish("close", b""))
                caller.next(channel, Disconnected)

    churn(40)
    gc.collect()
    gc.disable()
    try:
        held, objects = descriptors(), ours()
        churn(300)
        assert not live
        assert caller.wire.open_connections == 0
        assert not caller.wire._peers
        assert not caller.wire._channels
        assert not caller.wire._wheel._slot_of
        assert ours() == objects
        server.close()
        assert descriptors() <= held
    finally:
        gc.enable()
    caller.wire.close()


def test_descriptors_beyond_1024_work(caller, server):
    """epoll has no limit where select has one."""
    spare = [socket.socket() for _ in range(1100)]
    try:
        for channel in range(3):
            caller.up(channel, server.port)
        assert min(fd for fd in caller.wire._peers) > 1024
        for channel in range(3):
            caller.publish_and_hear(channel, "echo/a", b"x")
    finally:
        for sock in spare:
            sock.close()


def test_handshakes_in_flight_are_capped(authority):
    """Only so many dials hold a descriptor; one that is given up makes room, and one still queued just goes."""
    caller = Caller(authority.ca_file, handshakes=2)
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:  # takes connections, never answers
        for channel in range(5):
            caller.connect(channel, listener.getsockname()[1], host="127.0.0.1")
        assert not caller.wire.wait(CLOCK.now() + 0.05)
        assert caller.wire.open_connections == 2
        caller.wire.send(4, Disconnect())
        assert caller.next(4, Disconnected).asked
        caller.wire.send(0, Disconnect())
        assert caller.next(0, Disconnected).asked
        assert caller.wire.open_connections == 2
        caller.connect(0, listener.getsockname()[1], host="127.0.0.1")
        caller.wire.close()


def test_time_in_the_queue_is_not_the_networks(authority, server):
    """With one handshake at a time each dial begins when the one before has shaken hands, in the order of the calls."""
    caller = Caller(authority.ca_file, handshakes=1)
    for channel in range(5):
        caller.connect(channel, server.port)
    events = [caller.next(channel, Connected) for channel in range(5)]
    began = [e.at - e.tcp_s - e.tls_s - e.connack_s for e in events]
    shaken = [e.at - e.connack_s for e in events]
    assert all(later >= earlier - 1e-6 for earlier, later in zip(shaken, began[1:], strict=False))
    caller.wire.close()


def test_failed_dial_makes_room_for_the_next(authority, server):
    """Refusals do not use up the cap."""
    caller = Caller(authority.ca_file, handshakes=1)
    refused = free_port()
    for channel in range(6):
        caller.connect(channel, refused if channel % 2 else server.port)
    for channel in range(6):
        caller.next(channel, Disconnected if channel % 2 else Connected)
    caller.wire.close()


def test_descriptor_numbers_are_used_again_without_mix_up(caller, server):
    """Connections that end and begin in the same breath share numbers, not events."""
    for channel in range(30):
        caller.up(channel, server.port)
    for round_ in range(5):
        for channel in range(30):
            caller.wire.send(channel, Publish("close", b"") if channel % 2 else Disconnect())
        for channel in range(30):
            caller.next(channel, Disconnected)
            caller.connect(channel, server.port, client_id=f"again-{round_}")
        for channel in range(30):
            caller.next(channel, Connected)
            caller.publish_and_hear(channel, "echo/a", str(channel).encode(), channel)


def test_epoll_forgets_what_is_closed(caller, server):
    """An idle loop with ended connections sleeps instead of spinning."""
    caller.up(1, server.port)
    caller.wire.send(1, Publish("close", b""))
    caller.failure(1)
    assert select.select([caller.wire._epoll], [], [], 0) == ([], [], [])
