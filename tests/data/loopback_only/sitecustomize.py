"""Keeps a Python process, and those that it starts, from turning to anybody but this machine, and notes who tried.

Put this folder on PYTHONPATH, and the file to note it in into LOOPBACK_ONLY; the first line of a process says that it
is guarded. It hears of every socket of Python, whichever library has it. Source: Python, "Audit events table".
"""

import ipaddress
import os
import sys

ASKED = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0}
REACHED = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}


def _note(text: str) -> None:
    with open(os.environ["LOOPBACK_ONLY"], "a", encoding="utf-8") as file:
        file.write(f"{text} {os.getpid()} {' '.join(' '.join(sys.orig_argv).split())}\n")


def _is_here(host: object) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.endswith(".localhost")


def _hear(event: str, args: tuple[object, ...]) -> None:
    if event in ASKED:
        host = args[ASKED[event]]
    elif event in REACHED and isinstance(address := args[REACHED[event]], tuple):
        host = address[0]
    else:
        return
    if not _is_here(host):
        _note(f"foreign {host!r}")
        raise PermissionError(f"{host!r} is not this machine")


if "LOOPBACK_ONLY" in os.environ:
    _note("guarded")
    sys.addaudithook(_hear)
