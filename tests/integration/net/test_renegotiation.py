"""A new handshake in the middle of a connection."""

import socket
import threading

from integration.net.caller import BIG, PATIENCE_S
from OpenSSL import SSL

from doubles.tls_server import packet
from engine.protocol.mqtt import (
    Disconnect,
    Disconnected,
    Publish,
    Published,
)


def test_renegotiation_amid_writes_is_survived(authority, caller, tmp_path):
    """TLS 1.2 servers may ask for a new handshake at any time; big writes go on after it."""
    certificate, key = authority.server_files(("localhost",), (-1, 30))
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(certificate)
    context.use_privatekey_file(key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[int] = []
        thread = threading.Thread(target=renegotiating_server, args=(listener, context, seen), daemon=True)
        thread.start()
        caller.up(1, listener.getsockname()[1])
        for tag in range(10):
            caller.wire.send(1, Publish("t", bytes([tag]) * BIG, tag))
        assert [caller.next(1, Published).tag for _ in range(10)] == list(range(10))
        caller.wire.send(1, Disconnect())
        caller.next(1, Disconnected)
        thread.join(PATIENCE_S)
        assert seen == [1, *[3] * 10, 14]


def renegotiating_server(listener, context, seen):
    """Serve one connection, with a new handshake after every packet but the first."""
    sock, _ = listener.accept()
    connection = SSL.Connection(context, sock)
    connection.set_accept_state()
    connection.do_handshake()
    buffer = bytearray()
    while 14 not in seen:
        buffer += connection.recv(16_384)
        while (found := first_packet(buffer)) is not None:
            kind, body, size = found
            del buffer[:size]
            seen.append(kind)
            if kind == 1:
                connection.sendall(packet(2, b"\0\0"))
            elif kind == 3:
                connection.renegotiate()
                connection.do_handshake()
                connection.sendall(packet(4, body[3:5]))
    sock.close()


def first_packet(buffer):
    """(kind, body, size) of the first whole packet, None if there is none."""
    size, shift = 0, 0
    for at, digit in enumerate(buffer[1:5], start=1):
        size |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            whole = at + 1 + size
            return (buffer[0] >> 4, bytes(buffer[at + 1 : whole]), whole) if len(buffer) >= whole else None
    return None
