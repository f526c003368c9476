"""Addresses of host names, looked up once and remembered for a minute."""

import errno
import socket
from collections.abc import Callable
from typing import Any

from engine.errors import Failure, Outcome
from engine.ports import Clock

type Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

REMEMBERED_S = 60.0
"""Long enough that a ramp of thousands of dials asks once, short enough to follow a service that moves."""

FAILED_REMEMBERED_S = 5.0
"""Failures are remembered too: a dead resolver takes seconds to say so, and the loop stands still meanwhile."""

LOCALHOST = "localhost"

_CODES = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")}


class Hosts:
    """A look-up that blocks the loop only the first time a name is seen; numeric and local names never leave us."""

    def __init__(self, clock: Clock, look_up: Callable[..., Any] = socket.getaddrinfo) -> None:
        """look_up is called like socket.getaddrinfo."""
        self._clock, self._look_up = clock, look_up
        self._known: dict[tuple[str, int], tuple[float, tuple[Address, ...] | Failure]] = {}

    def addresses(self, host: str, port: int) -> tuple[Address, ...] | Failure:
        """Where to dial, IPv4 first; a `network` failure with the resolver's code when the name leads nowhere.

        `localhost` and every name under it is this machine, and no resolver is asked. Source: RFC 6761 section 6.3.
        """
        if host.lower().removesuffix(".").rpartition(".")[2] == LOCALHOST:
            return (socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))
        now = self._clock.now()
        known = self._known.get((host, port))
        if known is None or now >= known[0]:
            found = self._ask(host, port)
            lasts_s = FAILED_REMEMBERED_S if isinstance(found, Failure) else REMEMBERED_S
            self._known[(host, port)] = known = (now + lasts_s, found)
        return known[1]

    def _ask(self, host: str, port: int) -> tuple[Address, ...] | Failure:
        try:
            found = self._look_up(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return Failure(Outcome.NETWORK, _code(error), f"{host} does not resolve")
        return tuple((family, address) for family, _, _, _, address in sorted(found, key=_ipv4_first))


def _code(error: OSError | UnicodeError) -> str:
    """The resolver's word, or the system's where the look-up itself was refused, as when descriptors run out."""
    if isinstance(error, UnicodeError):
        return "EAI_NONAME"
    number = error.errno or 0
    return _CODES.get(number, "EAI_FAIL") if number <= 0 else errno.errorcode.get(number, "EAI_FAIL")


def _ipv4_first(found: tuple[socket.AddressFamily, object, object, object, object]) -> bool:
    return found[0] is not socket.AF_INET
