"""What crossed a socket, as the kernel counted it: the hot path counts nothing."""

import socket
import struct
from typing import Final

from engine.ports import Traffic

_INFO_BYTES: Final = 256
_RECEIVED_AT: Final = 128
_SENT_AT: Final = 200
_PAIR: Final = struct.Struct("=QQ")
"""Where the kernel puts tcpi_bytes_received, and tcpi_bytes_sent with tcpi_bytes_retrans after it.
Source: Linux 4.19 and later, include/uapi/linux/tcp.h, struct tcp_info, to which fields are only ever added."""


def traffic_of(sock: socket.socket) -> Traffic:
    """The bytes that TCP carried: handshakes and records of TLS count, headers of packets and repetitions do not.

    Nothing of a kernel that does not count them.
    """
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _SENT_AT + _PAIR.size:
        return Traffic()
    sent, repeated = _PAIR.unpack_from(info, _SENT_AT)
    received, _ = _PAIR.unpack_from(info, _RECEIVED_AT)
    return Traffic(sent - repeated, received)
